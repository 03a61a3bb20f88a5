package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// keptWindows is how many values of windows a recording keeps for the backward pass, 512 MB:
// all of a small model's, some of a large one's, whose activations cost little beside its
// products.
const keptWindows = 1 << 27

// keepWindow keeps the window of a convolution of so many output channels, which it takes,
// where its backward pass needs it and would compute the activation again; else it frees it
// and returns nil. What is kept does not change what the backward pass computes.
func (r *Run) keepWindow(f Filter, act Activation, rows tensor.Tensor, out int) *tensor.Tensor {
	if act == nil || !r.Recording() || f.Trainable == nil || f.Trainable.Frozen() || r.tape.kept+len(rows.Data) > keptWindows ||
		f.BF16 != nil && !r.weightGradRounds(out, rows.C) {
		r.Free(rows)
		return nil
	}
	r.tape.kept += len(rows.Data)
	kept := new(tensor.Tensor)
	*kept = rows
	return kept
}

// recordConv records y = init + Conv(act(x)). kept, if not nil, is the window that keepWindow
// returned; blocks, if not nil, what was computed in blocks.
func (r *Run) recordConv(y *tensor.Tensor, f Filter, s ConvShape, act Activation, x tensor.Tensor, init, kept *tensor.Tensor, blocks *blockWindow) {
	learns := f.Trainable != nil && !f.Trainable.Frozen()
	deeper := r.needsGrad(x) || act != nil && act.GradSums() > 0
	if !learns && !deeper && (init == nil || !r.needsGrad(*init)) {
		return
	}
	r.retain(x) // act(x) and its padding are computed again where they are not kept
	r.record(y, func(dy tensor.Tensor) {
		if init != nil { // last, for it may take dy
			defer r.accumulateInitGrad(*init, dy)
		}
		together := blocks != nil && deeper && s.Stride == 1
		pointwise := s.K == 1 && s.Stride == 1 && act == nil
		padLeft, length := 0, x.T
		if learns || !pointwise {
			rows, as := x, rowsFloat32
			switch {
			case blocks != nil: // of which the shape is enough
				rows.T = blocks.rows()
			case kept != nil && f.BF16 != nil:
				rows, as = *kept, rowsBF16
			case kept != nil:
				rows = *kept
			case !pointwise:
				rows = r.window(nil, s, act, x, rowsFloat32).rows
			}
			padLeft, _ = s.padding()
			length = rows.T
			if learns {
				dw := r.alloc(dy.C * s.K * tensor.RoundUp(x.C))
				db := r.alloc(dy.C)
				g := weightGrad{dw: dw, a: dy, rows: rows, blocks: blocks, as: as, taps: s.K, stride: s.Stride, dilation: s.Dilation,
					toomCook: !r.BF16 && r.usesToomCook(s, x.B*x.T, x.C, dy.C)}
				if together {
					g.sums = make([]float64, dy.C)
					r.convGradBlocks(f, s, blocks, dy, &g)
					g.biasGrad(db)
				} else {
					r.convWeightGrad(g, db)
				}
				f.Trainable.AccumulateGrad(r, dw, tensor.RoundUp(x.C), db)
				r.freeFloats(dw)
				r.freeFloats(db)
			}
			if !pointwise && blocks == nil {
				r.Free(rows)
			}
		}
		if together && !learns {
			r.convGradBlocks(f, s, blocks, dy, nil)
		}
		if deeper && !together {
			drows := r.convInputGrad(f, s, dy, length, x.C)
			if pointwise {
				r.release(x)
				r.accumulateGrad(x, drows)
				return
			}
			for b := range x.B {
				unpad(drows, b, padLeft, x.T, length-padLeft-x.T, s.Zero)
			}
			if act != nil {
				r.accumulateActivationGrad(act, drows, padLeft, x)
				r.Free(drows)
				r.release(x)
				return
			}
			dx := r.New(x.B, x.T, x.C)
			for b := range x.B {
				copy(dx.Rows(b, 0, x.T), drows.Rows(b, padLeft, padLeft+x.T))
			}
			r.Free(drows)
			r.release(x)
			r.accumulateGrad(x, dx)
			return
		}
		r.release(x)
	})
}

