package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAntiAliasAgainstGeneric compares every implementation with the plain loop,
// and the values of many rows and channels with those of each row and panel
// computed alone.
func TestAntiAliasAgainstGeneric(t *testing.T) {
	filters := []struct {
		name         string
		in, out      func(rows int) int // rows of x and of dst
		step         int                // rows of x from one row, or pair, to the next
		run, generic func(dst []float32, ldDst int, x []float32, ldX, rows, cols int, h *[AntiAliasTaps]float32)
	}{
		{"up", func(n int) int { return n + 6 }, func(n int) int { return 2 * n }, 1, UpsampleRows,
			func(dst []float32, ldDst int, x []float32, ldX, rows, cols int, h *[AntiAliasTaps]float32) {
				doubled := *h
				for i := range doubled {
					doubled[i] *= 2
				}
				upsampleRowsGeneric(dst, x, doubled[:], ldDst, ldX, rows, cols)
			}},
		{"down", func(n int) int { return 2*n + 10 }, func(n int) int { return n }, 2, DownsampleRows,
			func(dst []float32, ldDst int, x []float32, ldX, rows, cols int, h *[AntiAliasTaps]float32) {
				downsampleRowsGeneric(dst, x, h[:], ldDst, ldX, rows, cols)
			}},
	}
	r := rand.New(rand.NewPCG(3, 5))
	h := [AntiAliasTaps]float32(random(r, AntiAliasTaps))
	for _, f := range filters {
		eachISA(t, func(t *testing.T) {
			for _, cols := range []int{16, 32, 48, 80, 144} {
				for _, rows := range []int{1, 2, 5} {
					t.Run(fmt.Sprintf("%s %dx%d", f.name, rows, cols), func(t *testing.T) {
						ldX, ldDst := cols+r.IntN(5), cols+r.IntN(5)
						x := random(r, (f.in(rows)-1)*ldX+cols)
						out := random(r, f.out(rows)*ldDst+2*Width)
						before := slices.Clone(out)
						dst := out[Width : Width+(f.out(rows)-1)*ldDst+cols]
						f.run(dst, ldDst, x, ldX, rows, cols, &h)
						want := slices.Clone(before[Width : Width+len(dst)])
						f.generic(want, ldDst, x, ldX, rows, cols, &h)
						for i, v := range dst {
							if d := v - want[i]; d > 1e-5 || d < -1e-5 {
								t.Fatalf("value %d is %v, want %v", i, v, want[i])
							}
						}
						same(t, "in front", out[:Width], before[:Width])
						same(t, "behind", out[Width+len(dst):], before[Width+len(dst):])
						perRow := f.out(1)
						alone := make([]float32, perRow*Width)
						for row := range rows {
							for c := 0; c < cols; c += Width {
								f.run(alone, Width, x[row*f.step*ldX+c:], ldX, 1, Width, &h)
								for i := range perRow {
									same(t, "alone", dst[(row*perRow+i)*ldDst+c:][:Width], alone[i*Width:][:Width])
								}
							}
						}
					})
				}
			}
		})
	}
}

// TestAntiAliasBounds: slices that are too short, and odd numbers of channels, are
// a panic, not memory beyond them.
func TestAntiAliasBounds(t *testing.T) {
	var h [AntiAliasTaps]float32
	for name, f := range map[string]func(){
		"up, short x":     func() { UpsampleRows(make([]float32, 64), 16, make([]float32, 8*16-1), 16, 2, 16, &h) },
		"up, short dst":   func() { UpsampleRows(make([]float32, 63), 16, make([]float32, 8*16), 16, 2, 16, &h) },
		"down, short x":   func() { DownsampleRows(make([]float32, 32), 16, make([]float32, 14*16-1), 16, 2, 16, &h) },
		"down, short dst": func() { DownsampleRows(make([]float32, 31), 16, make([]float32, 14*16), 16, 2, 16, &h) },
		"15 channels":     func() { DownsampleRows(make([]float32, 32), 16, make([]float32, 14*16), 16, 2, 15, &h) },
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
	UpsampleRows(nil, 16, nil, 16, 0, 16, &h)
}
