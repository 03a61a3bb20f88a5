package nn

import (
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// learning puts a network into training, with weights made from their names.
func learning(t *testing.T, b *Builder, pool *parallel.Pool) {
	t.Helper()
	var specs []weights.Spec
	for _, p := range b.Network().Params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	if err := b.Network().LoadForTraining(weights.NewRandom(1, specs), region, pool); err != nil {
		t.Fatal(err)
	}
}

// standard complains where a channel's mean is not 0 or its deviation not 1.
func standard(t *testing.T, what string, y tensor.Tensor) {
	t.Helper()
	n := float64(y.B * y.T)
	for j := range y.C {
		var sum, square float64
		each(y, j, func(v *float32) { sum += float64(*v); square += float64(*v) * float64(*v) })
		mean := sum / n
		if deviation := math.Sqrt(square/n - mean*mean); math.Abs(mean) > 1e-5 || math.Abs(deviation-1) > 1e-5 {
			t.Errorf("%s: channel %d has mean %g and deviation %g", what, j, mean, deviation)
		}
	}
}

// same complains where tensors differ by more than rounding.
func same(t *testing.T, what string, a, b tensor.Tensor) {
	t.Helper()
	for i := range a.B * a.T {
		x, y := a.Row(i/a.T, i%a.T), b.Row(i/a.T, i%a.T)
		for j := range x {
			if !near(x[j], float64(y[j])) {
				t.Fatalf("%s: row %d, channel %d: %g and %g", what, i, j, x[j], y[j])
			}
		}
	}
}

// TestInitConv: what an initialized convolution computes of the batch is standard
// at once, in the passes that follow and when it is derived anew from its
// parameters.
func TestInitConv(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	b := NewBuilder("net")
	l := NewConv(b, ConvConfig{In: 5, Out: 19, K: 3, Stride: 2, Causal: true})
	learning(t, b, pool)
	r := op.NewRun(pool)
	x := random(3, 40, 5)
	forward := func(f func(*op.Run, op.Activation, tensor.Tensor) tensor.Tensor) tensor.Tensor {
		r.Record(op.Random{})
		y := f(r, nil, r.Borrow(x))
		kept := tensor.New(y.B, y.T, y.C)
		copy(kept.Data, y.Data)
		r.Reset()
		return kept
	}
	fitted := forward(l.InitFromData)
	standard(t, "InitFromData", fitted)
	same(t, "Forward after InitFromData", forward(l.Forward), fitted)
	if err := b.Network().Refresh(pool); err != nil {
		t.Fatal(err)
	}
	same(t, "Forward after Refresh", forward(l.Forward), fitted)

	// What is the same everywhere is left as it is.
	clear(x.Data)
	bias := append([]float32(nil), b.Network().Params[2].Value...)
	for _, v := range forward(l.InitFromData).Data {
		if v-v != 0 {
			t.Fatal("of a silent batch: not finite")
		}
	}
	for i, v := range b.Network().Params[2].Value {
		if v != bias[i] {
			t.Errorf("a silent batch changed bias %d", i)
		}
	}
}

// TestInitResidualVQ: each book's latents are standard, and its entries are some of
// them.
func TestInitResidualVQ(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	b := NewBuilder("net")
	const books, size, dim = 3, 6, 4
	l := NewResidualVQ(b, 10, books, size, dim)
	learning(t, b, pool)
	r := op.NewRun(pool)
	r.Record(op.Random{})
	defer r.Reset()
	x := random(2, 30, 10)
	for i := range x.Data {
		x.Data[i] += 5 // frames that are alike next to their mean
	}
	codesBefore := l.Forward(r, r.Borrow(x)).Codes
	q := l.InitFromData(r, r.Borrow(x), func(book int) uint64 { return uint64(book) })
	for i, latent := range q.Latents {
		standard(t, "latents", latent)
		for e := range size {
			entry := l.Quantizers[i].codebook.Entries[e*dim:][:dim]
			if !isLatent(entry, latent) || !slices.Equal(entry, l.Quantizers[i].entries.Value[e*dim:][:dim]) {
				t.Errorf("book %d: entry %d, %v, is no latent", i, e, entry)
			}
		}
		if n := distinct(q.Codes[i]); n < size/2 {
			t.Errorf("book %d: %d codes in use of %d; %d before", i, n, size, distinct(codesBefore[i]))
		}
	}
}

// isLatent says whether an entry is a row of latent, up to rounding.
func isLatent(entry []float32, latent tensor.Tensor) bool {
	for i := range latent.B * latent.T {
		equal := true
		for j, v := range latent.Row(i/latent.T, i%latent.T) {
			equal = equal && math.Abs(float64(v-entry[j])) < 1e-4
		}
		if equal {
			return true
		}
	}
	return false
}

func distinct(codes [][]int32) int {
	seen := map[int32]bool{}
	for _, row := range codes {
		for _, c := range row {
			seen[c] = true
		}
	}
	return len(seen)
}
