package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Conv2DShape describes a convolution over spectrogram frames and their bins,
// padded with zeros to as many frames, and to the bins that padding by half the
// kernel gives.
type Conv2DShape struct {
	Bins   int // kernel size over bins; over frames it is frameTaps
	Stride int // over bins; over frames it is 1
}

// frameTaps is the kernel size over frames of every such convolution.
const frameTaps = 3

// pad returns the bins of padding on each side.
func (s Conv2DShape) pad() int { return (s.Bins - 1) / 2 }

// Out returns the number of bins that come of bins.
func (s Conv2DShape) Out(bins int) int { return (bins-1)/s.Stride + 1 }

// Conv2D returns the convolution of spectrograms of the given number of frames:
// x [B·frames, bins, in], every frame a sequence over its bins →
// [B·frames, bins', out]. The filter's taps run over (frame, bin), bins being
// the faster.
func (r *Run) Conv2D(f Filter, s Conv2DShape, x tensor.Tensor, frames int) tensor.Tensor {
	f = r.packed(f)
	win := r.window2D(s, x, frames)
	out := s.Out(x.T)
	y := r.New(x.B, out, f.Panels.N)
	// The bins that one output sees lie one after the other, so they are one tap.
	w := &kernel.Panels{Taps: frameTaps, K: s.Bins * x.C, N: f.Panels.N, Data: f.Panels.Data}
	r.frames2D(x.B, frames, func(b, frame int) *kernel.Product {
		return &kernel.Product{
			Dst: y.Rows(b*frames+frame, 0, out), LdDst: y.Stride,
			A: win.at(b, frame, 0), LdA: s.Stride * x.C, LdTap: win.ld,
			W: w, Bias: f.Bias,
		}
	}, out)
	r.Meter.count(int64(y.B) * int64(y.T) * int64(w.K) * frameTaps * int64(w.N))
	r.freeFloats(win.data)
	r.unpack(f)
	if r.Recording() && (r.wants(x) || !f.Learned.Frozen()) {
		r.save(x)
		r.record(&y, func(dy tensor.Tensor) {
			if !f.Learned.Frozen() {
				r.learn2D(f, s, x, dy, frames)
			}
			r.done(x)
			if r.wants(x) {
				r.give(x, r.conv2DInputGradient(f, s, dy, x.T, x.C, frames))
			}
		})
	}
	return y
}

// A plane is a batch of padded spectrograms whose channels are not padded: the
// values of neighbouring bins lie one after the other.
type plane struct {
	data   []float32
	ld     int // from frame to frame
	c      int
	frames int // of each, padding included
}

// at returns the values from a frame and bin of spectrogram b on.
func (p plane) at(b, frame, bin int) []float32 { return p.data[(b*p.frames+frame)*p.ld+bin*p.c:] }

// plane copies x between zeros: frames on both sides, bins left and right.
func (r *Run) plane(x tensor.Tensor, frames, pad, left, right int) plane {
	p := plane{ld: (left + x.T + right) * x.C, c: x.C, frames: frames + 2*pad}
	p.data = r.floats(x.B / frames * p.frames * p.ld)
	r.pool.For(x.B/frames*p.frames, func(i int) {
		row := p.data[i*p.ld : (i+1)*p.ld]
		b, frame := i/p.frames, i%p.frames-pad
		if frame < 0 || frame >= frames {
			clear(row)
			return
		}
		clear(row[:left*x.C])
		clear(row[(left+x.T)*x.C:])
		for t := range x.T {
			copy(row[(left+t)*x.C:], x.Row(b*frames+frame, t))
		}
	})
	return p
}

// window2D returns the padded input.
func (r *Run) window2D(s Conv2DShape, x tensor.Tensor, frames int) plane {
	return r.plane(x, frames, frameTaps/2, s.pad(), s.pad())
}

// frames2D runs a product of the given rows for every frame of all n.
func (r *Run) frames2D(n, frames int, product func(b, frame int) *kernel.Product, rows int) {
	r.pool.For(n, func(i int) {
		p := product(i/frames, i%frames)
		p.Run(0, rows, 0, p.W.Count())
	})
}

