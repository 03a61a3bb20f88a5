package op

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestToomCookInTraining: a recording's convolutions of seven taps, and their gradients, are
// those of direct products but for rounding errors, in blocks and on whole sequences, and the
// same bits on any number of threads.
func TestToomCookInTraining(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name               string
		b, length, in, out int
		shape              ConvShape
		snake              bool
		init               int // rows that are added
		has                bool
	}{
		{"whole", 4, 81, 48, 33, ConvShape{Dilation: 1, Causal: true}, true, 0, false},
		{"whole, rows that are added", 3, 240, 128, 128, ConvShape{Dilation: 9}, true, 240, true},
		{"whole, one row that is added", 1, 263, 32, 40, ConvShape{Dilation: 3, Zero: true}, false, 1, false},
		{"whole, many weights", 3, 100, 272, 256, ConvShape{Dilation: 3}, true, 0, true},
		{"whole, shorter than a tile", 86, 3, 32, 32, ConvShape{Dilation: 9, Zero: true}, true, 0, false},
		{"blocks", 4, 2500, 32, 48, ConvShape{Dilation: 3}, true, 0, false},
		{"blocks, dilation 9", 4, 2049, 40, 32, ConvShape{Dilation: 9, Causal: true}, true, 0, true},
		{"blocks, zeros", 5, 1100, 64, 64, ConvShape{Dilation: 1, Zero: true}, true, 0, false},
		{"blocks, one row that is added", 4, 2100, 32, 32, ConvShape{Dilation: 9}, true, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.shape.K, c.shape.Stride = 7, 1
			x := noise(random, c.b, c.length, c.in)
			f := &trainedConv{w: noise(random, 1, 1, c.out*7*c.in).Data[:c.out*7*c.in], out: c.out, in: c.in, taps: 7}
			left, right := c.shape.padding()
			dy := noise(random, c.b, c.shape.outputs(left+c.length+right), c.out)
			init := noise(random, c.b, max(1, c.init), c.out)
			bias := noise(random, 1, 1, c.out)
			clear(bias.Data[c.out:])
			var act Activation
			if c.snake {
				act = &Snake{Alpha: noise(random, 1, 1, c.in).Data, Inv: noise(random, 1, 1, c.in).Data}
			}
			compute := func(threads int, exact bool) [][]float32 {
				pool := parallel.New(threads)
				defer pool.Close()
				r := NewRun(pool)
				r.Exact = exact
				var results [][]float32
				for range 2 { // the second time in memory that was used
					r.Record(Random{})
					input := r.RequireGrad(x)
					var first *tensor.Tensor
					if c.init > 0 {
						first = &init
					}
					y := r.Conv(NewSlot(), Filter{Trainable: f, Bias: bias.Data}, c.shape, act, input, first)
					results = [][]float32{y.ToBCT()}
					r.SeedGrad(y, dy)
					if c.has {
						r.SeedGrad(input, x)
					}
					r.Backward()
					results = append(results, r.Grad(input).ToBCT(), append([]float32(nil), f.dw...), append([]float32(nil), f.db...))
					poison(r)
				}
				return results
			}
			want, got, again := compute(1, true), compute(1, false), compute(3, false)
			for i, name := range []string{"output", "gradient of the input", "gradient of the weights", "gradient of the bias"} {
				golden.Close(t, name, got[i], want[i], 6e-6)
				if fmt.Sprint(got[i]) != fmt.Sprint(again[i]) {
					t.Errorf("%s: three threads compute other bits", name)
				}
			}
			if fmt.Sprint(got[0]) == fmt.Sprint(want[0]) {
				t.Error("the output is that of direct products, to the bit")
			}
		})
	}
}