// accumulateInitGrad adds dy, which it takes where the shapes agree, to the gradient of
// the initial value of a product.
func (r *Run) accumulateInitGrad(init, dy tensor.Tensor) {
	switch {
	case !r.needsGrad(init):
	case init.T == dy.T:
		r.accumulateGrad(init, r.takeGrad(dy))
	default: // one row for all
		r.accumulateGrad(init, r.sumRows(dy))
	}
}

// convInputGrad returns the gradient with respect to the padded input of a
// convolution, length rows of c channels:
//
//	drows[p] = Σ over taps k with p = t·stride + k·dilation of dy[t]·W[k]ᵀ
//
// For each phase of the stride it is a convolution of dy with the phase's taps in
// falling order.
func (r *Run) convInputGrad(f Filter, s ConvShape, dy tensor.Tensor, length, c int) tensor.Tensor {
	if r.rounds(f.Trainable, dy.C) {
		drows := r.New(dy.B, length, c)
		r.inputGradBF16(drows, f.Trainable, s, dy)
		return drows
	}
	panels := f.Trainable.PackInputGrad(r, s.Stride)
	taps := panels[0].Taps // the first phase has the most
	lead := (taps - 1) * s.Dilation
	steps := (length + s.Stride - 1) / s.Stride
	if r.usesToomCook(s, dy.B*dy.T, c, dy.C) {
		tc := r.newToomCook(panels[0], s.Dilation)
		padded := r.padRows(dy, lead, length-dy.T)
		drows := r.toomCook(Filter{ToomCook: tc, Bias: noBias(c)}, padded, 0, length, nil)
		r.Free(padded)
		r.freeToomCook(tc)
		r.freePanels(panels...)
		return drows
	}
	drows := r.New(dy.B, length, c)
	if s.Stride == 1 && lead > 0 && length == dy.T+lead && dy.T >= 4*lead {
		r.inputGradStride1(drows, dy, panels[0], lead, s.Dilation)
		r.freePanels(panels...)
		return drows
	}
	padded := dy
	if lead > 0 || steps > dy.T {
		padded = r.padRows(dy, lead, max(0, steps-dy.T))
	}
	for phase, w := range panels {
		rows := (length - phase + s.Stride - 1) / s.Stride
		if w.Taps == 0 {
			clearPhase(drows, phase, s.Stride, rows)
			continue
		}
		ps := r.newProducts(dy.B)
		for b := range ps {
			ps[b] = kernel.Product{
				Dst: drows.Rows(b, 0, length)[phase*drows.Stride:], LdDst: s.Stride * drows.Stride,
				A: padded.Rows(b, lead-(w.Taps-1)*s.Dilation, padded.T), LdA: padded.Stride, LdTap: s.Dilation * padded.Stride,
				W: w,
			}
		}
		r.runProducts(ps, 1, rows)
	}
	if lead > 0 || steps > dy.T {
		r.Free(padded)
	}
	r.freePanels(panels...)
	return drows
}

// inputGradStride1 writes convInputGrad's result for a stride of 1. Only the rows at the two
// ends see zeros beside dy: they are computed from copies, all others from dy where it lies.
func (r *Run) inputGradStride1(drows, dy tensor.Tensor, w *kernel.Panels, lead, dilation int) {
	product := func(dst, a []float32) kernel.Product {
		return kernel.Product{Dst: dst, LdDst: drows.Stride, A: a, LdA: dy.Stride, LdTap: dilation * dy.Stride, W: w}
	}
	ps := r.newProducts(dy.B)
	for b := range ps {
		ps[b] = product(drows.Rows(b, lead, dy.T), dy.Rows(b, 0, dy.T))
	}
	r.runProducts(ps, 1, dy.T-lead)
	ends := r.New(2*dy.B, 2*lead, dy.C)
	ps = r.newProducts(2 * dy.B)
	for b := range dy.B {
		first, last := 2*b, 2*b+1
		clear(ends.Rows(first, 0, lead))
		copy(ends.Rows(first, lead, 2*lead), dy.Rows(b, 0, lead))
		copy(ends.Rows(last, 0, lead), dy.Rows(b, dy.T-lead, dy.T))
		clear(ends.Rows(last, lead, 2*lead))
		ps[first] = product(drows.Rows(b, 0, lead), ends.Rows(first, 0, 2*lead))
		ps[last] = product(drows.Rows(b, dy.T, dy.T+lead), ends.Rows(last, 0, 2*lead))
	}
	r.runProducts(ps, 1, lead)
	r.Free(ends)
}

