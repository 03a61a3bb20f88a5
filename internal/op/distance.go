package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// SquaredDistances returns the squared Euclidean distances between the rows of x and those
// of y: [1, T, c] and [1, R, c] → [1, T, R]. Squares are the sums of squares of y's rows.
func (r *Run) SquaredDistances(x, y tensor.Tensor, squares []float32) tensor.Tensor {
	if x.B != 1 || y.B != 1 || x.C != y.C || len(squares) != y.T {
		panic("op: distances between rows of other shapes")
	}
	d := r.New(1, x.T, y.T)
	// Over the rows of y, of which there are many even where a single frame has arrived.
	r.eachRows(y.T, max(1, x.T), rowsTask{f: distanceRows, y: d, a: x, b: y, gamma: squares})
	return d
}

func distanceRows(t *rowsTask, from, to int) {
	for i := range t.a.T {
		x, d := row(t.a, i), row(t.y, i)
		own := kernel.SumSquares(x)
		for j := from; j < to; j++ {
			d[j] = float32(max(0, own+float64(t.gamma[j])-2*kernel.Dot(x, row(t.b, j))))
		}
	}
}
