package nn

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestCheckNamesEveryDifference looks for each key in one error.
func TestCheckNamesEveryDifference(t *testing.T) {
	build := func() *Network {
		b := NewBuilder("net")
		NewSConv(b.In("a"), ConvConfig{In: 2, Out: 3, K: 5})
		NewSnake(b.In("s"), 4)
		b.Buffer("window")
		return b.Network()
	}
	other := NewBuilder("other")
	NewSnake(other, 2)
	specs := []weights.Spec{
		{Name: "net.a.conv.conv.weight_g", Shape: []int{3, 1, 1}},
		{Name: "net.a.conv.conv.weight_v", Shape: []int{3, 2, 7}},
		{Name: "net.a.conv.conv.bias", Shape: []int{3}},
		{Name: "net.extra", Shape: []int{1}},
		{Name: "net.window", Shape: []int{9}},
		{Name: "elsewhere.weight", Shape: []int{1}},
	}
	err := Check(weights.NewRandom(0, specs), build(), other.Network())
	if !errors.Is(err, ErrTensors) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"missing: net.s.alpha", "net.a.conv.conv.weight_v is [3 2 7] and should be [3 2 5]",
		"not of this network: net.extra", "there is no network other"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	for _, not := range []string{"window", "weight_g", "elsewhere.weight"} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("%q is in: %v", not, err)
		}
	}
	specs[1].Shape = []int{3, 2, 5}
	specs[3] = weights.Spec{Name: "net.s.alpha", Shape: []int{1, 4, 1}}
	if err := Check(weights.NewRandom(0, specs), build()); err != nil {
		t.Errorf("of a checkpoint that fits: %v", err)
	}
}

// TestWeightNorm compares a packed filter with g·v/‖v‖.
func TestWeightNorm(t *testing.T) {
	const in, out, k = 35, 18, 3 // more than one packing block and one panel
	b := NewBuilder("net")
	l := NewConv(b, ConvConfig{In: in, Out: out, K: k})
	var specs []weights.Spec
	for _, p := range b.Network().Params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	pool := parallel.New(1)
	var region tensor.Region
	defer region.Free()
	if err := b.Network().Load(weights.NewRandom(1, specs), &region, pool); err != nil {
		t.Fatal(err)
	}
	g := weights.RandomValues(1, "net.weight_g", []int{out, 1, 1})
	v := weights.RandomValues(1, "net.weight_v", []int{out, in, k})
	for o := range out {
		row := v[o*in*k : (o+1)*in*k]
		var square float64
		for _, x := range row {
			square += float64(x) * float64(x)
		}
		for i := range in {
			for tap := range k {
				want := float64(g[o]) * float64(row[i*k+tap]) / math.Sqrt(square)
				if got := l.filter.Panels.Data[l.filter.Panels.Index(tap, i, o)]; math.Abs(float64(got)-want) > 1e-7 {
					t.Fatalf("weight [%d %d %d] is %v, want %v", o, i, tap, got, want)
				}
			}
		}
	}
	for i, x := range l.filter.Panels.Data[l.filter.Panels.Index(0, 0, kernel.Width):] {
		if o := kernel.Width + i%kernel.Width; o >= out && x != 0 {
			t.Fatalf("padding channel %d has weight %v", o, x)
		}
	}
}

// TestGateRow checks that every gate of every unit has one place.
func TestGateRow(t *testing.T) {
	for _, dim := range []int{1, 12, 16, 17, 40} {
		seen := map[int]bool{}
		for o := range 4 * tensor.RoundUp(dim) {
			row, ok := gateRow(o, dim)
			if !ok {
				continue
			}
			if row < 0 || row >= 4*dim || seen[row] {
				t.Fatalf("dim %d: output %d is row %d, or that twice", dim, o, row)
			}
			seen[row] = true
		}
		if len(seen) != 4*dim {
			t.Fatalf("dim %d: %d rows", dim, len(seen))
		}
	}
}

// BenchmarkLSTM runs the recurrent half of the decoder's LSTM, which reads all
// of its weights at every step.
func BenchmarkLSTM(b *testing.B) {
	const dim, frames = 1536, 16
	builder := NewBuilder("net")
	l := NewSLSTM(builder, dim, 1)
	var specs []weights.Spec
	for _, p := range builder.Network().Params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	pool := parallel.New(0)
	defer pool.Close()
	var region tensor.Region
	defer region.Free()
	if err := builder.Network().Load(weights.NewRandom(1, specs), &region, pool); err != nil {
		b.Fatal(err)
	}
	r := op.NewRun(pool)
	for b.Loop() {
		r.Free(l.Forward(r, r.Zeros(1, frames, dim)))
	}
	b.ReportMetric(float64(b.N)*frames*4*4*dim*dim/b.Elapsed().Seconds()/1e9, "GB/s")
}