// clearPhase clears every stride-th row of each sequence.
func clearPhase(x tensor.Tensor, phase, stride, rows int) {
	for b := range x.B {
		for q := range rows {
			clear(x.Row(b, q*stride+phase))
		}
	}
}

// padRows returns x with rows of zeros on both sides.
func (r *Run) padRows(x tensor.Tensor, left, right int) tensor.Tensor {
	y := r.New(x.B, left+x.T+right, x.C)
	for b := range x.B {
		clear(y.Rows(b, 0, left))
		r.pool.Split(x.T, grainValues/x.Stride+1, func(from, to int) {
			copy(y.Rows(b, left+from, left+to), x.Rows(b, from, to))
		})
		clear(y.Rows(b, left+x.T, y.T))
	}
	return y
}

// unpad is the gradient of pad: it adds the rows of padding to those that they
// were copied from.
func unpad(dx tensor.Tensor, b, left, n, right int, zero bool) {
	if zero {
		return
	}
	add := func(at, from int) {
		if from < n {
			row := dx.Row(b, left+from)
			kernel.Add(row, row, dx.Row(b, at))
		}
	}
	extended := extendedLength(left, n, right)
	for i := range left {
		add(i, left-i)
	}
	for i := range right {
		if from := n + i; from >= extended {
			add(left+n+i, 2*(extended-1)-from)
		}
	}
}

// contractBlock is the number of rows that contract takes at a time, few enough
// for a part of both sides to stay in the second-level cache.
const contractBlock = 512

// convWeightGrad writes the gradient of a convolution's weights and bias, over all
// sequences:
//
//	dw[m][k][n] = Σ_t a[t][m]·rows[t·stride+k·dilation][n];  db[m] = Σ_t a[t][m]
//
// with dw laid out [a.C][taps][rows.C rounded up]. db may be nil. Rows may be of bfloat16
// where weightGradRounds.
func (r *Run) convWeightGrad(g weightGrad, db []float32) {
	r.Profiler.count(int64(g.a.B) * int64(g.a.T) * int64(g.a.C) * int64(g.taps) * int64(g.rows.C))
	g.sums = make([]float64, g.a.C)
	switch {
	case g.narrow():
		r.weightGradBySegments(g)
	case r.weightGradRounds(g.a.C, g.rows.C):
		r.weightGradBF16(g)
	case g.toomCook:
		r.weightGradToomCook(g)
	default:
		r.weightGradFloat32(g)
	}
	if db != nil {
		g.biasGrad(db)
	}
}

// biasGrad writes the gradient of the bias.
func (g *weightGrad) biasGrad(db []float32) {
	for m, v := range g.sums {
		db[m] = float32(v)
	}
}

// A weightGrad is what convWeightGrad is told, and the sums of a's channels.
type weightGrad struct {
	dw                     []float32
	sums                   []float64
	a, rows                tensor.Tensor
	blocks                 *blockWindow // of the values of rows, which are not in memory; nil where they are
	as                     rowFormat    // of rows
	taps, stride, dilation int
	toomCook               bool // whether sums are those at the points (toomcook_weights.go)
}

// matrices returns how many are summed for each output channel.
func (g *weightGrad) matrices() int {
	if g.toomCook {
		return kernel.NewToomCook(toomCookTile).Points
	}
	return g.taps
}

// phases returns the number of phases of the stride that taps fall on.
func (g *weightGrad) phases() int { return min(g.stride, g.taps) }

// steps returns the number of rows of the first phase.
func (g *weightGrad) steps() int { return (g.rows.T + g.stride - 1) / g.stride }

// reach returns by how many steps the last tap is ahead of the first.
func (g *weightGrad) reach() int {
	if g.stride > 1 {
		return (g.taps - 1) / g.stride
	}
	return (g.taps - 1) * g.dilation
}

