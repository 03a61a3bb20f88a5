package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestConv2D compares convolutions of images and their gradients with the sums themselves, for
// every way in which bins and taps are computed together: few and many channels, strides, and
// images that are no whole number of such bins.
func TestConv2D(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	shapes := []Conv2DShape{
		{Frames: 3, Bins: 9, Stride: 1}, {Frames: 3, Bins: 9, Stride: 2}, {Frames: 3, Bins: 3, Stride: 1},
		{Frames: 1, Bins: 5, Stride: 3}, {Frames: 1, Bins: 3, Stride: 1}, {Frames: 1, Bins: 7, Stride: 4},
		{Frames: 1, Bins: 1, Stride: 1}, {Frames: 3, Bins: 3, Stride: 5},
	}
	together := map[int]bool{}
	for _, s := range shapes {
		for _, channels := range [][2]int{{1, 8}, {2, 8}, {8, 8}, {8, 1}, {3, 5}, {12, 12}, {24, 20}, {64, 1}, {66, 18}} {
			for _, bins := range []int{1, 2, 17, 32} {
				in, out := channels[0], channels[1]
				const n, frames = 2, 2
				t.Run(fmt.Sprintf("%+v, %d to %d channels, %d bins", s, in, out, bins), func(t *testing.T) {
					taps := s.Frames * s.Bins
					f := &trainedConv{w: noise(random, 1, 1, out*taps*in).Data[:out*taps*in], out: out, in: in, taps: taps}
					x, dy := noise(random, n*frames, bins, in), noise(random, n*frames, s.Out(bins), out)
					bias := noise(random, 1, 1, out)
					clear(bias.Data[out:])
					pool := parallel.New(2)
					defer pool.Close()
					r := NewRun(pool)
					var y, dx tensor.Tensor
					for range 2 { // the second time in memory that was used
						r.Record(Random{})
						input := r.RequireGrad(x)
						image := r.Image(input, frames, s.Frames/2)
						made := r.Conv2D(Filter{Trainable: f, Bias: bias.Data}, s, image)
						together[s.outputsTogether(image, made)] = true
						together[-s.inputsTogether(image, made)] = true
						cropped := r.Crop(made)
						y = cropped
						y.Data = append([]float32(nil), y.Data...)
						r.SeedGrad(cropped, dy)
						r.Backward()
						dx = r.Grad(input)
						dx.Data = append([]float32(nil), dx.Data...)
						poison(r)
					}
					wantDX, wantDW := make([]float64, n*frames*bins*in), make([]float64, len(f.w))
					for i := range n * frames {
						for q := range y.T {
							for o := range out {
								want := float64(bias.Data[o])
								up := float64(dy.Row(i, q)[o])
								for frame := range s.Frames {
									at := i%frames + frame - s.Frames/2
									for tap := range s.Bins {
										bin := q*s.Stride + tap - s.half()
										if at < 0 || at >= frames || bin < 0 || bin >= bins {
											continue
										}
										row := i - i%frames + at
										w := (o*taps + frame*s.Bins + tap) * in
										for c := range in {
											v := float64(x.Row(row, bin)[c])
											want += float64(f.w[w+c]) * v
											wantDX[(row*bins+bin)*in+c] += up * float64(f.w[w+c])
											wantDW[w+c] += up * v
										}
									}
								}
								near(t, y.Row(i, q)[o], want, taps*in)
							}
						}
					}
					for i, want := range wantDX {
						near(t, dx.Row(i/in/bins, i/in%bins)[i%in], want, taps*out)
					}
					for i, want := range wantDW {
						near(t, f.dw[i], want, n*frames*bins)
					}
				})
			}
		}
	}
	for _, n := range []int{1, 2, 4, 5, 8, -1, -2, -3, -8} {
		if !together[n] {
			t.Errorf("no case has %d bins together; they have %v", n, together)
		}
	}
}

// near fails unless a sum of so many products of values of variance one is the wanted one.
func near(t *testing.T, got float32, want float64, terms int) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= 1e-6*math.Sqrt(float64(terms))*(4+math.Abs(want))) {
		t.Fatalf("%v, want %v", got, want)
	}
}
