package op

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// noise returns a tensor of normal values.
func noise(random *rand.Rand, b, t, c int) tensor.Tensor {
	x := tensor.New(b, t, c)
	for i := range x.Data {
		x.Data[i] = float32(random.NormFloat64())
	}
	return x
}

// TestNarrowWeightGrad: the gradient of few channels, summed sequence by sequence, is the one
// that all threads sum together, but for the order of sums; on any number of threads it is the
// same; and rows that are rounded already make no difference.
func TestNarrowWeightGrad(t *testing.T) {
	for _, c := range []struct {
		out, in, length, taps, stride, dilation int
	}{
		{16, 16, narrowBlock, 1, 1, 1},
		{12, 16, 2*narrowBlock + 77, 7, 1, 9},
		{24, 12, narrowBlock + 1, 8, 4, 1},
		{20, 40, narrowBlock + 31, 3, 2, 1},
		{16, 33, 3 * narrowBlock, 5, 1, 3},
		{1, 16, narrowBlock + 5, 7, 1, 1},
	} {
		for _, rounds := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d to %d channels, %d taps, stride %d, bf16 %v", c.in, c.out, c.taps, c.stride, rounds), func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				a := noise(random, narrowSequences, c.length, c.out)
				rows := noise(random, a.B, (c.length-1)*c.stride+(c.taps-1)*c.dilation+1, c.in)
				if c.stride > 1 { // a stride's padding, which is none of a multiple of the stride
					rows = noise(random, a.B, c.length*c.stride+c.taps-c.stride, c.in)
				}
				size := c.out * c.taps * tensor.RoundUp(c.in)
				grad := func(threads int, rows tensor.Tensor, as rowFormat, compute func(r *Run, g weightGrad)) ([]float32, []float64) {
					pool := parallel.New(threads)
					defer pool.Close()
					r := NewRun(pool)
					r.BF16 = rounds
					g := weightGrad{dw: make([]float32, size), sums: make([]float64, c.out), a: a, rows: rows, as: as,
						taps: c.taps, stride: c.stride, dilation: c.dilation}
					if !g.narrow() {
						t.Fatal("not narrow")
					}
					compute(r, g)
					return g.dw, g.sums
				}
				together := (*Run).weightGradFloat32
				if rounds && c.out >= minBF16 && c.in >= minBF16 {
					together = (*Run).weightGradBF16
				}
				want, wantSums := grad(2, rows, rowsFloat32, together)
				got, gotSums := grad(1, rows, rowsFloat32, (*Run).weightGradBySegments)
				golden.Close(t, "weights", columns(got, c.in), columns(want, c.in), 1e-5)
				golden.Close(t, "bias", gotSums, wantSums, 1e-6)
				again, _ := grad(3, rows, rowsFloat32, (*Run).weightGradBySegments)
				golden.Equal(t, "weights on three threads", columns(again, c.in), columns(got, c.in))
				if rounds && c.out >= minBF16 && c.in >= minBF16 {
					r := NewRun(parallel.New(1))
					rounded := r.toBF16(rowsBF16, rows)
					for name, compute := range map[string]func(r *Run, g weightGrad){"by sequence": (*Run).weightGradBySegments, "together": together} {
						exact, _ := grad(2, rows, rowsFloat32, compute)
						kept, _ := grad(2, rounded, rowsBF16, compute)
						golden.Equal(t, "weights of rounded rows "+name, columns(kept, c.in), columns(exact, c.in))
					}
				}
			})
		}
	}
}

// columns returns the values of rows of c channels without what pads them.
func columns(rows []float32, c int) (values []float32) {
	for at := 0; at < len(rows); at += tensor.RoundUp(c) {
		values = append(values, rows[at:at+c]...)
	}
	return values
}

// TestRoundNarrowRows: many narrow rows at a time are rounded as one is.
func TestRoundNarrowRows(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	for _, c := range []int{3, 16, 17, 40, 48} {
		width := tensor.RoundUp(c)
		snake := &Snake{Alpha: noise(random, 1, 1, c).Data, Inv: noise(random, 1, 1, c).Data}
		for name, act := range map[string]Activation{"copy": nil, "snake": snake, "tanh": Tanh} {
			x := noise(random, 2, 5*narrowRows+3, c)
			y := r.newRows(rowsBF16, 2, x.T+1, c)
			r.activateTo(rowsBF16, act, y, 1, x)
			for i := range x.B * x.T {
				b, at := i/x.T, i%x.T
				row := append([]float32(nil), x.Rows(b, at, at+1)[:width]...)
				if act != nil {
					act.Apply(row, x.Rows(b, at, at+1)[:width])
				}
				want := make([]kernel.BFloat16, 2*y.Stride)
				kernel.ToBF16(want[:width], row)
				clear(want[c:])
				if !golden.Equal(t, fmt.Sprintf("%s of row %d of %d channels", name, i, c), kernel.BFloat16s(y.Rows(b, at+1, at+2)), want) {
					return
				}
			}
			r.Free(y)
		}
	}
}

