package op

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestConvInBlocks: a convolution that is computed in blocks is, to the bit and on any number
// of threads, that of whole sequences, as are its gradients: one sequence alone is computed
// whole, and the gradient of the weights is that of the window in memory.
func TestConvInBlocks(t *testing.T) {
	for _, c := range []struct {
		in, out, length int
		ConvShape
		act  Activation
		init int  // rows that are added
		has  bool // a gradient of the input before
	}{
		{16, 20, 4200, ConvShape{K: 7, Stride: 1, Dilation: 9, Causal: true}, nil, 0, true},
		{16, 16, 4096, ConvShape{K: 1, Stride: 1, Dilation: 1, Causal: true}, nil, 4096, false},
		{12, 1, 4100, ConvShape{K: 7, Stride: 1, Dilation: 3}, nil, 1, false},
		{20, 16, 2111, ConvShape{K: 5, Stride: 1, Dilation: 2, Zero: true}, GELU, 0, true},
		{12, 24, 4099, ConvShape{K: 8, Stride: 4, Dilation: 1, Causal: true}, nil, 0, false},
		{30, 40, 2601, ConvShape{K: 10, Stride: 5, Dilation: 1}, nil, 0, true},
	} {
		t.Run(fmt.Sprintf("%d to %d channels, %+v", c.in, c.out, c.ConvShape), func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, 8))
			x := noise(random, narrowSequences, c.length, c.in)
			f := &trainedConv{w: noise(random, 1, 1, c.out*c.K*c.in).Data[:c.out*c.K*c.in], out: c.out, in: c.in, taps: c.K}
			act, sums := c.act, []float32(nil)
			if act == nil {
				act = &Snake{Alpha: noise(random, 1, 1, c.in).Data, Inv: noise(random, 1, 1, c.in).Data,
					OnGrad: func(alpha, inv []float32) { sums = append(append([]float32(nil), alpha[:c.in]...), inv[:c.in]...) }}
			}
			filter := Filter{Trainable: f, Bias: noise(random, 1, 1, c.out).Data}
			window := blockWindow{x: x}
			window.left, window.right = c.padding()
			if !c.Zero {
				window.right += (c.Stride - c.length%c.Stride) % c.Stride
			}
			dy := noise(random, x.B, c.outputs(window.rows()), c.out)
			var init tensor.Tensor
			if c.init > 0 {
				init = noise(random, x.B, c.init, c.out)
			}
			// Sequence b of all, or of those of sample b alone.
			compute := func(threads int, sample func(tensor.Tensor) tensor.Tensor) (y, dx tensor.Tensor) {
				pool := parallel.New(threads)
				defer pool.Close()
				r := NewRun(pool)
				r.Record(Random{})
				input := r.RequireGrad(sample(x))
				var first *tensor.Tensor
				if init.Data != nil {
					first = new(tensor.Tensor)
					*first = sample(init)
				}
				packed := filter
				packed.Panels = f.Pack(r)
				if in := r.blockWindow(packed, c.ConvShape, act, input) != nil; in != (input.B == x.B) {
					t.Fatalf("%d sequences in blocks: %v", input.B, in)
				}
				y = r.Conv(NewSlot(), filter, c.ConvShape, act, input, first)
				y.Data = append([]float32(nil), y.Data...)
				out := y
				r.SeedGrad(out, sample(dy))
				if c.has {
					r.SeedGrad(input, sample(x))
				}
				r.Backward()
				return y, r.Grad(input)
			}
			whole := func(x tensor.Tensor) tensor.Tensor { return x }
			y, dx := compute(1, whole)
			dw, db, activation := f.dw, f.db, sums
			y3, dx3 := compute(3, whole)
			equal(t, "output on three threads", y3, y)
			equal(t, "input on three threads", dx3, dx)
			golden.Equal(t, "weights on three threads", f.dw, dw)
			golden.Equal(t, "bias on three threads", f.db, db)
			golden.Equal(t, "activation on three threads", sums, activation)
			for b := range x.B {
				alone := func(x tensor.Tensor) tensor.Tensor { return x.Sample(b) }
				y1, dx1 := compute(2, alone)
				equal(t, "output of one sequence", y1, y.Sample(b))
				equal(t, "gradient of one sequence", dx1, dx.Sample(b))
			}
			// The window in memory.
			pool := parallel.New(2)
			defer pool.Close()
			r := NewRun(pool)
			r.Record(Random{})
			rows := r.window(nil, c.ConvShape, act, x, rowsFloat32).rows
			if rows.T != window.rows() {
				t.Fatalf("a window of %d rows, want %d", rows.T, window.rows())
			}
			g := weightGrad{dw: make([]float32, c.out*c.K*tensor.RoundUp(c.in)), a: dy, rows: rows, taps: c.K, stride: c.Stride, dilation: c.Dilation}
			wantDB := make([]float32, c.out)
			r.convWeightGrad(g, wantDB)
			f.AccumulateGrad(r, g.dw, tensor.RoundUp(c.in), wantDB)
			golden.Equal(t, "weights", dw, f.dw)
			golden.Equal(t, "bias", db, f.db)
		})
	}
}

// equal compares the channels of two tensors.
func equal(t *testing.T, name string, got, want tensor.Tensor) {
	t.Helper()
	for b := range want.B {
		for i := range want.T {
			g, w := got.Row(b, i), want.Row(b, i)
			for c := range want.C {
				if g[c] != w[c] {
					t.Fatalf("%s: sequence %d, row %d, channel %d is %v, want %v", name, b, i, c, g[c], w[c])
				}
			}
		}
	}
}
