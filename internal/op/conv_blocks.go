package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// At the rate of samples a convolution of few channels takes the time in which memory is read
// and written, not that of its products. In a recording it is therefore computed a block of
// rows at a time: the activation of a block is written into memory that stays in the cache,
// and is read there by the product. The backward pass computes the activation again, which
// takes less time than reading it would, and differentiates product and activation of a block
// together. Of direct products not a bit differs from the operations on whole sequences.

const (
	blocksLeast  = 1 << 16 // values of a sequence from which on it is computed in blocks
	windowValues = 1 << 14 // values of the input of such a block
)

// A blockWindow is the padded input of a convolution of whole sequences, act(x), which is
// computed a few rows at a time.
type blockWindow struct {
	act         Activation // nil for none
	x           tensor.Tensor
	left, right int // rows of padding
	zero        bool
}

// blockWindow returns what Conv computes in blocks, nil where it does not. The choice depends
// on the shapes alone, and is the same with any number of threads.
func (r *Run) blockWindow(f Filter, s ConvShape, act Activation, x tensor.Tensor) *blockWindow {
	if !r.Recording() || r.BF16 || f.Trainable == nil || x.T*x.Stride < blocksLeast || act == nil && r.needsGrad(x) {
		return nil
	}
	w := &blockWindow{act: act, x: x, zero: s.Zero}
	w.left, w.right = s.padding()
	if !s.Zero {
		w.right += (s.Stride - x.T%s.Stride) % s.Stride
	}
	g := weightGrad{a: tensor.Tensor{B: x.B, T: s.outputs(w.rows()), C: f.Panels.N}, rows: x, taps: s.K}
	switch {
	case !g.narrow(), x.T <= max(w.left, w.right): // reflection would find too few rows
		return nil
	case s.Stride == 1 && g.a.T+narrowBlock < x.T: // the last segment would have no output
		return nil
	}
	return w
}

// rows returns the number of rows of a sequence with its padding.
func (w *blockWindow) rows() int { return w.left + w.x.T + w.right }

// fill writes rows from to to of sequence b.
func (w *blockWindow) fill(dst []float32, b, from, to int) {
	stride, n := w.x.Stride, w.x.T
	for p := from; p < to; {
		t, rows := p-w.left, 1
		dst := dst[(p-from)*stride:]
		switch {
		case t >= 0 && t < n:
			rows = min(to-p, n-t)
		case w.zero:
			clear(dst[:stride])
			p++
			continue
		case t < 0:
			t = -t
		default:
			t = 2*(n-1) - t
		}
		activateRows(w.act, dst[:rows*stride], w.x.Rows(b, t, t+rows), stride, w.x.C)
		p += rows
	}
}

// convBlocks is the convolution of a window, to which init is added where it is given.
func (r *Run) convBlocks(f Filter, s ConvShape, w *blockWindow, init *tensor.Tensor) tensor.Tensor {
	x, out := w.x, s.outputs(w.rows())
	var initial tensor.Tensor // a copy, so that the caller's stays off the heap
	if init != nil {
		initial = *init
	}
	y := r.New(x.B, out, f.Panels.N)
	r.Profiler.count(int64(x.B) * int64(out) * int64(s.K) * int64(x.C) * int64(y.C))
	block := max(1, windowValues/(s.Stride*x.Stride*tileRows)) * tileRows
	blocks := (out + block - 1) / block
	var tc *ToomCookFilter
	if r.usesToomCook(s, x.B*x.T, x.C, y.C) {
		tc = r.newToomCook(f.Panels, s.Dilation)
	}
	r.pool.For(x.B*blocks, func(i int) {
		b, from := i/blocks, i%blocks*block
		to := min(out, from+block)
		first, rows := from*s.Stride, (to-from-1)*s.Stride+s.extent()
		own := newScratch(rows * x.Stride)
		defer own.free()
		p := kernel.Product{
			Dst: y.Rows(b, from, to), LdDst: y.Stride,
			A: own.take(rows * x.Stride), LdA: s.Stride * x.Stride, LdTap: s.Dilation * x.Stride,
			W: f.Panels, Bias: f.Bias,
		}
		w.fill(p.A, b, first, first+rows)
		if initial.Data != nil {
			p.Init, p.LdInit = initRows(initial, b, out)
			p.Init = p.Init[from*p.LdInit:]
		}
		if tc == nil {
			p.Run(0, to-from, 0, f.Panels.Count())
			return
		}
		tc.narrow(p.Dst, p.A, p.LdDst, p.LdA, to-from, f.Bias)
		if p.Init != nil {
			addInit(p.Dst, p.LdDst, p.Init, p.LdInit, to-from, y.C)
		}
	})
	r.freeToomCook(tc)
	return y
}