// trainedConv is TrainableWeights for a test: weights [out][taps][in].
type trainedConv struct {
	w             []float32
	out, in, taps int
	dw, db        []float32
}

func (f *trainedConv) Frozen() bool { return false }

func (f *trainedConv) Pack(r *Run) *kernel.Panels {
	w := r.Panels(f.taps, f.in, f.out)
	clear(w.Data)
	for o := range f.out {
		for tap := range f.taps {
			for i := range f.in {
				w.Data[w.Index(tap, i, o)] = f.w[(o*f.taps+tap)*f.in+i]
			}
		}
	}
	return w
}

func (f *trainedConv) PackInputGrad(r *Run, stride int) []*kernel.Panels {
	var phases []*kernel.Panels
	for p := range stride {
		n := (f.taps - p + stride - 1) / stride
		w := r.Panels(n, f.out, f.in)
		clear(w.Data)
		for o := range f.out {
			for j := range n {
				for i := range f.in {
					w.Data[w.Index(n-1-j, o, i)] = f.w[(o*f.taps+p+j*stride)*f.in+i]
				}
			}
		}
		phases = append(phases, w)
	}
	return phases
}

func (f *trainedConv) AccumulateGrad(_ *Run, dw []float32, ld int, db []float32) {
	f.dw = nil
	for at := 0; at < f.out*f.taps*ld; at += ld {
		f.dw = append(f.dw, dw[at:at+f.in]...)
	}
	f.db = append([]float32(nil), db[:f.out]...)
}

// TestConvGradientsOfLongSequences: a window that is kept for the backward pass, and the ends
// of a sequence that alone are copied, change no bit; nor does a gradient that the input has
// already change what is added to it.
func TestConvGradientsOfLongSequences(t *testing.T) {
	const b, length, in, out, taps, dilation = 4, 300, 16, 20, 7, 3
	random := rand.New(rand.NewPCG(5, 6))
	x, dy := noise(random, b, length, in), noise(random, b, length, out)
	f := &trainedConv{w: noise(random, 1, 1, out*taps*in).Data[:out*taps*in], out: out, in: in, taps: taps}
	snake := &Snake{Alpha: noise(random, 1, 1, in).Data, Inv: noise(random, 1, 1, in).Data}
	shape := ConvShape{K: taps, Stride: 1, Dilation: dilation, Causal: true}
	pool := parallel.New(2)
	defer pool.Close()
	backward := func(rounds bool, kept int, twice bool) (dx, dw, db []float32) {
		r := NewRun(pool)
		r.BF16 = rounds
		r.Record(Random{})
		r.tape.kept = kept
		input := r.RequireGrad(x)
		y := r.Conv(NewSlot(), Filter{Trainable: f, Bias: make([]float32, tensor.RoundUp(out))}, shape, snake, input, nil)
		r.SeedGrad(y, dy)
		if twice {
			r.SeedGrad(input, x)
		}
		r.Backward()
		return append([]float32(nil), r.Grad(input).Data...), f.dw, f.db
	}
	for _, rounds := range []bool{false, true} {
		dx, dw, db := backward(rounds, 0, false)
		dx2, dw2, db2 := backward(rounds, keptWindows, false)
		golden.Equal(t, "input, window computed again", dx2, dx)
		golden.Equal(t, "weights, window computed again", dw2, dw)
		golden.Equal(t, "bias, window computed again", db2, db)
		sum, _, _ := backward(rounds, 0, true)
		for i, v := range x.Data {
			dx[i] += v
		}
		golden.Equal(t, "input that has a gradient", sum, dx)
	}
	// The rows of dy beside zeros, in a tensor, give what the copied ends do.
	r := NewRun(pool)
	lead := (taps - 1) * dilation
	filter := Filter{Trainable: f}
	whole := r.convInputGrad(filter, shape, dy, length+lead, in)
	short := r.convInputGrad(filter, shape, r.Borrow(dy).Sample(0), length+lead, in)
	golden.Equal(t, "one sequence of several", whole.Rows(0, 0, whole.T), short.Rows(0, 0, short.T))
	for _, p := range []int{0, 1, lead - 1, lead, length / 2, length - 1, length, length + lead - 1} {
		for i := range in {
			var want float64
			for tap := range taps {
				if q := p - tap*dilation; q >= 0 && q < length {
					for o := range out {
						want += float64(dy.Row(1, q)[o]) * float64(f.w[(o*taps+tap)*in+i])
					}
				}
			}
			if got := float64(whole.Row(1, p)[i]); got-want > 1e-4 || want-got > 1e-4 {
				t.Fatalf("row %d, channel %d: %v, want %v", p, i, got, want)
			}
		}
	}
}