// lead returns the phase and the step at which the rows of a tap begin.
func (g *weightGrad) lead(tap int) (phase, at int) {
	if g.stride == 1 {
		return 0, tap * g.dilation
	}
	return tap % g.stride, tap / g.stride
}

func (r *Run) weightGradFloat32(g weightGrad) {
	a, rows := g.a, g.rows
	at := r.alloc(a.B * a.C * a.T)
	phases := kernel.Panels{Taps: g.phases(), K: g.steps(), N: rows.C} // [panel][phase][step]
	packed := r.alloc(a.B * phases.Len())
	columns := (a.C + kernel.Width - 1) / kernel.Width
	panels := phases.Count()
	r.pool.For(columns+a.B*panels, func(i int) {
		if i < columns { // whose sums are over all sequences
			from := i * kernel.Width
			n := min(kernel.Width, a.C-from)
			for b := range a.B {
				dst := at[(b*a.C+from)*a.T:]
				kernel.Transpose(dst, a.T, a.Rows(b, 0, a.T)[from:], a.Stride, a.T, n)
				for m := range n {
					g.sums[from+m] += kernel.Sum(dst[m*a.T:][:a.T])
				}
			}
			return
		}
		b, panel := (i-columns)/panels, (i-columns)%panels
		for phase := range phases.Taps {
			packOverTime(packed[b*phases.Len()+phases.Index(phase, 0, panel*kernel.Width):], rows, b, phase, g.stride, phases.K, panel)
		}
	})
	r.contract(g, at, phases, packed)
	r.freeFloats(at)
	r.freeFloats(packed)
}

// packOverTime packs the columns of one panel of n rows of sequence b, every stride-th from the
// first on, as weights of a product over time; what is beyond the sequence is zero.
func packOverTime(dst []float32, rows tensor.Tensor, b, first, stride, n, panel int) {
	dst = dst[:n*kernel.Width]
	src := rows.Rows(b, 0, rows.T)[panel*kernel.Width:]
	in := max(0, min(n, (rows.T-first+stride-1)/stride))
	at, step := first*rows.Stride, stride*rows.Stride
	for q := range in {
		row := *(*[kernel.Width]float32)(src[at:])
		*(*[kernel.Width]float32)(dst[q*kernel.Width:]) = row // in registers: a copy in memory would be a call
		at += step
	}
	clear(dst[in*kernel.Width:])
}

// contract multiplies a transposed, at, with the packed rows, both of one sequence after the
// other, those of each tap beginning at the phase and step that lead returns.
func (r *Run) contract(g weightGrad, at []float32, phases kernel.Panels, packed []float32) {
	const height = 96
	m, n, taps := g.a.C, g.a.T, g.taps
	ld := phases.Count() * kernel.Width
	blocks := (m + height - 1) / height
	wide := max(1, min(phases.Count()/2, 8*r.pool.Threads()/(taps*blocks))) // groups of panels
	r.pool.For(taps*blocks*wide, func(i int) {
		tap, block, group := i%taps, i/taps%blocks, i/taps/blocks
		row0, row1 := block*height, min(m, (block+1)*height)
		panel0, panel1 := group*phases.Count()/wide, (group+1)*phases.Count()/wide
		phase, first := g.lead(tap)
		for b := range g.a.B {
			at, packed := at[b*m*n:], packed[b*phases.Len():]
			for t := 0; t < n; t += contractBlock {
				p := kernel.Product{
					Dst: g.dw[tap*ld:], LdDst: taps * ld, A: at[t:], LdA: n,
					W: &kernel.Panels{Taps: 1, K: min(contractBlock, n-t), N: phases.N,
						Data: packed[phases.Index(phase, t+first, 0):], Stride: phases.Taps * phases.K * kernel.Width},
				}
				if b > 0 || t > 0 {
					p.Init, p.LdInit = p.Dst, p.LdDst
				}
				p.Run(row0, row1, panel0, panel1)
			}
		}
	})
}

// sumRows returns the sum over the rows of each sequence: [B, 1, C].
func (r *Run) sumRows(x tensor.Tensor) tensor.Tensor {
	y := r.Zeros(x.B, 1, x.C)
	for b := range x.B {
		row := y.Row(b, 0)
		for t := range x.T {
			kernel.Add(row, row, x.Row(b, t))
		}
	}
	return y
}
