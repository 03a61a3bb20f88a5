package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// The gradients of a convolution of few channels are a small matrix, summed over very many
// rows: what lies at the rate of samples. A thread then sums those of a whole sequence, a
// block of rows at a time, which stay in the cache between transposition, packing and
// product. The matrices of the sequences are added up in their order.

const (
	narrowWeights   = 1 << 16 // that such a matrix has at most
	narrowSequences = 4       // that there are at least
	narrowBlock     = 512     // rows, or steps of a stride, even and a multiple of kernel.StepBF16
)

// narrow reports whether weightGradBySequence computes g, which depends on its shape alone.
func (g *weightGrad) narrow() bool {
	return g.a.B >= narrowSequences && g.a.C*g.taps*tensor.RoundUp(g.rows.C) <= narrowWeights && g.a.T >= narrowBlock
}

func (r *Run) weightGradBySequence(g weightGrad) {
	size := g.a.C * g.taps * tensor.RoundUp(g.rows.C)
	parts := r.alloc(g.a.B * size)
	sums := make([]float64, g.a.B*g.a.C)
	rounds := r.weightGradRounds(g.a.C, g.rows.C)
	r.pool.For(g.a.B, func(b int) {
		own := g
		own.dw, own.sums = parts[b*size:][:size], sums[b*g.a.C:][:g.a.C]
		if rounds {
			own.sequenceBF16(b)
		} else {
			own.sequenceFloat32(b)
		}
	})
	copy(g.dw, parts[:size])
	copy(g.sums, sums)
	for b := 1; b < g.a.B; b++ {
		kernel.Add(g.dw[:size], g.dw[:size], parts[b*size:])
		for m := range g.sums {
			g.sums[m] += sums[b*g.a.C+m]
		}
	}
	r.freeFloats(parts)
}

// sequenceFloat32 computes g of sequence b alone.
func (g *weightGrad) sequenceFloat32(b int) {
	a, rows := g.a, g.rows
	most := narrowBlock + g.reach()
	// Rows as wide as a panel are one, where they lie.
	direct := g.stride == 1 && rows.Stride == kernel.Width
	packed := 0
	if !direct {
		packed = kernel.PanelsLen(g.phases(), most, rows.C)
	}
	own := newScratch(a.C*narrowBlock + packed)
	defer own.free()
	at, memory := own.take(a.C*narrowBlock), own.take(packed)
	for t := 0; t < a.T; t += narrowBlock {
		n := min(narrowBlock, a.T-t)
		kernel.Transpose(at, n, a.Rows(b, t, t+n), a.Stride, n, a.C)
		for m := range a.C {
			g.sums[m] += kernel.Sum(at[m*n:][:n])
		}
		w := &kernel.Panels{Taps: g.phases(), K: n + g.reach(), N: rows.C, Data: memory}
		if direct {
			w.Data = rows.Rows(b, t, t+w.K)
		} else {
			for phase := range w.Taps {
				for panel := range w.Count() {
					packOverTime(w.Data[w.Index(phase, 0, panel*kernel.Width):], rows, b, t*g.stride+phase, g.stride, w.K, panel)
				}
			}
		}
		contractAll(g.dw, at, a.C, n, w, g.taps, g.lead, t > 0)
	}
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
