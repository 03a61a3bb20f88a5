package op

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A ResidualUnit is x + Pointwise(act(Wide(act(x)))), the unit of which encoders and
// decoders are made: a convolution over time and one of a single tap, both with as many
// channels out as in.
type ResidualUnit struct {
	Slot, Skip   Slot
	Wide         Filter
	Shape        ConvShape
	WideAct      Activation
	Pointwise    Filter
	PointwiseAct Activation
}

const (
	// residualRows is the number of rows of a unit that are computed at a time.
	residualRows = 256

	// residualWeights is the number of weights that pass by a piece of so many rows: those that
	// stay in the second-level cache beside it.
	residualWeights = 320 << 10
)

// ResidualBF16 returns the result of a unit over x, which it takes, where its products are
// of bfloat16, its weights few and the rows of x many. Otherwise it returns false and leaves
// x alone. What lies between the two convolutions is computed in pieces that stay in the
// cache and is never written to memory; the result is that of the two operations one after
// the other, bit for bit.
func (r *Run) ResidualBF16(u ResidualUnit, x tensor.Tensor) (tensor.Tensor, bool) {
	weights := 0
	for _, w := range []*kernel.PanelsBF16{u.Wide.BF16, u.Wide.Rest, u.Pointwise.BF16, u.Pointwise.Rest} {
		if w != nil {
			weights += len(w.Data) + len(w.Int8)
		}
	}
	_, direct := u.PointwiseAct.(activationBF16)
	if !direct || u.Wide.BF16 == nil || u.Pointwise.BF16 == nil || weights > residualWeights || x.B != 1 || x.T < 2*residualRows || x.Borrowed {
		return tensor.Tensor{}, false
	}
	w := r.window(u.Slot, u.Shape, u.WideAct, x, u.Wide.format())
	y := r.Align(u.Skip, x, w.out)
	if y.T == 0 {
		r.Free(w.rows)
		return y, true
	}
	r.Profiler.count(int64(y.T) * int64(x.C) * int64(x.C) * int64(u.Shape.K+1))
	r.residual = residualTask{unit: u, rows: w.rows, start: w.start, y: y}
	r.pool.Run((y.T+residualRows-1)/residualRows, &r.residual)
	r.residual = residualTask{}
	r.Free(w.rows)
	return y, true
}

// A residualTask computes a unit in pieces, in place of x.
type residualTask struct {
	unit  ResidualUnit
	rows  tensor.Tensor // the window of the first convolution
	start int
	y     tensor.Tensor
}

// residualScratch is what lies between the convolutions, of one piece.
type residualScratch struct{ hidden, rounded []float32 }

var residualScratches = sync.Pool{New: func() any { return new(residualScratch) }}

// Run computes the i-th piece.
func (t *residualTask) Run(i int) {
	s := residualScratches.Get().(*residualScratch)
	defer residualScratches.Put(s)
	u, c := &t.unit, t.y.C
	from := i * residualRows
	rows := min(residualRows, t.y.T-from)
	as := u.Pointwise.format()
	ld, ldRounded := tensor.Stride(c), as.stride(c)
	if len(s.hidden) < residualRows*ld {
		s.hidden = make([]float32, residualRows*ld)
	}
	if len(s.rounded) < residualRows*ldRounded {
		s.rounded = make([]float32, residualRows*ldRounded)
	}
	first := kernel.ProductBF16{
		Dst: s.hidden, LdDst: ld,
		A:   kernel.BFloat16s(t.rows.Rows(0, t.start+from*u.Shape.Stride, t.rows.T)),
		LdA: u.Shape.Stride * 2 * t.rows.Stride, LdTap: u.Shape.Dilation * 2 * t.rows.Stride,
		W: u.Wide.BF16, Bias: u.Wide.Bias,
	}
	runBF16(first, u.Wide.Rest, 0, rows, 0, first.W.Count())
	rounded := roundingRows{
		as: as, act: u.PointwiseAct, dst: kernel.BFloat16s(s.rounded), x: s.hidden,
		ldDst: 2 * ldRounded, ldX: ld, c: c, rows: rows,
	}
	rounded.run()
	y := t.y.Rows(0, from, from+rows)
	second := kernel.ProductBF16{
		Dst: y, LdDst: t.y.Stride, Init: y, LdInit: t.y.Stride,
		A: kernel.BFloat16s(s.rounded), LdA: 2 * ldRounded, W: u.Pointwise.BF16, Bias: u.Pointwise.Bias,
	}
	runBF16(second, u.Pointwise.Rest, 0, rows, 0, second.W.Count())
}