// conv2DInputGradient returns the gradient with respect to the input of bins
// bins. Bin w of it sees, for each phase of the stride that w + pad has, the taps
// of that phase in falling order.
func (r *Run) conv2DInputGradient(f Filter, s Conv2DShape, dy tensor.Tensor, bins, c, frames int) tensor.Tensor {
	taps := f.Learned.PackGradient(r, frameTaps*s.Bins) // each on its own, [out][in]
	lead := (s.Bins + s.Stride - 1) / s.Stride
	// Two frames of zeros reach as far as the padding of the input does; one is for
	// the frames that are wanted.
	dyp := r.plane(dy, frames, frameTaps/2, lead, lead)
	dx := r.New(dy.B, bins, c)
	for phase := range s.Stride {
		n := (s.Bins - phase + s.Stride - 1) / s.Stride
		w := r.panels(frameTaps, n*dy.C, c)
		for panel := range w.Count() {
			for j := range frameTaps {
				for m := range n {
					tap := taps[(frameTaps-1-j)*s.Bins+phase+s.Stride*(n-1-m)]
					from := tap.Data[tap.Index(0, 0, panel*kernel.Width):][:dy.C*kernel.Width]
					copy(w.Data[w.Index(j, m*dy.C, panel*kernel.Width):], from)
				}
			}
		}
		first := ((phase-s.pad())%s.Stride + s.Stride) % s.Stride // the first bin of the phase
		rows := (bins - first + s.Stride - 1) / s.Stride
		q := (first + s.pad()) / s.Stride
		r.frames2D(dy.B, frames, func(b, frame int) *kernel.Product {
			return &kernel.Product{
				Dst: dx.Rows(b*frames+frame, 0, bins)[first*dx.Stride:], LdDst: s.Stride * dx.Stride,
				A: dyp.at(b, frame, lead+q-(n-1)), LdA: dy.C, LdTap: dyp.ld, W: w,
			}
		}, rows)
		r.Meter.count(int64(dy.B) * int64(rows) * int64(w.K) * frameTaps * int64(c))
		r.freePanels(w)
	}
	r.freeFloats(dyp.data)
	r.freePanels(taps...)
	return dx
}

// learn2D adds to the gradient of the filter: a contraction over all positions of
// a spectrogram, one frame's after the other's. Between the frames stand the
// positions of the padding, at which the gradient is zero.
func (r *Run) learn2D(f Filter, s Conv2DShape, x, dy tensor.Tensor, frames int) {
	width := (x.T + s.Bins - 1 + s.Stride - 1) / s.Stride // steps of a frame
	positions := (frames-1)*width + dy.T
	taps := frameTaps * s.Bins
	ld := tensor.RoundUp(x.C)
	r.Meter.count(int64(dy.B) * int64(dy.T) * int64(dy.C) * int64(taps) * int64(x.C))
	dw, db := r.floats(dy.C*taps*ld), r.floats(dy.C)
	at := r.floats(dy.C * positions)
	phases := r.panels(s.Stride, (frames+2)*width, x.C)
	sums := make([]float64, dy.C)
	lead := func(tap int) (phase, at int) {
		frame, bin := tap/s.Bins, tap%s.Bins
		return bin % s.Stride, frame*width + bin/s.Stride
	}
	for b := range dy.B / frames {
		clear(at)
		r.pool.For(frames, func(frame int) {
			kernel.Transpose(at[frame*width:], positions, dy.Rows(b*frames+frame, 0, dy.T), dy.Stride, dy.T, dy.C)
		})
		for m := range sums {
			sums[m] += sum(at[m*positions : (m+1)*positions])
		}
		r.pool.For(frames+2, func(i int) {
			packFrame(phases, x, b*frames, frames, i-1, i*width, s)
		})
		r.contract(dw, at, dy.C, positions, phases, taps, lead, b > 0)
	}
	for m, v := range sums {
		db[m] = float32(v)
	}
	f.Learned.Add(r, dw, ld, db)
	r.freeFloats(dw)
	r.freeFloats(db)
	r.freeFloats(at)
	r.freePanels(phases)
}

// packFrame packs one padded frame as steps from at on.
func packFrame(w *kernel.Panels, x tensor.Tensor, first, frames, frame, at int, s Conv2DShape) {
	steps := w.K / (frames + 2)
	for panel := 0; panel < w.N; panel += kernel.Width {
		for phase := range w.Taps {
			dst := w.Data[w.Index(phase, at, panel):][:steps*kernel.Width]
			for q := range steps {
				out := (*[kernel.Width]float32)(dst[q*kernel.Width:])
				t := q*s.Stride + phase - s.pad()
				if frame < 0 || frame >= frames || t < 0 || t >= x.T {
					*out = [kernel.Width]float32{}
					continue
				}
				*out = [kernel.Width]float32(x.Data[((first+frame)*x.T+t)*x.Stride+panel:])
			}
		}
	}
}
