package op

import (
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"pgregory.net/rapid"
)

// naivePad follows dac/model/encodec.py's pad1d on one channel.
func naivePad(x []float64, left, right int) []float64 {
	longer := max(left, right)
	extra := 0
	if len(x) <= longer {
		extra = longer - len(x) + 1
		x = append(slices.Clone(x), make([]float64, extra)...)
	}
	n := len(x)
	var y []float64
	for i := left; i > 0; i-- {
		y = append(y, x[i])
	}
	y = append(y, x...)
	for i := range right {
		y = append(y, x[n-2-i])
	}
	return y[:len(y)-extra]
}

// naiveConv follows SConv1d.forward: x [in][T], w [out][in][k] → [out][T'].
func naiveConv(x [][]float64, w [][][]float64, bias []float64, s ConvShape) [][]float64 {
	length, extent := len(x[0]), (s.K-1)*s.Dilation+1
	total := extent - s.Stride
	frames := int(math.Ceil(float64(length-extent+total)/float64(s.Stride) + 1))
	extra := (frames-1)*s.Stride + extent - total - length
	left, right := total, extra
	if !s.Causal {
		right = total / 2
		left = total - right
		right += extra
	}
	padded := make([][]float64, len(x))
	for i := range x {
		if s.Zero {
			side := make([]float64, (s.K-1)/2*s.Dilation)
			if s.Causal {
				padded[i] = slices.Concat(side, side, x[i])
				continue
			}
			padded[i] = slices.Concat(side, x[i], side)
		} else {
			padded[i] = naivePad(x[i], left, right)
		}
	}
	y := make([][]float64, len(w))
	for o := range w {
		for t := range (len(padded[0])-extent)/s.Stride + 1 {
			sum := bias[o]
			for i := range x {
				for k, v := range w[o][i] {
					sum += v * padded[i][t*s.Stride+k*s.Dilation]
				}
			}
			y[o] = append(y[o], sum)
		}
	}
	return y
}

// naiveTranspose follows SConvTranspose1d.forward: w [in][out][2·stride].
func naiveTranspose(x [][]float64, w [][][]float64, bias []float64, stride int, causal bool) [][]float64 {
	k := 2 * stride
	y := make([][]float64, len(w[0]))
	for o := range y {
		full := make([]float64, (len(x[0])-1)*stride+k)
		for t := range full {
			full[t] = bias[o]
		}
		for i := range x {
			for t, v := range x[i] {
				for j, u := range w[i][o] {
					full[t*stride+j] += v * u
				}
			}
		}
		right := k - stride
		left := 0
		if !causal {
			right = (k - stride) / 2
			left = k - stride - right
		}
		y[o] = full[left : len(full)-right]
	}
	return y
}

type generator struct{ *rapid.T }

func (g generator) values(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(rapid.Float32Range(-1, 1).Draw(g.T, "v"))
	}
	return v
}

func (g generator) cube(a, b, c int) [][][]float64 {
	w := make([][][]float64, a)
	for i := range w {
		for range b {
			w[i] = append(w[i], g.values(c))
		}
	}
	return w
}

// stream runs op over x in random chunks, of which some are empty, and joins
// what it emits.
func (g generator) stream(pool *parallel.Pool, x [][]float64, run func(*Run, tensor.Tensor) tensor.Tensor) [][]float64 {
	r := NewRun(pool)
	var y [][]float64
	for from, n := 0, len(x[0]); ; {
		to := min(n, from+rapid.IntRange(0, 12).Draw(g.T, "chunk"))
		r.Last = to == n
		piece := tensor.New(1, to-from, len(x))
		for i := range x {
			for t := range piece.T {
				piece.Row(0, t)[i] = float32(x[i][from+t])
			}
		}
		out := run(r, piece)
		if y == nil {
			y = make([][]float64, out.C)
		}
		for t := range out.T {
			for c, v := range out.Row(0, t) {
				y[c] = append(y[c], float64(v))
			}
		}
		r.Free(out)
		if from = to; r.Last {
			if len(r.inUse) > 0 {
				g.Fatalf("%d tensors were never freed", len(r.inUse))
			}
			return y
		}
	}
}

func (g generator) compare(got, want [][]float64) {
	for c := range want {
		if len(got[c]) != len(want[c]) {
			g.Fatalf("%d rows, want %d", len(got[c]), len(want[c]))
		}
		for t, v := range want[c] {
			if math.Abs(got[c][t]-v) > 1e-5*(1+math.Abs(v)) {
				g.Fatalf("channel %d row %d is %v, want %v", c, t, got[c][t], v)
			}
		}
	}
}

