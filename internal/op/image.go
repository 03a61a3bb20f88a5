package op

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Image is a batch of images, [N, Frames, Bins, C], surrounded by zeros, so that a
// convolution reads its windows where they lie: spectrograms, or single sequences, whose
// Frames are 1 and whose bins are time. Its tensor has a sequence for every frame, Border
// ones of zeros before and after each image included; a sequence is imagePad rows of
// zeros, a row for each bin, and rows of zeros to the end. Values of few channels lie
// without padding, one bin behind the other: the channels of a kernel's bins are then
// contiguous.
type Image struct {
	tensor.Tensor
	Frames, Bins, Border int
}

// imagePad is the number of rows of zeros before the first bin, half of the largest
// kernel, and the least behind the last one.
const imagePad = 4

// imageStride returns the distance of bins of c channels.
func imageStride(c int) int {
	if c < 64 {
		return c
	}
	return tensor.Stride(c)
}

// N returns the number of images.
func (x Image) N() int { return x.B / (x.Frames + 2*x.Border) }

// count returns the number of values of the images themselves.
func (x Image) count() int { return x.N() * x.Frames * x.Bins * x.C }

// sequence returns the number of the sequence of frame i, counted over all images.
func (x Image) sequence(i int) int {
	return i/x.Frames*(x.Frames+2*x.Border) + x.Border + i%x.Frames
}

// newImage returns images whose values are not set, nor are the zeros around them, which
// clearAround writes.
func (r *Run) newImage(n, frames, bins, c, border int) Image {
	stride := imageStride(c)
	// Products write whole panels, beyond the last bin's channels too, and with a stride
	// a whole step of it.
	tail := imagePad + (kernel.Width+stride-1)/stride
	x := Image{Frames: frames, Bins: bins, Border: border}
	x.B, x.T, x.C, x.Stride = n*(frames+2*border), imagePad+bins+tail, c, stride
	x.Data = r.alloc(x.B * x.T * stride)
	return x
}

// like returns images of the same shape, whose values are not set.
func (r *Run) like(x Image) Image {
	y := x
	y.Var, y.Borrowed, y.Data = 0, false, r.alloc(len(x.Data))
	return y
}

// clearAround writes the zeros around frame i, and those of the border next to it.
func (x Image) clearAround(i int) {
	s := x.sequence(i)
	row := x.Rows(s, 0, x.T)
	clear(row[:imagePad*x.Stride])
	clear(row[(imagePad+x.Bins)*x.Stride:])
	if i%x.Frames == 0 {
		clear(x.Data[(s-x.Border)*x.T*x.Stride : s*x.T*x.Stride])
	}
	if i%x.Frames == x.Frames-1 {
		clear(x.Data[(s+1)*x.T*x.Stride : (s+1+x.Border)*x.T*x.Stride])
	}
}

// eachFrame calls f for every frame of all images, and then writes the zeros around it.
func (r *Run) eachFrame(x Image, f func(i int)) {
	n := x.N() * x.Frames
	grain := max(1, grainValues/(x.T*x.Stride))
	r.pool.For((n+grain-1)/grain, func(part int) {
		for i := part * grain; i < min(n, (part+1)*grain); i++ {
			f(i)
			x.clearAround(i)
		}
	})
}

// bins returns the storage of bins from to to of frame i.
func (x Image) bins(i, from, to int) []float32 {
	return x.Rows(x.sequence(i), imagePad+from, imagePad+to)
}

// copyBins copies n bins of a frame, from bin at of src, to bin to of dst.
func copyBins(dst Image, i, to int, src Image, at, n int) {
	copy(dst.bins(i, to, to+n), src.bins(i, at, at+n))
}

// Image returns x [N·frames, bins, C] as images with a border of so many frames.
func (r *Run) Image(x tensor.Tensor, frames, border int) Image {
	y := r.newImage(x.B/frames, frames, x.T, x.C, border)
	r.eachFrame(y, func(i int) { copyRows(y.bins(i, 0, y.Bins), y.Stride, x.Rows(i, 0, x.T), x.Stride, x.T, x.C) })
	if r.Recording() && r.needsGrad(x) {
		shape := y
		r.record(&y.Tensor, func(dy tensor.Tensor) { r.accumulateGrad(x, r.crop(shape.with(dy))) })
	}
	return y
}

