package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// The gradients of a convolution of few channels are a small matrix, summed over very many
// rows: what lies at the rate of samples. A thread then sums those of a segment of a sequence, a
// block of rows at a time, which stay in the cache between transposition, packing and
// product. The matrices of the segments are added up in their order.

const (
	narrowWeights   = 1 << 16         // that such a matrix has at most
	narrowSequences = 4               // that there are at least
	narrowBlock     = blockRows       // rows, or steps of a stride, even and a multiple of kernel.StepBF16
	narrowSegment   = 4 * narrowBlock // rows of a segment, at most
)

// narrow reports whether weightGradBySegments computes g, which depends on its shape alone.
func (g *weightGrad) narrow() bool {
	return g.a.B >= narrowSequences && g.a.C*g.taps*tensor.RoundUp(g.rows.C) <= narrowWeights && g.a.T >= narrowBlock
}

func (r *Run) weightGradBySegments(g weightGrad) {
	if r.weightGradRounds(g.a.C, g.rows.C) {
		s := r.newSegments(g, 1)
		r.pool.For(g.a.B, func(b int) {
			own := s.part(b, 0)
			own.sequenceBF16(b)
		})
		r.addSegments(s)
		return
	}
	s := r.newSegments(g, segmentsOf(g.a.T))
	r.pool.For(g.a.B*s.each, func(i int) {
		b, segment := i/s.each, i%s.each
		own := s.part(b, segment)
		from, to := s.rows(segment, g.a.T)
		for t := from; t < to; t += narrowBlock {
			own.blockFloat32(b, t, t > from)
		}
	})
	r.addSegments(s)
}

// segments are the sums of the gradients of a convolution over segments of its sequences.
type segments struct {
	g    weightGrad // of the whole
	each int        // segments of a sequence
	size int        // of a matrix
	dw   []float32
	sums []float64
}

// segmentsOf returns how many segments so many rows are.
func segmentsOf(rows int) int { return (rows + narrowSegment - 1) / narrowSegment }

func (r *Run) newSegments(g weightGrad, each int) *segments {
	s := &segments{g: g, each: each, size: g.a.C * g.matrices() * tensor.RoundUp(g.rows.C)}
	s.dw, s.sums = r.alloc(g.a.B*each*s.size), make([]float64, g.a.B*each*g.a.C)
	return s
}

// rows returns where a segment of n rows begins and ends, whole blocks but for the last.
func (s *segments) rows(segment, n int) (from, to int) {
	blocks := (n + narrowBlock - 1) / narrowBlock
	return segment * blocks / s.each * narrowBlock, min(n, (segment+1)*blocks/s.each*narrowBlock)
}

// part returns the gradient of a segment of sequence b, which blockFloat32 sums.
func (s *segments) part(b, segment int) weightGrad {
	own, i := s.g, b*s.each+segment
	own.dw, own.sums = s.dw[i*s.size:][:s.size], s.sums[i*s.g.a.C:][:s.g.a.C]
	return own
}

// addSegments adds the sums of all segments up.
func (r *Run) addSegments(s *segments) {
	g, n := s.g, s.g.a.B*s.each
	each := g.matrices() * tensor.RoundUp(g.rows.C) // of an output channel
	r.pool.Split(g.a.C, 1+grainValues/(n*each), func(from, to int) {
		dw := s.dw[from*each : to*each]
		for i := 1; i < n; i++ {
			kernel.Add(dw, dw, s.dw[i*s.size+from*each:])
		}
		if g.toomCook {
			g.interpolate(s.dw, from, to)
		} else {
			copy(g.dw[from*each:], dw)
		}
	})
	for i := range n {
		for m := range g.sums {
			g.sums[m] += s.sums[i*g.a.C+m]
		}
	}
	r.freeFloats(s.dw)
}

