package op

import "github.com/facodec-go/facodec/internal/kernel"

// A productTask is the products of one operation as a loop over pieces of them.
type productTask struct {
	products []kernel.Product
	kinds    int // of weights: as many products in turn have the same
	rows     int
	// What the products of a kind are cut into.
	byRows, byPanels int
	blocks, pairs    int
}

const (
	tileRows = 48 // a multiple of every kernel's tile height

	// cacheValues is how many weights may pass by several sequences at a time: those
	// that stay in the second-level cache meanwhile.
	cacheValues = 128 << 10

	// aloneValues is how many weights a thread reads, or multiply-adds it makes, in
	// about the time in which threads agree that a loop is done.
	aloneWeights, aloneMACs = 16 << 10, 64 << 10
)

// newProducts returns memory for n products, until the next call.
func (r *Run) newProducts(n int) []kernel.Product {
	if cap(r.products.products) < n {
		r.products.products = make([]kernel.Product, n)
	}
	return r.products.products[:n]
}

// runProducts computes products of one shape. There are several kinds of weights, and as
// many products in turn, one for each sequence, have the same. Each kind is split over
// the threads along its larger side, rows or weights, so that what is read twice is the
// smaller one.
func (r *Run) runProducts(ps []kernel.Product, kinds, rows int) {
	w := ps[0].W
	macs := int64(len(ps)) * int64(rows) * int64(w.Taps) * int64(w.K) * int64(w.N)
	r.Profiler.count(macs)
	t := &r.products
	t.products, t.kinds, t.rows = ps, kinds, rows
	t.byRows, t.byPanels = 1, 1
	t.blocks, t.pairs = (rows+tileRows-1)/tileRows, (w.Count()+1)/2 // kernels take panels two at a time
	threads, sequences := r.pool.Threads(), len(ps)/kinds
	tasks := r.tasks(kinds)
	switch weights := w.Len(); {
	case threads == 1 && (sequences == 1 || weights < cacheValues):
	case macs < aloneMACs && kinds*weights < aloneWeights:
	case weights > rows*sequences*ps[0].LdA:
		t.byPanels = min(t.pairs, max(tasks, weights/cacheValues))
		t.byRows = min(t.blocks, (tasks+t.byPanels-1)/t.byPanels)
	default:
		t.byRows = min(t.blocks, tasks)
		t.byPanels = min(t.pairs, (tasks+t.byRows-1)/t.byRows)
	}
	if threads == 1 || macs < aloneMACs && kinds*w.Len() < aloneWeights {
		for i := range kinds * t.byRows * t.byPanels {
			t.Run(i)
		}
		return
	}
	r.pool.Run(kinds*t.byRows*t.byPanels, t)
}

// tasks returns into how many pieces the products of each of several kinds of weights are cut:
// more than threads, so that one that is late has fewer. Those of a stream are small and
// not cut as finely.
func (r *Run) tasks(kinds int) int {
	each := 4
	if r.Recording() {
		each = 8
	}
	return (each*r.pool.Threads() + kinds - 1) / kinds
}

// Run computes the i-th piece.
func (t *productTask) Run(i int) {
	kind, i := i/(t.byRows*t.byPanels), i%(t.byRows*t.byPanels)
	row, panel := i%t.byRows, i/t.byRows
	row0, row1 := row*t.blocks/t.byRows*tileRows, min(t.rows, (row+1)*t.blocks/t.byRows*tileRows)
	sequences := len(t.products) / t.kinds
	for s := range sequences {
		p := &t.products[kind*sequences+s]
		p.Run(row0, row1, panel*t.pairs/t.byPanels*2, min(p.W.Count(), (panel+1)*t.pairs/t.byPanels*2))
	}
}
