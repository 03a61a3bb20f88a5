package nn

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// trainableConv holds the weights v [out, in, k] of a convolution in training, or
// those of a transposed convolution, which is the gradient of one (see
// op.TrainableWeights and op.TransposedFilter).
type trainableConv struct {
	affine
	net        *Network
	scale      []float32 // g/‖v‖ of each output channel, nil for 1
	out, in, k int
}

func (l *trainableConv) Frozen() bool { return l.net.Frozen }

// Matrix is op.ConvWeights's.
func (l *trainableConv) Matrix() (w, scale []float32, out, in, taps int) {
	return l.v.Value, l.scale, l.out, l.in, l.k
}

// scaled writes n weights of output channel o, in their order, scaled, from the first on.
func (l *trainableConv) scaled(dst []float32, o, first, n int) {
	src := l.v.Value[o*l.in*l.k+first:][:n]
	if l.scale == nil {
		copy(dst, src)
		return
	}
	kernel.Scale(dst[:n], src, l.scale[o])
}

// Pack is op.TrainableWeights's.
func (l *trainableConv) Pack(r *op.Run) *kernel.Panels {
	w := r.Panels(l.k, l.in, l.out)
	source := convPanels(l.v.Value, l.scale, l.out, l.in, l.k)
	size := l.in * l.k * kernel.Width
	r.Pool().For(w.Count(), func(i int) { source(i, w.Data[i*size:][:size]) })
	return w
}

// gradBlock is the number of output channels that are transposed at a time, from the order of
// the weights to that of a gradient or back.
const gradBlock = 16

// PackInputGrad is op.TrainableWeights's.
func (l *trainableConv) PackInputGrad(r *op.Run, stride int) []*kernel.Panels {
	phases := make([]*kernel.Panels, stride)
	for p := range phases {
		phases[p] = r.Panels((l.k-p+stride-1)/stride, l.out, l.in)
	}
	panels := (l.in + kernel.Width - 1) / kernel.Width
	r.Pool().For((l.out+gradBlock-1)/gradBlock, func(i int) {
		first := i * gradBlock
		n, ld := min(gradBlock, l.out-first), kernel.Width*l.k
		b := packBuffers.Get().(*packBuffer)
		defer packBuffers.Put(b)
		scaled, columns := grown(&b.scaled, gradBlock*ld), grown(&b.columns, gradBlock*ld)
		for panel := range panels {
			in := panel * kernel.Width
			count := min(kernel.Width, l.in-in)
			if count < kernel.Width {
				clear(scaled)
			}
			for j := range n {
				l.scaled(scaled[j*ld:], first+j, in*l.k, count*l.k)
			}
			if l.k > 1 {
				kernel.Transpose(columns, gradBlock, scaled, ld, n, ld) // [in][tap][out]
			}
			for tap := range l.k {
				w := phases[tap%stride]
				dst := w.Data[w.Index(w.Taps-1-tap/stride, first, in):][:n*kernel.Width]
				if l.k == 1 {
					copy(dst, scaled)
					continue
				}
				kernel.Transpose(dst, kernel.Width, columns[tap*gradBlock:], l.k*gradBlock, kernel.Width, n)
			}
		}
	})
	return phases
}

// AccumulateGrad is op.TrainableWeights's. With weight norm, w = g·v/‖v‖ for each
// output channel, so dg = dw·v/‖v‖ and dv = g/‖v‖·(dw - v·(dw·v)/‖v‖²).
func (l *trainableConv) AccumulateGrad(r *op.Run, dw []float32, ld int, db []float32) {
	blocks := (l.out + gradBlock - 1) / gradBlock
	r.Pool().Split(blocks, 1+(1<<14)/(gradBlock*l.in*l.k), func(from, to int) {
		b := packBuffers.Get().(*packBuffer)
		defer packBuffers.Put(b)
		for first := from * gradBlock; first < min(l.out, to*gradBlock); first += gradBlock {
			l.addRows(b, first, min(gradBlock, l.out-first), dw[first*l.k*ld:], ld)
		}
	})
	kernel.Add(l.bias.Grad, l.bias.Grad, db)
}

