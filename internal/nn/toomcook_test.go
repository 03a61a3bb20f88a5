package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// randomConv returns a convolution with random weights, loaded at a precision.
func randomConv(t testing.TB, precision Precision, c ConvConfig, pool *parallel.Pool) *Conv {
	return randomConvOf(t, NewBuilder("net"), precision, c, pool)
}

// randomEncoderConv is randomConv in a network that codes follow from.
func randomEncoderConv(t testing.TB, precision Precision, c ConvConfig, pool *parallel.Pool) *Conv {
	b := NewBuilder("net")
	b.Network().Codes = true
	return randomConvOf(t, b, precision, c, pool)
}

func randomConvOf(t testing.TB, b *Builder, precision Precision, c ConvConfig, pool *parallel.Pool) *Conv {
	l := NewConv(b, c)
	loadAt(t, b, precision, pool)
	return l
}

// loadAt loads what b has built with random weights, at a precision.
func loadAt(t testing.TB, b *Builder, precision Precision, pool *parallel.Pool) {
	var specs []weights.Spec
	for _, p := range b.Network().Params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	SetPrecision(precision, []*Network{b.Network()})
	if err := b.Network().Load(weights.NewRandom(1, specs), region, pool); err != nil {
		t.Fatal(err)
	}
}

func randomTensor(r *rand.Rand, b, t, c int) tensor.Tensor {
	x := tensor.New(b, t, c)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64()) // padding channels too
	}
	return x
}

// TestFastConv compares convolutions at the fast precision with exact ones: for every
// algorithm that is chosen, few and many weights, lengths that are no whole frames, and
// several sequences; and proves that neither chunks nor threads change a bit. With tiles, no
// algorithm is chosen, and the test runs itself again without them.
func TestFastConv(t *testing.T) {
	tiles := kernel.HasTiles()
	if tiles {
		c := exec.Command(os.Args[0], "-test.run=^TestFastConv$")
		c.Env = append(os.Environ(), "FACODEC_SIMD=avx512")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("without tiles: %v\n%s", err, out)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pools := map[int]*parallel.Pool{}
	for _, n := range []int{1, 2, 3} {
		pools[n] = parallel.New(n)
		defer pools[n].Close()
	}
	for _, c := range []struct{ frame, dilation, in, out, outputs int }{
		{6, 1, 20, 35, 6}, {6, 3, 16, 16, 2}, {6, 9, 16, 16, 0}, {30, 1, 40, 16, 6}, {30, 3, 16, 50, 6}, {30, 9, 17, 33, 4},
		{150, 9, 70, 40, 6}, {300, 3, 8, 48, 6}, {30, 9, 256, 256, 4}, {6, 3, 272, 300, 2}, {1, 1, 16, 16, 0},
	} {
		for _, causal := range []bool{true, false} {
			t.Run(fmt.Sprintf("%+v causal=%v", c, causal), func(t *testing.T) {
				config := ConvConfig{In: c.in, Out: c.out, K: 7, Dilation: c.dilation, Causal: causal, Frame: c.frame}
				exact, fast := randomConv(t, Exact, config, pools[2]), randomConv(t, Fast, config, pools[2])
				if tc := fast.filter.ToomCook; (tc == nil) != (c.outputs == 0 || tiles) || tc != nil && tc.Algorithm.Outputs != c.outputs {
					t.Fatalf("chose %+v", tc)
				}
				run := func(l *Conv, threads int, x tensor.Tensor, init *tensor.Tensor) tensor.Tensor {
					r := op.NewRun(pools[threads])
					r.Last = true
					if init != nil {
						return l.ForwardAdd(r, op.Tanh, r.Borrow(x), r.Borrow(*init))
					}
					return l.Forward(r, op.Tanh, r.Borrow(x))
				}
				for _, rows := range []int{0, 1, c.frame - 1, c.frame, c.frame + 1, 5*c.frame + c.frame/2, 400 + c.frame} {
					x := randomTensor(rng, 1, rows, c.in)
					want, got := run(exact, 1, x, nil), run(fast, 1, x, nil)
					difference(t, want, got)
					for _, threads := range []int{2, 3} {
						if !slices.Equal(run(fast, threads, x, nil).ToBCT(), got.ToBCT()) {
							t.Errorf("%d rows: %d threads give another result", rows, threads)
						}
					}
					init := randomTensor(rng, 1, rows, c.out)
					difference(t, run(exact, 1, x, &init), run(fast, 2, x, &init))
					for _, most := range []int{1, c.frame, 3 * c.frame} {
						r := op.NewRun(pools[2])
						var all []float32
						for from := 0; ; {
							to := min(rows, from+1+rng.IntN(most))
							r.Last = to == rows
							y := fast.Forward(r, op.Tanh, r.Borrow(x.Slice(from, to)))
							if !r.Last && y.T%c.frame != 0 && fast.filter.ToomCook != nil {
								t.Fatalf("%d rows emitted, of frames of %d", y.T, c.frame)
							}
							all = append(all, y.Sample(0).Data...)
							if from = to; r.Last {
								break
							}
						}
						y := tensor.Tensor{B: 1, T: got.T, C: got.C, Stride: got.Stride, Data: all}
						if !slices.Equal(y.ToBCT(), got.ToBCT()) {
							t.Errorf("%d rows in chunks of up to %d: another result", rows, most)
						}
					}
				}
				batch := randomTensor(rng, 3, 2*c.frame+1, c.in)
				y := run(fast, 2, batch, nil)
				for b := range batch.B {
					if !slices.Equal(run(fast, 1, batch.Sample(b), nil).ToBCT(), y.Sample(b).ToBCT()) {
						t.Errorf("sequence %d of a batch: another result than alone", b)
					}
				}
			})
		}
	}
}

// difference fails where two tensors differ by more than 2e-5 of their
// standard deviation, about 1.
func difference(t *testing.T, want, got tensor.Tensor) {
	t.Helper()
	if got.T != want.T || got.C != want.C {
		t.Fatalf("[%d %d], want [%d %d]", got.T, got.C, want.T, want.C)
	}
	var square, sum float64
	g := got.ToBCT()
	for i, w := range want.ToBCT() {
		d := float64(g[i] - w)
		sum += d * d
		square += float64(w) * float64(w)
	}
	if !(math.Sqrt(sum) <= 2e-5*math.Sqrt(square)) {
		t.Errorf("%d rows differ by %.2g of their size", want.T, math.Sqrt(sum/square))
	}
}
