package op

import (
	"math"
	"testing"

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
		if c.op != "Conv" && c.op != "ConvTranspose" {
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
