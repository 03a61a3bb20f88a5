package nn

import (
	"math"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// loadRandom loads a network with weights made from their names and returns them.
func loadRandom(t *testing.T, b *Builder, pool *parallel.Pool) map[string][]float32 {
	t.Helper()
	var specs []weights.Spec
	values := map[string][]float32{}
	for _, p := range b.Network().Params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
		values[strings.TrimPrefix(p.Name, "net.")] = weights.RandomValues(1, p.Name, p.Shape)
	}
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	if err := b.Network().Load(weights.NewRandom(1, specs), region, pool); err != nil {
		t.Fatal(err)
	}
	return values
}

// random returns a tensor of values in [-1, 1).
func random(b, rows, c int) tensor.Tensor {
	x := tensor.New(b, rows, c)
	u := weights.Uniform(2, "x", b*rows*c)
	for i := range b * rows {
		for j := range c {
			x.Row(i/rows, i%rows)[j] = float32(u[i*c+j])
		}
	}
	return x
}

func near(a float32, b float64) bool { return math.Abs(float64(a)-b) <= 1e-5*(1+math.Abs(b)) }

// TestImageConv compares with the sums themselves, whose kernel is [frames][bins].
func TestImageConv(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	const frames, bins, in, out = 4, 5, 3, 17
	for _, k := range []int{1, 3} {
		b := NewBuilder("net")
		l := NewImageConv(b, in, out, k)
		w := loadRandom(t, b, pool)["weight"]
		x := random(frames, bins, in)
		y := l.Forward(op.NewRun(pool), x)
		for f := range frames {
			for bin := range bins {
				for o := range out {
					var want float64
					for c := range in {
						for i := range k {
							for j := range k {
								f, bin := f+i-k/2, bin+j-k/2
								if f >= 0 && f < frames && bin >= 0 && bin < bins {
									want += float64(w[((o*in+c)*k+i)*k+j]) * float64(x.Row(f, bin)[c])
								}
							}
						}
					}
					if got := y.Row(f, bin)[o]; !near(got, want) {
						t.Fatalf("kernel %d, frame %d, bin %d, channel %d: %v, want %v", k, f, bin, o, got, want)
					}
				}
			}
		}
	}
}

// TestBatchNorm compares with PyTorch's formula; the last bins fill no pool.
func TestBatchNorm(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	const frames, bins, dim, slope = 700, 7, 19, 0.25
	b := NewBuilder("net")
	l := NewBatchNorm(b, dim, slope)
	v := loadRandom(t, b, pool)
	x := random(frames, bins, dim)
	for _, size := range []int{1, 2, 4} {
		y := l.Forward(op.NewRun(pool), x, size)
		if y.B != frames || y.T != bins/size || y.C != dim {
			t.Fatalf("[%d, %d, %d] of %d bins in pools of %d", y.B, y.T, y.C, bins, size)
		}
		for f := range frames {
			for bin := range y.T {
				for c := range dim {
					want := math.Inf(-1)
					for i := range size {
						value := (float64(x.Row(f, bin*size+i)[c])-float64(v["running_mean"][c]))/
							math.Sqrt(float64(v["running_var"][c])+1e-5)*float64(v["weight"][c]) + float64(v["bias"][c])
						if value < 0 {
							value *= slope
						}
						want = max(want, value)
					}
					if got := y.Row(f, bin)[c]; !near(got, want) {
						t.Fatalf("pools of %d, frame %d, bin %d, channel %d: %v, want %v", size, f, bin, c, got, want)
					}
				}
			}
		}
	}
}

// TestBiLSTM: the parts in which an utterance passes by cannot be told, the second
// direction is the first on reversed rows, and the state is not kept from one
// utterance to the next.
func TestBiLSTM(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	const in, hidden = 5, 18
	b := NewBuilder("net")
	l := NewBiLSTM(b, in, hidden)
	loadRandom(t, b, pool)
	r := op.NewRun(pool)
	for _, rows := range []int{1, lstmRows, 2*lstmRows + 3} {
		x := random(1, rows, in)
		back := tensor.New(1, rows, in)
		for i := range rows {
			copy(back.Row(0, i), x.Row(0, rows-1-i))
		}
		y := l.Forward(r, x)
		there, andBack := r.LSTM(op.NewSlot(), l.forward, x), r.LSTM(op.NewSlot(), l.reverse, back)
		for i := range rows {
			for c := range hidden {
				if got, want := y.Row(0, i)[c], there.Row(0, i)[c]; got != want {
					t.Fatalf("row %d of %d, unit %d: %v, want %v", i, rows, c, got, want)
				}
				if got, want := y.Row(0, i)[hidden+c], andBack.Row(0, rows-1-i)[c]; got != want {
					t.Fatalf("row %d of %d, reversed unit %d: %v, want %v", i, rows, c, got, want)
				}
			}
		}
	}
}

// TestInferOnly: the layers of pretrained networks say that they do not learn.
func TestInferOnly(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	for name, declare := range map[string]func(b *Builder){
		"image":  func(b *Builder) { NewImageConv(b, 2, 3, 3) },
		"norm":   func(b *Builder) { NewBatchNorm(b, 2, 0) },
		"bilstm": func(b *Builder) { NewBiLSTM(b, 2, 3) },
	} {
		b := NewBuilder("net")
		declare(b)
		var specs []weights.Spec
		for _, p := range b.Network().Params {
			specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
		}
		region := &tensor.Region{}
		if err := b.Network().LoadForTraining(weights.NewRandom(1, specs), region, pool); err == nil {
			t.Errorf("%s: no error", name)
		}
		region.Free()
	}
}
