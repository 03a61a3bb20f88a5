package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// trainable returns the weights of a convolution with random values, with weight norm or plain.
func trainable(random *rand.Rand, out, in, k int, plain bool) *trainableConv {
	b := NewBuilder("net")
	a := newAffine(b, plain, out, out, in, k)
	for _, p := range b.Network().Params {
		p.Value, p.Grad = make([]float32, p.Len()), make([]float32, p.Len())
		for i := range p.Value {
			p.Value[i] = float32(random.NormFloat64())
		}
	}
	l := &trainableConv{affine: a, net: b.Network(), out: out, in: in, k: k}
	if !plain {
		l.scale = normScale(a.g.Value, a.v.Value, out)
	}
	return l
}

// TestTrainableConv compares what is packed with what the documentation of
// op.TrainableWeights says, and the gradients of the parameters with float64.
func TestTrainableConv(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	for _, size := range [][4]int{ // out, in, k, stride
		{16, 16, 1, 1}, {17, 33, 1, 1}, {1, 5, 7, 1}, {40, 1, 3, 1}, {35, 20, 5, 2}, {20, 50, 8, 4}, {3, 17, 2, 3},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprint(size, plain), func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				out, in, k, stride := size[0], size[1], size[2], size[3]
				l, r := trainable(random, out, in, k, plain), op.NewRun(pool)
				weight := func(o, i, tap int) float32 {
					v := l.v.Value[(o*in+i)*k+tap]
					if !plain {
						v *= l.scale[o]
					}
					return v
				}
				packed, phases := l.Pack(r), l.PackInputGrad(r, stride)
				sum := 0.0
				for o := range out {
					for i := range in {
						for tap := range k {
							want := weight(o, i, tap)
							sum += math.Abs(float64(want))
							if got := packed.Data[packed.Index(tap, i, o)]; got != want {
								t.Fatalf("weight %d %d %d is %v, want %v", o, i, tap, got, want)
							}
							p := phases[tap%stride]
							if got := p.Data[p.Index(p.Taps-1-tap/stride, o, i)]; got != want {
								t.Fatalf("weight %d %d %d of the input's gradient is %v, want %v", o, i, tap, got, want)
							}
						}
					}
				}
				// All else is zero.
				for name, values := range map[string][]float32{"packed": packed.Data, "input's gradient": joined(phases)} {
					rest := sum
					for _, v := range values {
						rest -= math.Abs(float64(v))
					}
					if math.Abs(rest) > 1e-9*sum {
						t.Errorf("%s: %v beside the weights", name, rest)
					}
				}

				ld := tensor.RoundUp(in)
				dw, db := make([]float32, out*k*ld), make([]float32, out)
				for i := range dw {
					dw[i] = float32(random.NormFloat64())
				}
				for _, p := range l.net.Params {
					for i := range p.Grad {
						p.Grad[i] = 1 // what there is already
					}
				}
				l.AccumulateGrad(r, dw, ld, db)
				for o := range out {
					var dot, square float64
					for i := range in * k {
						v := float64(l.v.Value[o*in*k+i])
						dot += v * float64(dw[(o*k+i%k)*ld+i/k])
						square += v * v
					}
					for i := range in * k {
						want := float64(dw[(o*k+i%k)*ld+i/k])
						if !plain {
							want = float64(l.scale[o]) * (want - float64(l.v.Value[o*in*k+i])*dot/square)
						}
						if got := float64(l.v.Grad[o*in*k+i]) - 1; math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
							t.Fatalf("gradient %d of output %d is %v, want %v", i, o, got, want)
						}
					}
					if !plain {
						want := dot / math.Sqrt(square)
						if got := float64(l.g.Grad[o]) - 1; math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
							t.Fatalf("gradient of the factor of output %d is %v, want %v", o, got, want)
						}
					}
				}
			})
		}
	}
}

func joined(all []*kernel.Panels) (v []float32) {
	for _, p := range all {
		v = append(v, p.Data...)
	}
	return v
}