// addRows adds the gradients of n output channels, [n][taps][ld].
func (l *trainableConv) addRows(b *packBuffer, first, n int, dw []float32, ld int) {
	if l.k == 1 {
		for j := range n {
			l.addRow(first+j, dw[j*ld:][:l.in])
		}
		return
	}
	// To the order of the weights: through columns of output channels, whose rows are moved.
	size := l.in * l.k
	columns, rows := grown(&b.columns, size*gradBlock), grown(&b.scaled, max(size, kernel.Width)*gradBlock)
	for tap := range l.k {
		kernel.Transpose(rows, gradBlock, dw[tap*ld:], l.k*ld, n, l.in)
		for i := range l.in {
			v := *(*[gradBlock]float32)(rows[i*gradBlock:])
			*(*[gradBlock]float32)(columns[(i*l.k+tap)*gradBlock:]) = v
		}
	}
	kernel.Transpose(rows, size, columns, gradBlock, size, n)
	for j := range n {
		l.addRow(first+j, rows[j*size:][:size])
	}
}

// addRow adds the gradient of the weights of one output channel, in v's order.
func (a *trainableConv) addRow(o int, dw []float32) {
	size := len(dw)
	grad := a.v.Grad[o*size : (o+1)*size]
	if a.plain {
		kernel.Add(grad, grad, dw)
		return
	}
	v := a.v.Value[o*size : (o+1)*size]
	scale := float64(a.scale[o])
	g := float64(a.g.Value[o])
	dot := kernel.Dot(dw, v)
	// ‖v‖ = g/scale; where g is zero, so is the scale, and ‖v‖ is computed.
	length := g / scale
	if g == 0 {
		length = norm(v)
	}
	a.g.Grad[o] += float32(dot / length)
	kernel.AddScaled(grad, dw, float32(scale))
	kernel.AddScaled(grad, v, float32(-scale*dot/(length*length)))
}

// trainableGates hold one matrix of an LSTM, [4·dim, dim], whose rows are packed in
// the order of gateRow.
type trainableGates struct {
	net    *Network
	weight *Param
	biases []*Param // that the filter's bias is the sum of
	dim    int
}

func (l *trainableGates) Frozen() bool { return l.net.Frozen }

// Pack is op.TrainableWeights's.
func (l *trainableGates) Pack(r *op.Run) *kernel.Panels {
	w := r.Panels(1, l.dim, 4*tensor.RoundUp(l.dim))
	r.Pool().For(w.Count(), func(i int) {
		panel := w.Data[w.Index(0, 0, i*kernel.Width):][:l.dim*kernel.Width]
		row, n := gateRows(i, l.dim)
		if n < kernel.Width {
			clear(panel)
		}
		kernel.Transpose(panel, kernel.Width, l.weight.Value[row*l.dim:], l.dim, n, l.dim)
	})
	return w
}

// PackInputGrad is op.TrainableWeights's; the stride is 1.
func (l *trainableGates) PackInputGrad(r *op.Run, _ int) []*kernel.Panels {
	w := r.Panels(1, 4*tensor.RoundUp(l.dim), l.dim)
	r.Pool().For(w.Count(), func(i int) {
		at := i * kernel.Width
		n := min(kernel.Width, l.dim-at)
		panel := w.Data[w.Index(0, 0, at):]
		for o := range w.K {
			dst := panel[o*kernel.Width:][:kernel.Width]
			clear(dst)
			if row, ok := gateRow(o, l.dim); ok {
				copy(dst, l.weight.Value[row*l.dim+at:][:n])
			}
		}
	})
	return []*kernel.Panels{w}
}

// AccumulateGrad is op.TrainableWeights's.
func (l *trainableGates) AccumulateGrad(r *op.Run, dw []float32, ld int, db []float32) {
	r.Pool().Split(4*tensor.RoundUp(l.dim), 1+(1<<14)/l.dim, func(from, to int) {
		for o := from; o < to; o++ {
			if row, ok := gateRow(o, l.dim); ok {
				grad := l.weight.Grad[row*l.dim:][:l.dim]
				kernel.Add(grad, grad, dw[o*ld:])
				for _, b := range l.biases {
					b.Grad[row] += db[o]
				}
			}
		}
	})
}
