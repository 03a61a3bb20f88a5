package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestFastLSTM: at the fast precision recurrent weights have 16 bits, and those of the input's
// half where there are many, or two values each where there are tiles; the result is near the exact one, and neither chunks, threads nor the sequences beside it
// change a bit.
func TestFastLSTM(t *testing.T) {
	pools := map[int]*parallel.Pool{}
	for _, n := range []int{1, 2, 3} {
		pools[n] = parallel.New(n)
		defer pools[n].Close()
	}
	for _, dim := range []int{1, 16, 40, 150} {
		open := func(precision Precision) *SLSTM {
			b := NewBuilder("net")
			l := NewSLSTM(b, dim, 2)
			var specs []weights.Spec
			for _, p := range b.Network().Params {
				specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
			}
			region := &tensor.Region{}
			t.Cleanup(region.Free)
			SetPrecision(precision, []*Network{b.Network()})
			if err := b.Network().Load(weights.NewRandom(1, specs), region, pools[1]); err != nil {
				t.Fatal(err)
			}
			return l
		}
		exact, fast := open(Exact), open(Fast)
		for i, layer := range fast.layers {
			split := kernel.HasTiles() && dim >= minBF16
			if layer.Recurrent.Panels.Int16 == nil || layer.Recurrent.Panels.Data != nil ||
				(layer.Input.Rest != nil) != split || !split && layer.Input.Panels.Int16 != nil {
				t.Fatalf("dim %d: layer %d has other weights", dim, i)
			}
			if exact.layers[i].Recurrent.Panels.Int16 != nil {
				t.Fatalf("dim %d: layer %d is not exact", dim, i)
			}
		}
		x := randomTensor(rand.New(rand.NewPCG(3, 4)), 1, 23, dim)
		run := func(l *SLSTM, threads int, x tensor.Tensor) []float32 {
			r := op.NewRun(pools[threads])
			r.Last = true
			return l.Forward(r, r.Borrow(x)).ToBCT()
		}
		want, got := run(exact, 1, x), run(fast, 1, x)
		var square, sum float64
		for i, w := range want {
			d := float64(got[i] - w)
			sum, square = sum+d*d, square+float64(w)*float64(w)
		}
		if !(math.Sqrt(sum) <= 1e-4*math.Sqrt(square)) || dim > 1 && sum == 0 {
			t.Errorf("dim %d: differs by %.2g of its size", dim, math.Sqrt(sum/square))
		}
		for _, threads := range []int{2, 3} {
			if !slices.Equal(run(fast, threads, x), got) {
				t.Errorf("dim %d: %d threads give another result", dim, threads)
			}
		}
		for _, size := range []int{1, 4, 7} {
			r := op.NewRun(pools[2])
			whole := tensor.New(1, x.T, dim)
			for from := 0; from < x.T; from += size {
				to := min(x.T, from+size)
				r.Last = to == x.T
				y := fast.Forward(r, r.Borrow(x.Slice(from, to)))
				copy(whole.Rows(0, from, to), y.Rows(0, 0, y.T))
				r.Free(y)
			}
			if !slices.Equal(whole.ToBCT(), got) {
				t.Errorf("dim %d: chunks of %d give another result", dim, size)
			}
		}
		batch := randomTensor(rand.New(rand.NewPCG(5, 6)), 6, 9, dim)
		r := op.NewRun(pools[2])
		r.Last = true
		y := fast.Forward(r, r.Borrow(batch))
		for b := range batch.B {
			if !slices.Equal(run(fast, 1, batch.Sample(b)), y.Sample(b).ToBCT()) {
				t.Errorf("dim %d: sequence %d of a batch: another result than alone", dim, b)
			}
		}
	}
}