// blockFloat32 writes the gradient of a block of rows of sequence b, those of a from t on, or
// adds it.
func (g *weightGrad) blockFloat32(b, t int, add bool) {
	a, rows := g.a, g.rows
	n := min(narrowBlock, a.T-t)
	w := &kernel.Panels{Taps: g.phases(), K: n + g.reach(), N: rows.C}
	first, filled := t*g.stride, 0
	if g.blocks != nil {
		rows.B, rows.T = 1, min(w.K*g.stride, rows.T-first)
		filled = rows.T * rows.Stride
	}
	// Rows as wide as a panel are one, where they lie.
	direct := g.stride == 1 && rows.Stride == kernel.Width || g.toomCook
	packed := 0
	if !direct {
		packed = w.Len()
	}
	own := newScratch(a.C*n + packed + filled)
	defer own.free()
	sequence := b
	if g.blocks != nil {
		rows.Data = own.take(filled)
		g.blocks.fill(rows.Data, b, first, first+rows.T)
		b, first = 0, 0
	}
	if g.toomCook {
		g.blockToomCook(sequence, t, n, rows.Rows(b, first, first+w.K), add)
		return
	}
	at := own.take(a.C * n)
	w.Data = own.take(packed)
	kernel.Transpose(at, n, a.Rows(sequence, t, t+n), a.Stride, n, a.C)
	for m := range a.C {
		g.sums[m] += kernel.Sum(at[m*n:][:n])
	}
	if direct {
		w.Data = rows.Rows(b, first, first+w.K)
	} else {
		for phase := range w.Taps {
			for panel := range w.Count() {
				packOverTime(w.Data[w.Index(phase, 0, panel*kernel.Width):], rows, b, first+phase, g.stride, w.K, panel)
			}
		}
	}
	contractAll(g.dw, at, a.C, n, w, g.taps, g.lead, add)
}

// sequenceBF16 computes g of sequence b alone, as weightGradBF16 does: a tap moves a, in two
// copies, against the rows.
func (g *weightGrad) sequenceBF16(b int) {
	a, rows := g.a, g.rows
	lead := (g.reach() + 1) / 2 * 2
	ld := lead + narrowBlock + kernel.StepBF16
	ldW := g.taps * tensor.RoundUp(rows.C)
	panelSize := kernel.PanelsBF16Len(1, narrowBlock, rows.C)
	own := newScratch(a.C*(lead+narrowBlock) + a.C*ld + (panelSize+1)/2)
	defer own.free()
	at := own.take(a.C * (lead + narrowBlock))
	copies := kernel.BFloat16s(own.take(a.C * ld))
	shifted := [2][]kernel.BFloat16{copies[:a.C*ld], copies[a.C*ld:]}
	packed := kernel.BFloat16s(own.take((panelSize + 1) / 2))
	for q := 0; q < g.steps(); q += narrowBlock {
		// Taps of this block meet the rows of a from lead before it on.
		from, to := max(0, q-lead), min(a.T, q+narrowBlock)
		n := max(0, to-from)
		if n > 0 {
			kernel.Transpose(at, n, a.Rows(b, from, to), a.Stride, n, a.C)
		}
		first := from - (q - lead)
		for m := range a.C {
			row, even, odd := at[m*n:][:n], shifted[0][m*ld:][:ld], shifted[1][m*ld:][:ld]
			if seen := min(n, max(0, q-from)); seen < n {
				g.sums[m] += kernel.Sum(row[seen:])
			}
			clear(even[:first])
			roundRow(even[first:][:n], row)
			clear(even[first+n:])
			odd[0] = 0
			copy(odd[1:], even)
		}
		for phase := range g.phases() {
			k := min(narrowBlock, (rows.T-phase+g.stride-1)/g.stride-q)
			if k <= 0 {
				continue
			}
			w := &kernel.PanelsBF16{Taps: 1, K: k, N: rows.C, Data: packed}
			packBlockBF16(w, 0, k, rows, g.as, b*rows.T+q*g.stride+phase, g.stride)
			for tap := phase; tap < g.taps; tap += g.stride {
				_, move := g.lead(tap)
				at := lead - move
				copyOf := shifted[at%2]
				p := kernel.ProductBF16{
					Dst: g.dw[tap*tensor.RoundUp(rows.C):], LdDst: ldW, A: copyOf[at+at%2:], LdA: ld, W: w,
				}
				if q > 0 {
					p.Init, p.LdInit = p.Dst, p.LdDst
				}
				p.Run(0, a.C, 0, w.Count())
			}
		}
	}
}
