package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Conv2DShape describes a convolution over the frames and bins of images, padded with
// zeros by half the kernel on each side of both axes.
type Conv2DShape struct {
	Frames int // kernel size over frames, 1 or 3; the stride is 1
	Bins   int // kernel size over bins, odd and at most 2·imagePad+1
	Stride int // over bins
}

// half returns the bins of padding on each side.
func (s Conv2DShape) half() int { return (s.Bins - 1) / 2 }

// Out returns the number of output bins for a number of input bins.
func (s Conv2DShape) Out(bins int) int { return (bins-1)/s.Stride + 1 }

// together returns how many neighboring bins of y are computed at once, as so many times its
// channels: a multiple of unit. A product computes whole panels of channels, of which few
// channels would leave most unused; those of several bins fill them, and their windows, which
// overlap, are one of taps(n) bins. fits says whether so many rows of windows lie within the
// images that are read.
func (y Image) together(unit int, taps func(n int) int, fits func(n, rows int) bool) int {
	best, least := unit, 0.
	for n := unit; n <= unit*kernel.Width; n += unit {
		panels, rows := (n*y.C+kernel.Width-1)/kernel.Width, (y.Bins+n-1)/n
		if n > unit && (y.Stride != y.C || (rows-1)*n*y.C+panels*kernel.Width > (y.T-imagePad)*y.C || !fits(n, rows)) {
			break
		}
		if cost := float64(panels*taps(n)) / float64(n); n == unit || cost < least*0.9 {
			best, least = n, cost
		}
	}
	return best
}

// window returns the input bins that n neighboring output bins see.
func (s Conv2DShape) window(n int) int { return s.Bins + (n-1)*s.Stride }

// outputsTogether returns how many bins of y, the convolution of x, are computed at once.
func (s Conv2DShape) outputsTogether(x, y Image) int {
	return y.together(1, s.window, func(n, rows int) bool {
		return imagePad-s.half()+(rows-1)*n*s.Stride+s.window(n) <= x.T
	})
}

// repeat returns the panels and the bias of n neighboring output bins: as many times the
// filter, each a stride behind the one before.
func (r *Run) repeat(w *kernel.Panels, bias []float32, s Conv2DShape, n int) (*kernel.Panels, []float32) {
	window := s.window(n)
	p := r.Panels(s.Frames*window, w.K, n*w.N)
	clear(p.Data)
	biases := r.alloc(p.Count() * kernel.Width)
	clear(biases)
	for i := range n {
		copy(biases[i*w.N:], bias[:w.N])
		for tap := range w.Taps {
			to := tap/s.Bins*window + tap%s.Bins + i*s.Stride
			for c := range w.N {
				copyColumn(p, to, i*w.N+c, w, tap, c)
			}
		}
	}
	return p, biases
}

// copyColumn copies the weights of column from of a tap of src to column to of a tap of dst.
func copyColumn(dst *kernel.Panels, tapTo, to int, src *kernel.Panels, tapFrom, from int) {
	in, out := src.Data[src.Index(tapFrom, 0, from):], dst.Data[dst.Index(tapTo, 0, to):]
	for k := range src.K {
		out[k*kernel.Width] = in[k*kernel.Width]
	}
}

