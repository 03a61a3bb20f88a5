package op

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// In a recording, too, the Toom-Cook algorithm computes convolutions of seven taps, and the
// gradients with respect to their inputs, which are such convolutions. Their weights change with
// every step, so that the points' are made of the panels that an operation has, and freed with
// them.

const (
	// toomCookChannels is how many input and output channels there are at least: with fewer the
	// transforms cost what the products save.
	toomCookChannels = 32
	// toomCookRows is how many rows there are at least in all sequences: the weights of fewer cost
	// as much as they save, and memory.
	toomCookRows = 128
	// toomCookTile is the outputs of the algorithm: F(6, 7) is no faster here, and twice as far
	// from the exact gradients, F(4, 7) twice as far as direct products.
	toomCookTile = 4
	// narrowToomCook is how many values a block has in a convolution that is computed in blocks,
	// beside which the rows that it reads and writes stay in the cache.
	narrowToomCook = 16 << 10
)

// usesToomCook reports whether the Toom-Cook algorithm computes a convolution of a recording, of
// float32, of so many rows and channels.
func (r *Run) usesToomCook(s ConvShape, rows, in, out int) bool {
	return r.Recording() && !r.Exact && s.K == kernel.ToomCookTaps && s.Stride == 1 && min(in, out) >= toomCookChannels && rows >= toomCookRows
}

// toomCookShapes are filters without weights by their dilation.
var toomCookShapes sync.Map

// newToomCook returns the filter of panels of seven taps, in the run's memory.
func (r *Run) newToomCook(w *kernel.Panels, dilation int) *ToomCookFilter {
	shape, ok := toomCookShapes.Load(dilation)
	if !ok {
		shape, _ = toomCookShapes.LoadOrStore(dilation, newToomCookFilter(toomCookTile, toomCookTile*dilation, dilation))
	}
	f := *shape.(*ToomCookFilter)
	f.Points = make([]*kernel.Panels, f.Algorithm.Points)
	for i := range f.Points {
		f.Points[i] = r.Panels(1, w.K, w.N)
	}
	size := w.Taps * w.K * kernel.Width
	r.pool.For(w.Count(), func(panel int) {
		f.Algorithm.Weights(f.Points, w.Data[panel*size:][:size], panel, 0, w.K)
	})
	return &f
}

func (r *Run) freeToomCook(f *ToomCookFilter) {
	if f != nil {
		r.freePanels(f.Points...)
	}
}

// narrow computes the convolution of rows of x, whose rows are y, on one thread.
func (f *ToomCookFilter) narrow(y, x []float32, strideY, strideX, rows int, bias []float32) {
	c := f.over(tensor.Tensor{B: 1, T: rows, C: f.Points[0].N, Stride: strideY, Data: y},
		tensor.Tensor{B: 1, T: rows + (kernel.ToomCookTaps-1)*f.Dilation, C: f.Points[0].K, Stride: strideX, Data: x}, 0, bias)
	size := c.setBlock(narrowToomCook)
	own := newScratch(size)
	defer own.free()
	c.compute(0, c.all(), own.take(size))
}

// noBias returns zeros for n output channels.
func noBias(n int) []float32 { return make([]float32, tensor.RoundUp(n)) }
