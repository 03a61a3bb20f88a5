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

// steps returns the taps of a phase of the stride, as many as the first one has.
func (s Conv2DShape) steps() int { return (s.Bins + s.Stride - 1) / s.Stride }

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
	p := r.newImageProduct(x, w, s.Frames)
	r.eachFrame(y, func(i int) {
		dst := y.Rows(y.sequence(i), imagePad, y.T)
		p.run(dst, y.Stride, y.Bins, x.sequence(i)-s.Frames/2, imagePad-s.half(), s.Stride, f.Bias)
	})
	if f.Trainable != nil {
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

// conv2DInputGrad returns the gradient with respect to the input x. Stride neighboring
// bins of it are computed at once, as so many times its channels: bin u sees of dy, for
// each frame of the kernel in falling order, the bins (u + half - tap)/stride.
func (r *Run) conv2DInputGrad(f Filter, s Conv2DShape, dy, x Image) Image {
	taps := f.Trainable.PackInputGrad(r, s.Frames*s.Bins) // each on its own, [out][in]
	dx := r.like(x)
	lowest := floorDiv(s.half()-(s.Bins-1), s.Stride) // of the bins of dy that the first bins see
	highest := (s.Stride - 1 + s.half()) / s.Stride
	n := highest - lowest + 1
	w := r.Panels(s.Frames*n, dy.C, s.Stride*x.Stride)
	r.pool.For(w.Taps, func(i int) {
		frame, q := i/n, i%n
		for panel := range w.Count() {
			clear(w.Data[w.Index(i, 0, panel*kernel.Width):][:w.K*kernel.Width])
		}
		for u := range s.Stride {
			tap := u + s.half() - (lowest+q)*s.Stride
			if tap < 0 || tap >= s.Bins {
				continue
			}
			src := taps[(s.Frames-1-frame)*s.Bins+tap]
			for c := range x.C {
				from, to := src.Data[src.Index(0, 0, c):], w.Data[w.Index(i, 0, u*x.Stride+c):]
				for k := range dy.C {
					to[k*kernel.Width] = from[k*kernel.Width]
				}
			}
		}
	})
	r.freePanels(taps...)
	rows := (x.Bins + s.Stride - 1) / s.Stride
	p := r.newImageProduct(dy, w, s.Frames)
	r.eachFrame(dx, func(i int) {
		dst := dx.Rows(dx.sequence(i), imagePad, dx.T)
		p.run(dst, s.Stride*dx.Stride, rows, dy.sequence(i)-s.Frames/2, imagePad+lowest, 1, nil)
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

// conv2DWeightGrad accumulates the gradient of the filter: a contraction over all
// positions of dy, frame behind frame with as many rows of zeros between them as a kernel
// has steps. Of each phase of the stride the bins of x are packed as the weights of the
// product; where the channels are few, those of several steps side by side.
func (r *Run) conv2DWeightGrad(f Filter, s Conv2DShape, x, dy Image) {
	r.Profiler.count(int64(dy.N()) * int64(dy.Frames) * int64(dy.Bins) * int64(dy.C) * int64(s.Frames*s.Bins) * int64(x.C))
	steps := s.steps()
	group := max(1, min(steps, kernel.Width/x.C)) // steps that are packed side by side
	groups := (steps + group - 1) / group
	pitch := dy.Bins + groups*group
	rows := (dy.Frames + s.Frames - 1) * pitch
	columns := group * x.C
	phases := min(s.Stride, s.Bins)
	leads := s.Frames * phases * groups
	lead := func(i int) (phase, at int) {
		return i % phases, i/phases/groups*pitch + i/phases%groups*group
	}
	ld := tensor.RoundUp(columns)
	size := dy.C * leads * ld
	// Every thread sums images of its own; how they are shared out is fixed.
	parts := min(x.N(), 8)
	sums := r.alloc(parts * size)
	db := r.alloc(parts * dy.C)
	clear(db)
	length := (dy.Frames-1)*pitch + dy.Bins
	panels := kernel.PanelsLen(phases, rows, columns)
	r.pool.For(parts, func(part int) {
		own := newScratch(panels + dy.C*length)
		defer own.free()
		w := &kernel.Panels{Taps: phases, K: rows, N: columns, Data: own.take(panels)}
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
			packImage(w, x, b, s, pitch, group)
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
				step, phase := tap/s.Stride, tap%s.Stride
				i := (frame*groups+step/group)*phases + phase
				copy(packed[((m*s.Frames+frame)*s.Bins+tap)*x.C:][:x.C], sums[(m*leads+i)*ld+step%group*x.C:])
			}
		}
	}
	f.Trainable.AccumulateGrad(r, packed, x.C, db[:dy.C])
	r.freeFloats(packed)
	r.freeFloats(sums)
	r.freeFloats(db)
}

// packImage packs image b, with the frames of its border that the kernel sees: row t of a
// frame and a phase holds bins (t+i)·stride + phase - half for i below group.
func packImage(w *kernel.Panels, x Image, b int, s Conv2DShape, pitch, group int) {
	frames := x.Frames + s.Frames - 1
	for frame := range frames {
		sequence := b*(x.Frames+2*x.Border) + x.Border - s.Frames/2 + frame
		src := x.Rows(sequence, 0, x.T)
		for phase := range w.Taps {
			for panel := range w.Count() {
				dst := w.Data[w.Index(phase, frame*pitch, panel*kernel.Width):][:pitch*kernel.Width]
				if x.C < kernel.Width {
					packSteps(dst, src, (imagePad+phase-s.half())*x.C, s.Stride*x.C, x.C, group)
					continue
				}
				width := min(kernel.Width, x.C-panel*kernel.Width)
				at := (imagePad+phase-s.half())*x.Stride + panel*kernel.Width
				for t := range pitch {
					out := dst[t*kernel.Width:][:kernel.Width]
					if width == kernel.Width && at >= 0 && at+width <= len(src) {
						row := *(*[kernel.Width]float32)(src[at:])
						*(*[kernel.Width]float32)(out) = row // in registers: a copy in memory would be a call
						at += s.Stride * x.Stride
						continue
					}
					n := 0
					if at >= 0 && at+width <= len(src) {
						n = copy(out, src[at:at+width])
					}
					if n < kernel.Width {
						clear(out[n:])
					}
					at += s.Stride * x.Stride
				}
			}
		}
	}
}

// packSteps writes, for each row of dst, group steps of c values of src, step apart, the
// first of them at at, which goes on by a step for each row; zeros are beyond src.
func packSteps(dst, src []float32, at, step, c, group int) {
	if step == c && group*c == kernel.Width { // the steps are contiguous
		for ; len(dst) > 0; dst = dst[kernel.Width:] {
			if at >= 0 && at+kernel.Width <= len(src) {
				*(*[kernel.Width]float32)(dst) = [kernel.Width]float32(src[at:])
			} else {
				packStep(dst[:kernel.Width], src, at, step, c, group)
			}
			at += step
		}
		return
	}
	for ; len(dst) > 0; dst = dst[kernel.Width:] {
		packStep(dst[:kernel.Width], src, at, step, c, group)
		at += step
	}
}

func packStep(out, src []float32, at, step, c, group int) {
	*(*[kernel.Width]float32)(out) = [kernel.Width]float32{}
	for i := range group {
		from := at + i*step
		if from < 0 || from+c > len(src) {
			continue
		}
		dst := out[i*c:]
		switch c {
		case 1:
			dst[0] = src[from]
		case 2:
			dst[0], dst[1] = src[from], src[from+1]
		case 8:
			v := *(*[8]float32)(src[from:])
			*(*[8]float32)(dst) = v
		default:
			copy(dst[:c], src[from:])
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