// Conv2D returns the convolution of images: [N, frames, bins, in] → [N, frames, bins',
// out]. The filter's taps run over (frame, bin), bins being the faster. Images of more
// than one frame in the kernel have a border of one.
func (r *Run) Conv2D(f Filter, s Conv2DShape, x Image) Image {
	w := f.Panels
	if w == nil {
		w = f.Trainable.Pack(r)
	}
	y := r.newImage(x.N(), x.Frames, s.Out(x.Bins), w.N, x.Border)
	r.Profiler.count(int64(x.N()) * int64(x.Frames) * int64(y.Bins) * int64(w.Taps) * int64(x.C) * int64(y.C))
	n := s.outputsTogether(x, y)
	packed, bias := w, f.Bias
	if n > 1 {
		packed, bias = r.repeat(w, bias, s, n)
		defer r.freeFloats(bias)
	}
	p := r.newImageProduct(x, packed, s.Frames)
	r.eachFrame(y, func(i int) {
		dst := y.Rows(y.sequence(i), imagePad, y.T)
		p.run(dst, n*y.Stride, (y.Bins+n-1)/n, x.sequence(i)-s.Frames/2, imagePad-s.half(), n*s.Stride, bias)
	})
	switch {
	case n > 1:
		r.freeImageProduct(p)
		if f.Trainable != nil {
			r.freePanels(w)
		}
	case f.Trainable != nil:
		r.freeImageProduct(p)
	}
	if r.Recording() && (r.needsGrad(x.Tensor) || !f.Trainable.Frozen()) {
		r.retain(x.Tensor)
		shape := y
		r.record(&y.Tensor, func(dy tensor.Tensor) {
			if !f.Trainable.Frozen() {
				r.conv2DWeightGrad(f, s, x, shape.with(dy))
			}
			r.release(x.Tensor)
			if r.needsGrad(x.Tensor) {
				r.accumulateGrad(x.Tensor, r.conv2DInputGrad(f, s, shape.with(dy), x).Tensor)
			}
		})
	}
	return y
}

// An imageProduct is what convolutions of frames share: the input and the weights, which
// hold the taps of frames frames, one frame's behind the other's. Both are rounded in
// place of float32 where the run rounds.
type imageProduct struct {
	x             Image
	w             *kernel.Panels
	rounded       []kernel.BFloat16 // of x
	roundedW      *kernel.PanelsBF16
	memory        [2][]float32 // of these
	frames, taps  int
	channels, out int
}

// newImageProduct takes w.
func (r *Run) newImageProduct(x Image, w *kernel.Panels, frames int) imageProduct {
	p := imageProduct{x: x, w: w, frames: frames, taps: w.Taps / frames, channels: x.C, out: w.N}
	if p.joined() { // a frame is one tap
		p.w = &kernel.Panels{Taps: frames, K: p.taps * x.C, N: w.N, Data: w.Data}
	}
	// Channels that are padded to kernel.StepBF16 are read from the row behind.
	if !r.BF16 || !r.Recording() || x.C%2 != 0 || p.w.K < minBF16 || !p.joined() && x.C%kernel.StepBF16 != 0 {
		return p
	}
	n := len(x.Data)
	size := tensor.RoundUp(n) + 2*kernel.StepBF16
	p.memory[0] = r.alloc(size / 2)
	p.rounded = kernel.BFloat16s(p.memory[0])[:size]
	r.pool.Split((n+kernel.Width-1)/kernel.Width, grainValues/kernel.Width, func(from, to int) {
		from, to = from*kernel.Width, min(to*kernel.Width, n)
		roundRow(p.rounded[from:to], x.Data[from:to])
	})
	clear(p.rounded[n:])
	rounded := r.round(p.w)
	p.w, p.roundedW, p.memory[1] = nil, rounded.PanelsBF16, rounded.memory
	return p
}

// joined reports whether the channels of a frame's taps are contiguous.
func (p *imageProduct) joined() bool { return p.x.Stride == p.channels }

func (r *Run) freeImageProduct(p imageProduct) {
	if p.w != nil {
		r.freePanels(p.w)
		return
	}
	r.freeFloats(p.memory[0])
	r.freeFloats(p.memory[1])
}