// Crop returns the images alone: [N·Frames, Bins, C].
func (r *Run) Crop(x Image) tensor.Tensor {
	y := r.crop(x)
	if r.Recording() && r.needsGrad(x.Tensor) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.like(x)
			r.eachFrame(dx, func(i int) { copyRows(dx.bins(i, 0, dx.Bins), dx.Stride, dy.Rows(i, 0, dy.T), dy.Stride, dy.T, dy.C) })
			r.accumulateGrad(x.Tensor, dx.Tensor)
		})
	}
	return y
}

func (r *Run) crop(x Image) tensor.Tensor {
	y := r.New(x.N()*x.Frames, x.Bins, x.C)
	r.pool.Split(y.B, max(1, grainValues/(y.T*y.Stride)), func(from, to int) {
		for i := from; i < to; i++ {
			copyRows(y.Rows(i, 0, y.T), y.Stride, x.bins(i, 0, x.Bins), x.Stride, y.T, y.C)
		}
	})
	return y
}

// with returns the image of a tensor that has its layout.
func (x Image) with(t tensor.Tensor) Image {
	x.Tensor = t
	return x
}

// copyRows copies rows of c values that lie at different strides.
func copyRows(dst []float32, ldDst int, src []float32, ldSrc, rows, c int) {
	if c == 1 {
		for t := range rows {
			dst[t*ldDst] = src[t*ldSrc]
		}
		return
	}
	for t := range rows {
		copy(dst[t*ldDst:][:c], src[t*ldSrc:])
	}
}

// Band returns bins from to to of images.
func (r *Run) Band(x Image, from, to int) Image {
	y := r.newImage(x.N(), x.Frames, to-from, x.C, x.Border)
	r.eachFrame(y, func(i int) { copyBins(y, i, 0, x, from, y.Bins) })
	if r.Recording() && r.needsGrad(x.Tensor) {
		shape := y
		r.record(&y.Tensor, func(dy tensor.Tensor) {
			dx := r.like(x)
			r.eachFrame(dx, func(i int) {
				clear(dx.bins(i, 0, from))
				copyBins(dx, i, from, shape.with(dy), 0, shape.Bins)
				clear(dx.bins(i, to, x.Bins))
			})
			r.accumulateGrad(x.Tensor, dx.Tensor)
		})
	}
	return y
}

// JoinBands concatenates images over their bins.
func (r *Run) JoinBands(xs ...Image) Image {
	bins, wanted := 0, false
	for _, x := range xs {
		bins += x.Bins
		wanted = wanted || r.needsGrad(x.Tensor)
	}
	y := r.newImage(xs[0].N(), xs[0].Frames, bins, xs[0].C, xs[0].Border)
	r.eachFrame(y, func(i int) {
		at := 0
		for _, x := range xs {
			copyBins(y, i, at, x, 0, x.Bins)
			at += x.Bins
		}
	})
	if r.Recording() && wanted {
		shape := y
		r.record(&y.Tensor, func(dy tensor.Tensor) {
			at := 0
			for _, x := range xs {
				dx := r.like(x)
				r.eachFrame(dx, func(i int) { copyBins(dx, i, 0, shape.with(dy), at, x.Bins) })
				at += x.Bins
				r.accumulateGrad(x.Tensor, dx.Tensor)
			}
		})
	}
	return y
}

// LeakyReLUImage is LeakyReLU of images, which it takes.
func (r *Run) LeakyReLUImage(x Image, slope float32) Image {
	y := x
	if !r.alone(x.Tensor) {
		y = r.like(x)
	}
	y.Tensor = r.leakyReLU(y.Tensor, x.Tensor, slope)
	return y
}

// L1Images is the mean of |x - target| over the images' values.
func (r *Run) L1Images(x, target Image, weight float64) float64 {
	same(x.Tensor, target.Tensor)
	if x.Frames != target.Frames || x.Bins != target.Bins {
		panic(fmt.Sprintf("op: images of %dx%d beside %dx%d", x.Frames, x.Bins, target.Frames, target.Bins))
	}
	flat := func(x Image) tensor.Tensor {
		t := x.Tensor
		if x.Stride == x.C { // there is no padding between bins: a row is a sequence
			t.C, t.Stride, t.T = t.T*t.C, t.T*t.C, 1
		}
		return t
	}
	dx := tensor.Tensor{}
	sum := r.l1(&dx, flat(x), flat(target), weight/float64(x.count()))
	if dx.Data != nil {
		dx.B, dx.T, dx.C, dx.Stride = x.B, x.T, x.C, x.Stride
		r.recordLoss(func() { r.accumulateGrad(x.Tensor, dx) })
	}
	return sum / float64(x.count())
}