func floats(v []float64) []float32 {
	out := make([]float32, tensor.RoundUp(len(v)))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// TestConvInChunksIsTheDefinition draws convolutions, inputs and chunkings.
func TestConvInChunksIsTheDefinition(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	rapid.Check(t, func(t *rapid.T) {
		g := generator{t}
		s := ConvShape{
			Stride: rapid.IntRange(1, 6).Draw(t, "stride"), Dilation: rapid.IntRange(1, 4).Draw(t, "dilation"),
			Causal: rapid.Bool().Draw(t, "causal"),
		}
		if s.Stride > 1 {
			s.Dilation, s.K = 1, s.Stride*rapid.IntRange(1, 3).Draw(t, "k/stride")
		} else {
			s.K = rapid.IntRange(0, 3).Draw(t, "k/2")*2 + 1
			s.Zero = rapid.Bool().Draw(t, "zero")
		}
		in, out := rapid.IntRange(1, 3).Draw(t, "in"), rapid.IntRange(1, 3).Draw(t, "out")
		x := g.cube(1, in, rapid.IntRange(1, 60).Draw(t, "n"))[0]
		w, bias := g.cube(out, in, s.K), g.values(out)
		f := Filter{Panels: kernel.NewPanels(nil, s.K, in, out), Bias: floats(bias)}
		for o := range w {
			for i := range w[o] {
				for k, v := range w[o][i] {
					f.Panels.Data[f.Panels.Index(k, i, o)] = float32(v)
				}
			}
		}
		slot := NewSlot()
		got := g.stream(pool, x, func(r *Run, piece tensor.Tensor) tensor.Tensor { return r.Conv(slot, f, s, nil, piece, nil) })
		g.compare(got, naiveConv(x, w, bias, s))
	})
}

// TestTransposeInChunksIsTheDefinition draws transposed convolutions.
func TestTransposeInChunksIsTheDefinition(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	rapid.Check(t, func(t *rapid.T) {
		g := generator{t}
		stride, causal := rapid.IntRange(1, 6).Draw(t, "stride"), rapid.Bool().Draw(t, "causal")
		in, out := rapid.IntRange(1, 3).Draw(t, "in"), rapid.IntRange(1, 3).Draw(t, "out")
		x := g.cube(1, in, rapid.IntRange(1, 30).Draw(t, "n"))[0]
		w, bias := g.cube(in, out, 2*stride), g.values(out)
		f := TransposedFilter{Bias: floats(bias), Causal: causal, Channels: out, Stride: stride}
		for phase := range stride {
			p := kernel.NewPanels(nil, 2, in, out)
			for i := range w {
				for o := range w[i] {
					p.Data[p.Index(0, i, o)] = float32(w[i][o][stride+phase])
					p.Data[p.Index(1, i, o)] = float32(w[i][o][phase])
				}
			}
			f.Phases = append(f.Phases, p)
		}
		slot := NewSlot()
		got := g.stream(pool, x, func(r *Run, piece tensor.Tensor) tensor.Tensor { return r.ConvTranspose(slot, f, nil, piece) })
		g.compare(got, naiveTranspose(x, w, bias, stride, causal))
	})
}

// TestQuantizeFindsTheNearest compares with the distances themselves; the first
// of equal entries wins.
func TestQuantizeFindsTheNearest(t *testing.T) {
	entries := []float32{1, 0, 0, 2, -1, 0, 0, 3 /* the direction of entry 1 again */, 0, 0}
	c := NewCodebook(entries, 5, 2)
	pool := parallel.New(1)
	r := NewRun(pool)
	e := tensor.New(1, 5, 2)
	for i, v := range [][2]float32{{0.1, 0}, {0.001, 5}, {-3, 1}, {-1, -0.9}, {0, 0}} {
		copy(e.Row(0, i), v[:])
	}
	// A row of zeros stays zero: the zero entry is the nearest to it.
	if got, want := r.Quantize(c, e)[0], []int32{0, 1, 2, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("codes %v, want %v", got, want)
	}
}

// TestMemoryIsReused runs a stream for long and looks at what it holds.
func TestMemoryIsReused(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	f := Filter{Panels: kernel.NewPanels(nil, 7, 3, 3), Bias: make([]float32, 16)}
	slot, align := NewSlot(), NewSlot()
	held := func() (n int) {
		for _, l := range r.free {
			n += len(l)
		}
		return n + len(r.inUse)
	}
	var early int
	for i := range 1000 {
		x := r.Zeros(1, 1+i%17, 3)
		y := r.Conv(slot, f, ConvShape{K: 7, Stride: 1, Dilation: 9, Causal: true}, Tanh, x, nil)
		x = r.Align(align, x, y.T)
		r.Free(x, y)
		if i == 100 {
			early = held()
		}
	}
	if held() > early {
		t.Errorf("%d buffers after 1000 chunks, %d after 100", held(), early)
	}
}
