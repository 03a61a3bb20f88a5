package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Conv2DShape describes a convolution over spectrogram frames and their bins,
// padded with zeros by half the kernel on each side of both axes.
type Conv2DShape struct {
	Bins   int // kernel size over bins; over frames it is frameTaps
	Stride int // over bins; over frames it is 1
}

// frameTaps is the kernel size over frames of every such convolution.
const frameTaps = 3

// pad returns the bins of padding on each side.
func (s Conv2DShape) pad() int { return (s.Bins - 1) / 2 }

// Out returns the number of output bins for a number of input bins.
func (s Conv2DShape) Out(bins int) int { return (bins-1)/s.Stride + 1 }

// Conv2D returns the convolution of spectrograms of the given number of frames:
// x [B·frames, bins, in], every frame a sequence over its bins →
// [B·frames, bins', out]. The filter's taps run over (frame, bin), bins being
// the faster.
//
// The input windows of each frame are first laid out side by side (im2col over the
// bins), so that all positions of a spectrogram are the rows of one product: its bands
// are too narrow for a product each.
func (r *Run) Conv2D(f Filter, s Conv2DShape, x tensor.Tensor, frames int) tensor.Tensor {
	f = r.packed(f)
	y := r.New(x.B, s.Out(x.T), f.Panels.N)
	seen := r.unfold(x, unfolding{frames: frames, left: s.pad(), step: s.Stride, bins: s.Bins, positions: y.T})
	w := &kernel.Panels{Taps: frameTaps, K: s.Bins * x.C, N: f.Panels.N, Data: f.Panels.Data}
	ps := r.newProducts(x.B / frames)
	for b := range ps {
		ps[b] = kernel.Product{
			Dst: y.Data[b*frames*y.T*y.Stride:], LdDst: y.Stride,
			A: seen.of(b), LdA: w.K, LdTap: y.T * w.K, W: w, Bias: f.Bias,
		}
	}
	r.runProducts(ps, 1, frames*y.T)
	r.freeFloats(seen.data)
	r.unpack(f)
	if r.Recording() && (r.needsGrad(x) || !f.Trainable.Frozen()) {
		r.retain(x)
		r.record(&y, func(dy tensor.Tensor) {
			if !f.Trainable.Frozen() {
				r.conv2DWeightGrad(f, s, x, dy, frames)
			}
			r.release(x)
			if r.needsGrad(x) {
				r.accumulateGrad(x, r.conv2DInputGrad(f, s, dy, x.T, x.C, frames))
			}
		})
	}
	return y
}

// An unfolding lays out, for each frame and position, the bins that a kernel sees
// there: bins of them from position·step - left on, channels and all. Beyond the
// spectrogram, and in the one frame before and after it, there are zeros.
type unfolding struct {
	frames    int
	left      int // may be negative
	step      int
	bins      int
	positions int
}

// unfolded are the values of an unfolding, [B][frames + 2][positions][bins·C].
type unfolded struct {
	data []float32
	size int // of each spectrogram
}

func (u unfolded) of(b int) []float32 { return u.data[b*u.size : (b+1)*u.size] }

func (r *Run) unfold(x tensor.Tensor, u unfolding) unfolded {
	k := u.bins * x.C
	rows := u.frames + 2
	out := unfolded{size: rows * u.positions * k}
	n := x.B / u.frames * rows
	out.data = r.alloc(n * u.positions * k)
	from, to := -u.left, (u.positions-1)*u.step-u.left+u.bins // the bins that are seen
	r.pool.Split(n, max(1, grainValues/(u.positions*k)), func(first, last int) {
		line := make([]float32, (to-from)*x.C) // one frame, without gaps between channels
		for i := first; i < last; i++ {
			dst := out.data[i*u.positions*k : (i+1)*u.positions*k]
			b, frame := i/rows, i%rows-1
			if frame < 0 || frame >= u.frames {
				clear(dst)
				continue
			}
			for t := max(from, 0); t < min(to, x.T); t++ {
				copy(line[(t-from)*x.C:], x.Row(b*u.frames+frame, t))
			}
			for p := range u.positions {
				copy(dst[p*k:(p+1)*k], line[p*u.step*x.C:])
			}
		}
	})
	return out
}

