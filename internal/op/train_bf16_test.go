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

// linear is weights of one tap, packed by the loops that their documentation says.
type linear struct {
	w, scale []float32
	out, in  int
}

func (l *linear) Frozen() bool                                             { return false }
func (l *linear) AccumulateGrad(r *Run, dw []float32, ld int, b []float32) {}
func (l *linear) Linear() (w, scale []float32, out, in int)                { return l.w, l.scale, l.out, l.in }

func (l *linear) value(o, i int) float32 {
	if l.scale == nil {
		return l.w[o*l.in+i]
	}
	return l.w[o*l.in+i] * l.scale[o]
}

func (l *linear) Pack(r *Run) *kernel.Panels {
	p := r.Panels(1, l.in, l.out)
	clear(p.Data)
	for o := range l.out {
		for i := range l.in {
			p.Data[p.Index(0, i, o)] = l.value(o, i)
		}
	}
	return p
}

func (l *linear) PackInputGrad(r *Run, stride int) []*kernel.Panels {
	p := r.Panels(1, l.out, l.in)
	clear(p.Data)
	for o := range l.out {
		for i := range l.in {
			p.Data[p.Index(0, o, i)] = l.value(o, i)
		}
	}
	return []*kernel.Panels{p}
}

// TestLinearWeightsAreRoundedInPlace: what is packed from the weights themselves is what
// their float32 panels round to.
func TestLinearWeightsAreRoundedInPlace(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	for _, size := range [][2]int{{16, 16}, {17, 33}, {1, 40}, {40, 1}, {64, 96}, {31, 31}} {
		for _, scaled := range []bool{false, true} {
			random := rand.New(rand.NewPCG(1, 2))
			l := &linear{out: size[0], in: size[1]}
			for range l.out * l.in {
				l.w = append(l.w, float32(random.NormFloat64()))
			}
			if scaled {
				for range l.out {
					l.scale = append(l.scale, float32(random.NormFloat64()))
				}
			}
			r := NewRun(pool)
			if got, want := r.packRounded(l), r.round(l.Pack(r)); !slices.Equal(got.Data, want.Data) || got.K != want.K || got.N != want.N {
				t.Errorf("%v, scaled %v: other weights", size, scaled)
			}
			if got, want := r.packInputGradRounded(l, 1)[0], r.round(l.PackInputGrad(r, 1)[0]); !slices.Equal(got.Data, want.Data) || got.K != want.K || got.N != want.N {
				t.Errorf("%v, scaled %v: other weights of the input's gradient", size, scaled)
			}
		}
	}
}