// run computes one frame of a convolution, rows of it that lie ld apart: of row t the
// windows begin at row first + t·step of so many sequences of x from sequence on.
func (p *imageProduct) run(dst []float32, ld, rows, sequence, first, step int, bias []float32) {
	x := p.x
	at := (sequence*x.T + first) * x.Stride
	if p.joined() {
		p.runTaps(dst, ld, rows, at, step*x.Stride, x.T*x.Stride, p.frames, 0, bias, false)
		return
	}
	for frame := range p.frames {
		p.runTaps(dst, ld, rows, at+frame*x.T*x.Stride, step*x.Stride, x.Stride, p.taps, frame*p.taps, bias, frame > 0)
		bias = nil
	}
}

// runTaps computes so many taps from tap on, or adds them. Rows may lie closer together
// than whole panels: what a panel writes beyond its columns is then the start of the next
// row, which the first panel writes last, in the order of the rows.
func (p *imageProduct) runTaps(dst []float32, ld, rows, at, ldA, ldTap, taps, tap int, bias []float32, add bool) {
	var init []float32
	ldInit := 0
	if add {
		init, ldInit = dst, ld
	}
	panels := (p.out + kernel.Width - 1) / kernel.Width
	each := 1
	if ld >= panels*kernel.Width {
		each = panels
	}
	for panel := panels - each; panel >= 0; panel -= each {
		if p.w != nil {
			w := *p.w
			w.Taps, w.Data, w.Stride = taps, p.w.Data[tap*p.w.K*kernel.Width:], p.w.Taps*p.w.K*kernel.Width
			q := kernel.Product{Dst: dst, LdDst: ld, A: p.x.Data[at:], LdA: ldA, LdTap: ldTap, W: &w, Bias: bias, Init: init, LdInit: ldInit}
			q.Run(0, rows, panel, panel+each)
			continue
		}
		w := *p.roundedW
		k := kernel.PadBF16(w.K) * kernel.Width
		w.Taps, w.Data, w.Stride = taps, w.Data[tap*k:], w.Taps*k
		q := kernel.ProductBF16{Dst: dst, LdDst: ld, A: p.rounded[at:], LdA: ldA, LdTap: ldTap, W: &w, Bias: bias, Init: init, LdInit: ldInit}
		q.Run(0, rows, panel, panel+each)
	}
}

// inputTaps returns which bins of the output n neighboring bins of the input, from a multiple
// of the stride on, see: so many from the lowest on.
func (s Conv2DShape) inputTaps(n int) (lowest, count int) {
	lowest = floorDiv(s.half()-(s.Bins-1), s.Stride)
	return lowest, (n-1+s.half())/s.Stride - lowest + 1
}

// inputsTogether returns how many bins of the gradient dx of an input are computed at once, of
// the gradient dy of the output: at least as many as the stride.
func (s Conv2DShape) inputsTogether(dx, dy Image) int {
	return dx.together(s.Stride, func(n int) int { _, count := s.inputTaps(n); return count }, func(n, rows int) bool {
		lowest, count := s.inputTaps(n)
		return imagePad+lowest+(rows-1)*n/s.Stride+count <= dy.T
	})
}

// conv2DInputGrad returns the gradient with respect to the input x. Neighboring bins of it are
// computed at once, as so many times its channels: bin u sees of dy, for each frame of the
// kernel in falling order, the bins (u + half - tap)/stride.
func (r *Run) conv2DInputGrad(f Filter, s Conv2DShape, dy, x Image) Image {
	taps := f.Trainable.PackInputGrad(r, s.Frames*s.Bins) // each on its own, [out][in]
	dx := r.like(x)
	group := s.inputsTogether(dx, dy)
	lowest, n := s.inputTaps(group)
	w := r.Panels(s.Frames*n, dy.C, group*x.Stride)
	r.pool.For(w.Taps, func(i int) {
		frame, q := i/n, i%n
		for panel := range w.Count() {
			clear(w.Data[w.Index(i, 0, panel*kernel.Width):][:w.K*kernel.Width])
		}
		for u := range group {
			tap := u + s.half() - (lowest+q)*s.Stride
			if tap < 0 || tap >= s.Bins {
				continue
			}
			for c := range x.C {
				copyColumn(w, i, u*x.Stride+c, taps[(s.Frames-1-frame)*s.Bins+tap], 0, c)
			}
		}
	})
	r.freePanels(taps...)
	rows := (x.Bins + group - 1) / group
	p := r.newImageProduct(dy, w, s.Frames)
	r.eachFrame(dx, func(i int) {
		dst := dx.Rows(dx.sequence(i), imagePad, dx.T)
		p.run(dst, group*dx.Stride, rows, dy.sequence(i)-s.Frames/2, imagePad+lowest, group/s.Stride, nil)
	})
	r.freeImageProduct(p)
	return dx
}