// conv2DInputGrad returns the gradient with respect to the input of bins bins. Bin
// w of it sees, for each phase of the stride that w + pad has, the taps of that
// phase in falling order.
func (r *Run) conv2DInputGrad(f Filter, s Conv2DShape, dy tensor.Tensor, bins, c, frames int) tensor.Tensor {
	taps := f.Trainable.PackInputGrad(r, frameTaps*s.Bins) // each on its own, [out][in]
	dx := r.New(dy.B, bins, c)
	for phase := range s.Stride {
		n := (s.Bins - phase + s.Stride - 1) / s.Stride
		w := r.Panels(frameTaps, n*dy.C, c)
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
		if rows > 0 {
			q := (first + s.pad()) / s.Stride
			r.phase2D(dx, dy, w, unfolding{frames: frames, left: n - 1 - q, step: 1, bins: n, positions: rows}, first, s.Stride)
		}
		r.freePanels(w)
	}
	r.freePanels(taps...)
	return dx
}

// phase2D writes every stride-th bin of dx, from first on.
func (r *Run) phase2D(dx, dy tensor.Tensor, w *kernel.Panels, u unfolding, first, stride int) {
	seen := r.unfold(dy, u)
	part := dx
	if stride > 1 {
		part = r.New(dx.B, u.positions, dx.C)
	}
	ps := r.newProducts(dx.B / u.frames)
	for b := range ps {
		ps[b] = kernel.Product{
			Dst: part.Data[b*u.frames*part.T*part.Stride:], LdDst: part.Stride,
			A: seen.of(b), LdA: w.K, LdTap: u.positions * w.K, W: w,
		}
	}
	r.runProducts(ps, 1, u.frames*u.positions)
	r.freeFloats(seen.data)
	if stride == 1 {
		return
	}
	r.pool.Split(dx.B, max(1, grainValues/(part.T*part.Stride)), func(from, to int) {
		for i := from; i < to; i++ {
			for t := range part.T {
				copy(dx.Row(i, first+t*stride), part.Row(i, t))
			}
		}
	})
	r.Free(part)
}

// conv2DWeightGrad accumulates the gradient of the filter: a contraction over all
// positions of each spectrogram.
func (r *Run) conv2DWeightGrad(f Filter, s Conv2DShape, x, dy tensor.Tensor, frames int) {
	k, n := s.Bins*x.C, frames*dy.T
	r.Profiler.count(int64(dy.B) * int64(dy.T) * int64(dy.C) * frameTaps * int64(k))
	seen := r.unfold(x, unfolding{frames: frames, left: s.pad(), step: s.Stride, bins: s.Bins, positions: dy.T})
	ld := tensor.RoundUp(k)
	dw, db := r.alloc(dy.C*frameTaps*ld), r.alloc(dy.C)
	at := r.alloc(dy.C * n)
	w := r.Panels(1, (frames+2)*dy.T, k)
	sums := make([]float64, dy.C)
	lead := func(tap int) (phase, at int) { return 0, tap * dy.T }
	for b := range dy.B / frames {
		kernel.Transpose(at, n, dy.Data[b*n*dy.Stride:], dy.Stride, n, dy.C)
		for m := range sums {
			sums[m] += sum(at[m*n : (m+1)*n])
		}
		r.packWide(w, seen.of(b), k)
		r.contract(dw, at, dy.C, n, w, frameTaps, lead, b > 0)
	}
	// As AccumulateGrad expects it: every (frame, bin) is a tap.
	packed := r.alloc(dy.C * frameTaps * k)
	for i := range dy.C * frameTaps {
		copy(packed[i*k:(i+1)*k], dw[i*ld:])
	}
	for m, v := range sums {
		db[m] = float32(v)
	}
	f.Trainable.AccumulateGrad(r, packed, x.C, db)
	r.freeFloats(dw)
	r.freeFloats(db)
	r.freeFloats(at)
	r.freeFloats(packed)
	r.freeFloats(seen.data)
	r.freePanels(w)
}

// packWide packs rows of k values, one after the other, as weights of a product
// over them.
func (r *Run) packWide(w *kernel.Panels, rows []float32, k int) {
	r.pool.Split(w.K, max(1, grainValues/k), func(from, to int) {
		for panel := range w.Count() {
			at := panel * kernel.Width
			n := min(kernel.Width, k-at)
			for t := from; t < to; t++ {
				dst := w.Data[w.Index(0, t, at):][:kernel.Width]
				if n < kernel.Width {
					clear(dst)
				}
				copy(dst, rows[t*k+at:t*k+at+n])
			}
		}
	})
}