// convGradBlocks accumulates the gradients of a convolution of a window whose stride is 1: those
// of x and of the activation's parameters, and, unless g is nil, that of the weights, which g
// is told. All are computed of a block of rows while it is in the cache.
func (r *Run) convGradBlocks(f Filter, s ConvShape, w *blockWindow, dy tensor.Tensor, g *weightGrad) {
	x := w.x
	r.Profiler.count(int64(x.B) * int64(w.rows()) * int64(s.K) * int64(x.C) * int64(dy.C))
	panels := f.Trainable.PackInputGrad(r, 1)
	input := &windowGrad{w: w, dy: dy, panels: panels[0], lead: s.extent() - 1, dilation: s.Dilation}
	if r.usesToomCook(s, x.B*x.T, x.C, dy.C) {
		input.toomCook, input.bias = r.newToomCook(panels[0], s.Dilation), noBias(x.C)
		defer r.freeToomCook(input.toomCook)
	}
	dx, add := r.gradOf(x)
	sums := r.newActivationSums(w.act, x)
	n := max(x.T, dy.T)
	whole := &segments{each: segmentsOf(n)}
	if g != nil {
		r.Profiler.count(int64(dy.B) * int64(dy.T) * int64(dy.C) * int64(g.taps) * int64(x.C))
		whole = r.newSegments(*g, whole.each)
	}
	r.pool.For(x.B*whole.each, func(i int) {
		b, segment := i/whole.each, i%whole.each
		var own weightGrad
		if g != nil {
			own = whole.part(b, segment)
		}
		start, end := whole.rows(segment, n)
		for from := start; from < end; from += narrowBlock {
			if g != nil && from < dy.T {
				own.blockFloat32(b, from, from > start)
			}
			if to := min(from+narrowBlock, x.T); from < to {
				input.block(dx, add, b, from, to, sums.block(b, from))
			}
		}
	})
	if g != nil {
		r.addSegments(whole)
	}
	r.accumulateSums(sums)
	r.freePanels(panels...)
	if !add {
		r.accumulateGrad(x, dx)
	}
}

// A windowGrad is the gradient with respect to a window, of which rows are computed as they
// are needed.
type windowGrad struct {
	w              *blockWindow
	dy             tensor.Tensor
	panels         *kernel.Panels  // of PackInputGrad
	toomCook       *ToomCookFilter // of these, or nil
	bias           []float32       // of zeros for it
	lead, dilation int
}

// block writes the gradient of rows from to to of x into those of dx, or adds it, and adds to
// the sums of the activation.
func (g *windowGrad) block(dx tensor.Tensor, add bool, b, from, to int, sums []float32) {
	x := g.w.x
	n := (to - from) * x.Stride
	own := newScratch(2 * n)
	defer own.free()
	drows, scratch := own.take(n), own.take(n)
	g.input(drows, scratch, b, from, to)
	into, total := scratch, dx.Rows(b, from, to)
	if !add {
		into = total
	}
	g.w.act.Backward(into, drows, x.Rows(b, from, to), x.Stride, to-from, x.C, sums)
	if add {
		kernel.Add(total, total, into)
	}
}

// rows writes rows from to to of sequence b, padding included. Beyond dy are zeros.
func (g *windowGrad) rows(dst []float32, b, from, to int) {
	dy := g.dy
	p := kernel.Product{Dst: dst, LdDst: g.w.x.Stride, LdA: dy.Stride, LdTap: g.dilation * dy.Stride, W: g.panels}
	first := from - g.lead
	if first >= 0 && to <= dy.T {
		p.A = dy.Rows(b, first, to)
	} else {
		own := newScratch((to - first) * dy.Stride)
		defer own.free()
		p.A = own.take((to - first) * dy.Stride)
		start, end := max(0, first), min(dy.T, to)
		clear(p.A[:(start-first)*dy.Stride])
		copy(p.A[(start-first)*dy.Stride:], dy.Rows(b, start, end))
		clear(p.A[(end-first)*dy.Stride:])
	}
	if g.toomCook != nil && to-from > g.lead { // for fewer, as copies are, tiles are not worth it
		g.toomCook.narrow(dst, p.A, p.LdDst, p.LdA, to-from, g.bias)
		return
	}
	p.Run(0, to-from, 0, g.panels.Count())
}

// input writes the gradient with respect to act of rows from to to of x: that of the window,
// with that of the rows of padding that are copies. scratch has as much room as dst.
func (g *windowGrad) input(dst, scratch []float32, b, from, to int) {
	left, n, stride := g.w.left, g.w.x.T, g.w.x.Stride
	g.rows(dst, b, left+from, left+to)
	if g.w.zero {
		return
	}
	// Row t is in the padding before the sequence as row left-t, and behind it as row
	// left+2(n-1)-t.
	copies := func(lo, hi, mirror int) {
		if lo = max(lo, from); lo >= min(hi, to) {
			return
		}
		hi = min(hi, to)
		g.rows(scratch, b, mirror-hi+1, mirror-lo+1)
		for t := lo; t < hi; t++ {
			row := dst[(t-from)*stride:][:stride]
			kernel.Add(row, row, scratch[(hi-1-t)*stride:])
		}
	}
	copies(1, left+1, left)
	copies(n-1-g.w.right, n-1, left+2*(n-1))
}