// floorDiv returns a/b rounded down.
func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// A tapGroups says how the weights' gradient of a convolution takes its taps: size neighboring
// ones at a time, whose bins of few channels fill a panel. Row t of the input has the bins from
// t·stride on, moved by as much as the phase, and groups that a multiple of the stride lies
// between have the same rows, further on.
type tapGroups struct {
	size, count, phases, stride int
}

func (s Conv2DShape) tapGroups(channels int) tapGroups {
	g := tapGroups{size: max(1, min(s.Bins, kernel.Width/channels)), stride: s.Stride}
	g.count = (s.Bins + g.size - 1) / g.size
	for g.phases = 1; g.phases < g.count && g.phases*g.size%g.stride != 0; g.phases++ {
	}
	return g
}

// bin returns the first bin of a phase.
func (g tapGroups) bin(phase int) int { return phase * g.size % g.stride }

// lead returns the phase of a group, and the row at which it begins.
func (g tapGroups) lead(group int) (phase, row int) {
	phase = group % g.phases
	return phase, (group*g.size - g.bin(phase)) / g.stride
}

// reach returns how many rows the groups begin behind the first, at most.
func (g tapGroups) reach() int { return (g.count - 1) * g.size / g.stride }

// conv2DWeightGrad accumulates the gradient of the filter: a contraction over all
// positions of dy, frame behind frame with as many rows of zeros between them as groups of
// taps reach. The input is packed as the weights of the product.
func (r *Run) conv2DWeightGrad(f Filter, s Conv2DShape, x, dy Image) {
	r.Profiler.count(int64(dy.N()) * int64(dy.Frames) * int64(dy.Bins) * int64(dy.C) * int64(s.Frames*s.Bins) * int64(x.C))
	groups := s.tapGroups(x.C)
	pitch := dy.Bins + groups.reach()
	rows := (dy.Frames + s.Frames - 1) * pitch
	columns := groups.size * x.C
	leads := s.Frames * groups.count
	lead := func(i int) (phase, at int) {
		phase, at = groups.lead(i % groups.count)
		return phase, i/groups.count*pitch + at
	}
	ld := tensor.RoundUp(columns)
	size := dy.C * leads * ld
	// Every thread sums images of its own; how they are shared out is fixed.
	parts := min(x.N(), 8)
	sums := r.alloc(parts * size)
	db := r.alloc(parts * dy.C)
	clear(db)
	length := (dy.Frames-1)*pitch + dy.Bins
	panels := kernel.PanelsLen(groups.phases, rows, columns)
	r.pool.For(parts, func(part int) {
		own := newScratch(panels + dy.C*length)
		defer own.free()
		w := &kernel.Panels{Taps: groups.phases, K: rows, N: columns, Data: own.take(panels)}
		at := own.take(dy.C * length)
		dw := sums[part*size:][:size]
		for first, b := true, part; b < x.N(); first, b = false, b+parts {
			clear(at)
			for frame := range dy.Frames {
				kernel.Transpose(at[frame*pitch:], length, dy.bins(b*dy.Frames+frame, 0, dy.Bins), dy.Stride, dy.Bins, dy.C)
			}
			for m := range dy.C {
				db[part*dy.C+m] += float32(kernel.Sum(at[m*length:][:length]))
			}
			packImage(w, x, b, s, groups, pitch)
			contractAll(dw, at, dy.C, length, w, leads, lead, !first)
		}
	})
	for part := 1; part < parts; part++ {
		kernel.Add(sums[:size], sums[:size], sums[part*size:])
		kernel.Add(db[:dy.C], db[:dy.C], db[part*dy.C:])
	}
	// As AccumulateGrad expects it: every (frame, bin) is a tap.
	packed := r.alloc(dy.C * s.Frames * s.Bins * x.C)
	for m := range dy.C {
		for frame := range s.Frames {
			for tap := range s.Bins {
				i := frame*groups.count + tap/groups.size
				copy(packed[((m*s.Frames+frame)*s.Bins+tap)*x.C:][:x.C], sums[(m*leads+i)*ld+tap%groups.size*x.C:])
			}
		}
	}
	f.Trainable.AccumulateGrad(r, packed, x.C, db[:dy.C])
	r.freeFloats(packed)
	r.freeFloats(sums)
	r.freeFloats(db)
}

