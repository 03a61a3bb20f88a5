package nn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestSplitConv: a convolution of an encoder at BF16, whose weights and inputs are sums of two
// values, those of large layers in 8 bits, is near the exact one; and neither chunks nor threads
// change a bit.
func TestSplitConv(t *testing.T) {
	if !kernel.HasTiles() {
		t.Skip("encoders stay in float32 without tiles")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	pools := map[int]*parallel.Pool{1: parallel.New(1), 3: parallel.New(3)}
	for _, p := range pools {
		defer p.Close()
	}
	for _, c := range []struct {
		config ConvConfig
		eight  bool
	}{
		{ConvConfig{In: 40, Out: 50, K: 7}, false},
		{ConvConfig{In: 290, Out: 300, K: 7, Dilation: 3, Causal: true}, true},
		{ConvConfig{In: 260, Out: 520, K: 6, Stride: 3}, true},
	} {
		t.Run(fmt.Sprintf("%+v", c.config), func(t *testing.T) {
			exact, near := randomConv(t, Exact, c.config, pools[3]), randomEncoderConv(t, BF16, c.config, pools[3])
			if f := near.filter; f.Rest == nil || (f.BF16.Int8 != nil) != c.eight || (f.Rest.Int8 != nil) != c.eight {
				t.Fatalf("weights in other formats: %+v", f)
			}
			for _, rows := range []int{1, 21, 100} {
				x := randomTensor(rng, 1, rows, c.config.In)
				whole := func(l *Conv, threads int) tensor.Tensor {
					r := op.NewRun(pools[threads])
					r.Last = true
					return l.Forward(r, nil, r.Borrow(x))
				}
				want, got := whole(exact, 1), whole(near, 1)
				difference(t, want, got)
				if !slices.Equal(whole(near, 3).ToBCT(), got.ToBCT()) {
					t.Errorf("%d rows: three threads give another result", rows)
				}
				for _, most := range []int{1, 30} {
					r := op.NewRun(pools[3])
					all := tensor.Tensor{B: 1, C: c.config.Out, Stride: tensor.Stride(c.config.Out)}
					for from := 0; ; {
						to := min(rows, from+1+rng.IntN(most))
						r.Last = to == rows
						y := near.Forward(r, nil, r.Borrow(x.Slice(from, to)))
						all.T, all.Data = all.T+y.T, append(all.Data, y.Sample(0).Data...)
						if from = to; r.Last {
							break
						}
					}
					if !slices.Equal(all.ToBCT(), got.ToBCT()) {
						t.Errorf("%d rows in chunks of up to %d: another result", rows, most)
					}
				}
			}
		})
	}
}

// TestFastConvTranspose: a transposed convolution at the fast precision, whose weights have two
// values each where there are tiles, is near the exact one; neither chunks nor threads change a bit.
func TestFastConvTranspose(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	pools := map[int]*parallel.Pool{1: parallel.New(1), 3: parallel.New(3)}
	for _, p := range pools {
		defer p.Close()
	}
	for _, c := range []struct {
		in, out, stride int
		causal          bool
	}{{40, 30, 3, true}, {300, 160, 6, true}, {70, 33, 5, false}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			open := func(precision Precision) *ConvTranspose {
				b := NewBuilder("net")
				l := NewConvTranspose(b, c.in, c.out, c.stride, c.causal)
				loadAt(t, b, precision, pools[3])
				return l
			}
			exact, fast := open(Exact), open(Fast)
			eight := 2*c.stride*c.in*c.out >= minSplitInt8
			if f := fast.filter; kernel.HasTiles() && (len(f.PhasesRest) != c.stride || (f.PhasesBF16[0].Int8 != nil) != eight) {
				t.Fatalf("weights in other formats: %+v", f)
			}
			for _, rows := range []int{1, 9, 70} {
				x := randomTensor(rng, 1, rows, c.in)
				whole := func(l *ConvTranspose, threads int) tensor.Tensor {
					r := op.NewRun(pools[threads])
					r.Last = true
					return l.Forward(r, nil, r.Borrow(x))
				}
				got := whole(fast, 1)
				difference(t, whole(exact, 1), got)
				if !slices.Equal(whole(fast, 3).ToBCT(), got.ToBCT()) {
					t.Errorf("%d rows: three threads give another result", rows)
				}
				r := op.NewRun(pools[3])
				var all []float32
				for from := 0; from < rows; from += 2 {
					to := min(rows, from+2)
					r.Last = to == rows
					all = append(all, fast.Forward(r, nil, r.Borrow(x.Slice(from, to))).Sample(0).Data...)
				}
				y := tensor.Tensor{B: 1, T: got.T, C: got.C, Stride: got.Stride, Data: all}
				if !slices.Equal(y.ToBCT(), got.ToBCT()) {
					t.Errorf("%d rows in chunks: another result", rows)
				}
			}
		})
	}
}
