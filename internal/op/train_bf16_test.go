package op

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/parallel"
)

// TestGradientsBF16 compares the results and gradients of products of rounded operands
// with those of float32, and looks whether they are the same bits on any number of
// threads, with frozen weights and with NaN in all memory that is free.
func TestGradientsBF16(t *testing.T) {
	one, three := parallel.New(1), parallel.New(3)
	defer one.Close()
	defer three.Close()
	rounded := 0
	for _, c := range gradientCases() {
		if c.op != "Conv" && c.op != "ConvTranspose" && c.op != "Conv2D" {
			continue
		}
		t.Run(c.op+"/"+c.name, func(t *testing.T) {
			p := c.problem()
			exact := p.gradients(NewRun(one), variant{inputs: true})
			r := NewRun(one)
			r.BF16 = true
			g := p.gradients(r, variant{inputs: true, bf16: true})
			for _, l := range append(p.inputs, p.learned...) {
				var difference, square float64
				for i, v := range exact.of[l] {
					d := float64(g.of[l][i] - v)
					difference += d * d
					square += float64(v) * float64(v)
				}
				if !(difference <= 0.01*0.01*square) {
					t.Errorf("%s: the gradient differs by %.3g of its norm", l.name, math.Sqrt(difference/square))
				}
				if difference > 0 {
					rounded++
				}
			}
			g.same(t, p, variant{name: "three threads", inputs: true, bf16: true}, three)
			g.same(t, p, variant{name: "poisoned", inputs: true, bf16: true, poison: true}, one)
			g.same(t, p, variant{name: "constant inputs", bf16: true}, one)
			g.same(t, p, variant{name: "frozen", inputs: true, frozen: true, bf16: true}, three)
		})
	}
	if rounded < 10 {
		t.Errorf("%d gradients were rounded", rounded)
	}
}

// taps are weights, packed by the loops that their documentation says.
type taps struct {
	w, scale     []float32
	out, in, num int
}

func (l *taps) Frozen() bool                                             { return false }
func (l *taps) AccumulateGrad(r *Run, dw []float32, ld int, b []float32) {}
func (l *taps) Matrix() (w, scale []float32, out, in, n int) {
	return l.w, l.scale, l.out, l.in, l.num
}

func (l *taps) value(o, i, tap int) float32 {
	v := l.w[(o*l.in+i)*l.num+tap]
	if l.scale == nil {
		return v
	}
	return v * l.scale[o]
}

func (l *taps) Pack(r *Run) *kernel.Panels {
	p := r.Panels(l.num, l.in, l.out)
	clear(p.Data)
	for o := range l.out {
		for i := range l.in {
			for tap := range l.num {
				p.Data[p.Index(tap, i, o)] = l.value(o, i, tap)
			}
		}
	}
	return p
}

func (l *taps) PackInputGrad(r *Run, stride int) (phases []*kernel.Panels) {
	for phase := range stride {
		p := r.Panels((l.num-phase+stride-1)/stride, l.out, l.in)
		clear(p.Data)
		for o := range l.out {
			for i := range l.in {
				for tap := phase; tap < l.num; tap += stride {
					p.Data[p.Index(p.Taps-1-tap/stride, o, i)] = l.value(o, i, tap)
				}
			}
		}
		phases = append(phases, p)
	}
	return phases
}

// TestWeightsAreRoundedInPlace: what is packed from the weights themselves is what their
// float32 panels round to.
func TestWeightsAreRoundedInPlace(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	for _, size := range [][4]int{ // out, in, taps, stride
		{16, 16, 1, 1}, {17, 33, 1, 1}, {1, 40, 1, 1}, {40, 1, 1, 1}, {64, 96, 1, 1}, {31, 31, 1, 1}, {20, 20, 1, 3},
		{64, 32, 5, 1}, {33, 47, 7, 1}, {3, 70, 2, 1}, {70, 3, 6, 2}, {40, 40, 8, 4}, {48, 16, 10, 5}, {16, 16, 3, 5},
	} {
		for _, scaled := range []bool{false, true} {
			random := rand.New(rand.NewPCG(1, 2))
			l := &taps{out: size[0], in: size[1], num: size[2]}
			for range l.out * l.in * l.num {
				l.w = append(l.w, float32(random.NormFloat64()))
			}
			if scaled {
				for range l.out {
					l.scale = append(l.scale, float32(random.NormFloat64()))
				}
			}
			r := NewRun(pool)
			same := func(what string, got, want roundedPanels) {
				if !slices.Equal(got.Data, want.Data) || got.K != want.K || got.N != want.N || got.Taps != want.Taps {
					t.Errorf("%v, scaled %v: other %s", size, scaled, what)
				}
			}
			same("weights", r.packRounded(l), r.round(l.Pack(r)))
			want := l.PackInputGrad(r, size[3])
			for i, got := range r.packInputGradRounded(l, size[3]) {
				same("weights of the input's gradient", got, r.round(want[i]))
			}
		}
	}
}