// packImage packs image b, with the frames of its border that the kernel sees: row t of a
// frame and a phase holds a group's bins from t·stride + the phase's first - half on. Few
// channels have what follows them in memory behind them, in columns that are not used.
func packImage(w *kernel.Panels, x Image, b int, s Conv2DShape, groups tapGroups, pitch int) {
	frames := x.Frames + s.Frames - 1
	step := s.Stride * x.Stride
	for frame := range frames {
		sequence := b*(x.Frames+2*x.Border) + x.Border - s.Frames/2 + frame
		src := x.Rows(sequence, 0, x.T)
		for phase := range w.Taps {
			for panel := range w.Count() {
				dst := w.Data[w.Index(phase, frame*pitch, panel*kernel.Width):][:pitch*kernel.Width]
				at := (imagePad+groups.bin(phase)-s.half())*x.Stride + panel*kernel.Width
				whole := 0
				if last := len(src) - kernel.Width - at; last >= 0 {
					whole = min(pitch, last/step+1)
				}
				for t := range whole {
					row := *(*[kernel.Width]float32)(src[at+t*step:])
					*(*[kernel.Width]float32)(dst[t*kernel.Width:]) = row // in registers: a copy in memory would be a call
				}
				for t := whole; t < pitch; t++ {
					row := dst[t*kernel.Width:][:kernel.Width]
					n := copy(row, src[min(len(src), at+t*step):])
					clear(row[n:])
				}
			}
		}
	}
}

// contractAll is contract on one thread. Where the rows are one panel, those of several taps
// that lie equally far apart are as many panels of one product: what it reads of at then serves
// two of them.
func contractAll(dw, at []float32, m, n int, phases *kernel.Panels, taps int, lead func(tap int) (phase, at int), add bool) {
	ld := phases.Count() * kernel.Width
	for t := 0; t < n; t += contractBlock {
		begin := func(tap int) int {
			phase, first := lead(tap)
			return phases.Index(phase, t+first, 0)
		}
		for tap := 0; tap < taps; {
			w := &kernel.Panels{Taps: 1, K: min(contractBlock, n-t), N: phases.N,
				Data: phases.Data[begin(tap):], Stride: phases.Taps * phases.K * kernel.Width}
			p := kernel.Product{Dst: dw[tap*ld:], LdDst: taps * ld, A: at[t:], LdA: n, W: w}
			if add || t > 0 {
				p.Init, p.LdInit = p.Dst, p.LdDst
			}
			first := tap
			if tap++; ld == kernel.Width && tap < taps {
				for step := begin(tap) - begin(first); step > 0 && tap < taps && begin(tap)-begin(tap-1) == step; tap++ {
					w.N, w.Stride = (tap-first+1)*kernel.Width, step
				}
			}
			p.Run(0, m, 0, w.Count())
		}
	}
}
