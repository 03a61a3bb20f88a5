package op

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An AntiAlias is an activation at twice the rate: Up doubles the rate before it,
// Down halves it behind (alias_free_torch/act.py, from BigVGAN, arXiv 2206.04658).
type AntiAlias struct {
	Up, Down [kernel.AntiAliasTaps]float32
	Snake
}

// Row t of the result sees rows 2t-5 to 2t+6 at twice the rate, which lie in the
// pairs t-3 to t+3, one for each row of the input; and rows 2t and 2t+1 there see
// rows t-3 to t+3 of the input. Of the outermost pairs one row counts, so that the
// whole reaches 5 rows to either side.
const (
	antiAliasReach = 5
	filterReach    = 3
)

// Blocks of this many rows and channels are computed at a time, so that what lies
// at twice the rate stays in the second-level cache.
const (
	antiAliasRows     = 128
	antiAliasChannels = 64
)

// antiAliasScratch holds a block at twice the rate.
var antiAliasScratch = sync.Pool{New: func() any {
	return new([2 * (antiAliasRows + 2*filterReach) * antiAliasChannels]float32)
}}

// AntiAlias returns the activation of x. Before each of the two filters, both ends
// are padded by repeating the first and last row. A stream emits with a delay of
// five rows.
func (r *Run) AntiAlias(slot Slot, f *AntiAlias, x tensor.Tensor) tensor.Tensor {
	m := r.state(slot)
	if x.B != 1 && (!r.Last || m.n > 0) {
		panic("op: a stream of more than one sequence")
	}
	n, emitted := m.n+x.T, m.skip
	out := n - emitted
	if !r.Last {
		out = max(0, out-antiAliasReach)
	}
	rows := r.New(x.B, filterReach+n+filterReach, x.C)
	copy(rows.Rows(0, filterReach, filterReach+m.n), m.rows[:m.n*rows.Stride])
	for b := range x.B {
		copy(rows.Rows(b, filterReach+m.n, filterReach+n), x.Rows(b, 0, x.T))
		if n > 0 {
			for i := range filterReach {
				copy(rows.Rows(b, i, i+1), rows.Rows(b, filterReach, filterReach+1))
				copy(rows.Rows(b, filterReach+n+i, filterReach+n+i+1), rows.Rows(b, filterReach+n-1, filterReach+n))
			}
		}
	}
	y := r.New(x.B, out, x.C)
	if out > 0 {
		f.run(r, y, rows, emitted, n)
	}
	if !r.Last {
		first := max(0, emitted+out-antiAliasReach)
		m.replaceRows(rows.Rows(0, filterReach+first, filterReach+n), n-first)
		m.skip = emitted + out - first
	}
	r.Free(rows)
	if r.Recording() && out > 0 && (r.needsGrad(x) || f.GradSums() > 0) {
		r.recordAntiAlias(&y, f, x)
	}
	return y
}

// run computes y from row first of n rows, which follow the repeated rows in x.
// Where fewer than antiAliasReach rows are before first, they begin the sequence.
func (f *AntiAlias) run(r *Run, y, x tensor.Tensor, first, n int) {
	width := tensor.RoundUp(x.C)
	columns := (width + antiAliasChannels - 1) / antiAliasChannels
	blocks := (y.T + antiAliasRows - 1) / antiAliasRows
	r.pool.For(y.B*blocks*columns, func(i int) {
		b, i := i/(blocks*columns), i%(blocks*columns)
		from, c := i/columns*antiAliasRows, i%columns*antiAliasChannels
		block := antiAliasBlock{
			first: first + from, rows: min(antiAliasRows, y.T-from),
			cols: min(antiAliasChannels, width-c), n: n,
		}
		block.run(f, y.Rows(b, from, y.T)[c:], y.Stride, x.Rows(b, 0, x.T)[c:], x.Stride, c)
	})
}

// An antiAliasBlock is a part of the work: rows from first on, of n.
type antiAliasBlock struct{ first, rows, cols, n int }

func (b antiAliasBlock) run(f *AntiAlias, dst []float32, ldDst int, x []float32, ldX, c int) {
	scratch := antiAliasScratch.Get().(*[2 * (antiAliasRows + 2*filterReach) * antiAliasChannels]float32)
	defer antiAliasScratch.Put(scratch)
	// The pairs at twice the rate, from that of input row low on; the filter behind
	// begins with the second row of the first.
	low, high := b.first-filterReach, b.first+b.rows+filterReach
	from, to := max(0, low), min(b.n, high)
	double := scratch[:]
	row := func(i int) []float32 { return double[(i-2*low)*b.cols:][:b.cols] } // row i at twice the rate
	up := double[2*(from-low)*b.cols:]
	kernel.UpsampleRows(up, b.cols, x[from*ldX:], ldX, to-from, b.cols, &f.Up)
	for i := 2 * from; i < 2*to; i++ {
		kernel.Snake(row(i), row(i), f.Alpha[c:], f.Inv[c:])
	}
	for i := 2 * low; i < 0; i++ {
		copy(row(i), row(0))
	}
	for i := 2 * b.n; i < 2*high; i++ {
		copy(row(i), row(2*b.n-1))
	}
	kernel.DownsampleRows(dst, ldDst, double[b.cols:], b.cols, b.rows, b.cols, &f.Down)
}
