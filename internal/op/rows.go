package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A rowsTask is a loop over rows, in parts: f does rows from to to of what the other
// fields hold. It is a field of the run and f a plain function, so that running it
// allocates nothing.
type rowsTask struct {
	f           func(t *rowsTask, from, to int)
	y, z, a, b  tensor.Tensor
	gainRe      tensor.Tensor
	gainIm      tensor.Tensor
	gamma, beta []float32
	filter      DepthwiseFilter
	shape       ConvShape
	start       int
	spectrum    *FrameSpectrum
	features    *SpectralFeatures
	harmonics   *Harmonics
	source      *SourceFilter
	phases      []uint32
	halves      func(dst, a, b []float32)
	codes       [][]int32

	n, parts int
}

// Run does the i-th part.
func (t *rowsTask) Run(i int) { t.f(t, i*t.n/t.parts, (i+1)*t.n/t.parts) }

// eachRows runs t over [0, n) in parts of at least grain.
func (r *Run) eachRows(n, grain int, t rowsTask) {
	r.rows = t
	r.rows.n, r.rows.parts = n, r.pool.Parts(n, grain)
	r.pool.Run(r.rows.parts, &r.rows)
	r.rows = rowsTask{}
}

// addRows writes y = a + b.
func addRows(t *rowsTask, from, to int) {
	for i := from; i < to; i++ {
		kernel.Add(row(t.y, i), row(t.a, i), row(t.b, i))
	}
}

// subRows writes y = a - b.
func subRows(t *rowsTask, from, to int) {
	for i := from; i < to; i++ {
		kernel.Sub(row(t.y, i), row(t.a, i), row(t.b, i))
	}
}

// row returns the values of row i of a batch, counted over its sequences.
func row(x tensor.Tensor, i int) []float32 { return x.Data[i*x.Stride:][:x.C:x.C] }
