package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// An fftCase is a pass of the Fourier transform on the rows of arrays at strides
// of their own.
type fftCase struct {
	name         string
	src, dst     int // rows read and written
	dense        bool
	run, generic func(dst, src [2][]float32, ldDst, ldSrc int)
}

func fftCases(r *rand.Rand) []fftCase {
	var cases []fftCase
	for _, quarter := range []int{1, 2, 5} {
		for _, blocks := range []int{1, 3} {
			n, tw := 4*quarter*blocks, random(r, 6*quarter)
			cases = append(cases, fftCase{fmt.Sprintf("radix 4 of %d blocks of %d", blocks, 4*quarter), n, n, true,
				func(d, s [2][]float32, _, ldSrc int) {
					FFTRadix4(d[0], d[1], s[0], s[1], ldSrc, quarter, blocks, tw)
				},
				func(d, s [2][]float32, _, ldSrc int) {
					fftRadix4Generic(d[0], d[1], s[0], s[1], tw, ldSrc, quarter, blocks)
				}})
		}
	}
	for _, radix := range []int{4, 8} {
		generic := fftLast4Generic
		if radix == 8 {
			generic = fftLast8Generic
		}
		for _, rows := range [][]int32{{0}, {2, 0, 1}} {
			n := radix * len(rows)
			cases = append(cases, fftCase{fmt.Sprintf("%d last transforms of %d", len(rows), radix), n, n, false,
				func(d, s [2][]float32, ldDst, ldSrc int) {
					FFTLast(radix, d[0], d[1], ldDst, s[0], s[1], ldSrc, rows, len(rows))
				},
				func(d, s [2][]float32, ldDst, ldSrc int) {
					generic(d[0], d[1], s[0], s[1], rows, ldDst, ldSrc, len(rows))
				}})
		}
	}
	for _, n := range []int{2, 4, 6, 10} {
		tw := random(r, n+2)
		in := func(d, s [2][]float32, ldDst, ldSrc int) {
			for i := range 2 {
				for k := range n {
					copy(d[i][k*ldDst:][:Width], s[i][k*ldSrc:])
				}
			}
		}
		cases = append(cases,
			fftCase{fmt.Sprintf("split of %d", n), n, n + 1, false,
				func(d, s [2][]float32, ldDst, ldSrc int) {
					in(d, s, ldDst, ldSrc)
					FFTSplit(d[0], d[1], ldDst, n, tw)
				},
				func(d, s [2][]float32, ldDst, ldSrc int) {
					in(d, s, ldDst, ldSrc)
					fftSplitGeneric(d[0], d[1], tw, ldDst, n)
				}},
			fftCase{fmt.Sprintf("merge of %d", n), n + 1, n, true,
				func(d, s [2][]float32, _, ldSrc int) { FFTMerge(d[0], d[1], s[0], s[1], ldSrc, n, tw) },
				func(d, s [2][]float32, _, ldSrc int) { fftMergeGeneric(d[0], d[1], s[0], s[1], tw, ldSrc, n) }})
	}
	return cases
}

// TestFFTAgainstGeneric also sees that nothing beside the rows is written, that
// a lane does not depend on the others, and that a NaN or an infinity comes
// through.
func TestFFTAgainstGeneric(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range fftCases(r) {
			for trial := range 4 {
				ldSrc, ldDst := Width+r.IntN(9), Width+r.IntN(9)
				if c.dense {
					ldDst = Width
				}
				var src, dst [2][]float32
				for i := range src {
					src[i], dst[i] = random(r, c.src*ldSrc+trial)[trial:], random(r, c.dst*ldDst+40)
				}
				lane := r.IntN(Width)
				if trial > 0 {
					at := r.IntN(c.src-1)*ldSrc + lane
					src[0][at], src[1][at] = specials[2+r.IntN(3)], specials[r.IntN(5)]
				}
				want, before := [2][]float32{slices.Clone(dst[0]), slices.Clone(dst[1])}, [2][]float32{slices.Clone(dst[0]), slices.Clone(dst[1])}
				cut := func(v [2][]float32) [2][]float32 { return [2][]float32{v[0][20:], v[1][20:]} }
				c.run(cut(dst), src, ldDst, ldSrc)
				c.generic(cut(want), src, ldDst, ldSrc)
				poisoned := false
				for i := range dst {
					for j, w := range want[i] {
						if k := j - 20; k < 0 || k >= c.dst*ldDst || k%ldDst >= Width {
							same(t, c.name+": guards", dst[i][j:j+1], before[i][j:j+1])
							continue
						}
						g := dst[i][j]
						finite := !math.IsNaN(float64(w)) && !math.IsInf(float64(w), 0)
						poisoned = poisoned || !finite
						if !near(g, w, 3e-6) {
							t.Fatalf("%s, trial %d: row %d, lane %d is %v, want %v", c.name, trial, (j-20)/ldDst, (j-20)%ldDst, g, w)
						}
						if !finite && (j-20)%ldDst != lane {
							t.Fatalf("%s: lane %d depends on lane %d", c.name, (j-20)%ldDst, lane)
						}
					}
				}
				if poisoned != (trial > 0) {
					t.Fatalf("%s, trial %d: no NaN or infinity has come through, or from nowhere", c.name, trial)
				}
			}
		}
	})
}

// TestFFTRadix4InPlace and from another array give the same.
func TestFFTRadix4InPlace(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const quarter, blocks = 3, 2
		re, im, tw := random(r, 4*quarter*blocks*Width), random(r, 4*quarter*blocks*Width), random(r, 6*quarter)
		wantRe, wantIm := make([]float32, len(re)), make([]float32, len(im))
		FFTRadix4(wantRe, wantIm, re, im, Width, quarter, blocks, tw)
		FFTRadix4(re, im, re, im, Width, quarter, blocks, tw)
		same(t, "real parts", re, wantRe)
		same(t, "imaginary parts", im, wantIm)
	})
}

func TestFFTOutOfBounds(t *testing.T) {
	v := make([]float32, 8*Width)
	short := v[:8*Width-1]
	for name, f := range map[string]func(){
		"short source":      func() { FFTRadix4(v, v, v, short, Width, 1, 2, v) },
		"short destination": func() { FFTRadix4(short, v, v, v, Width, 1, 2, v) },
		"short factors":     func() { FFTRadix4(v, v, v, v, Width, 2, 1, v[:11:11]) },
		"narrow rows":       func() { FFTRadix4(v, v, v, v, Width-1, 2, 1, v) },
		"row beyond":        func() { FFTLast(4, v, v, Width, v, v, Width, []int32{0, 2}, 2) },
		"row before":        func() { FFTLast(4, v, v, Width, v, v, Width, []int32{0, -1}, 2) },
		"radix":             func() { FFTLast(2, v, v, Width, v, v, Width, []int32{0}, 1) },
		"long step":         func() { FFTLast(4, v, v, Width, v, v, Width, []int32{0}, 3) },
		"odd split":         func() { FFTSplit(v, v, Width, 3, v) },
		"long split":        func() { FFTSplit(v, v, Width, 8, v) },
		"long merge":        func() { FFTMerge(v, v, v, v, Width, 8, v) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
