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

// Linear is op.LinearWeights's.
func (l *trainableConv) Linear() (w, scale []float32, out, in int) {
	if l.k != 1 {
		return nil, nil, 0, 0
	}
	return l.v.Value, l.scale, l.out, l.in
}

func (l *trainableConv) scaleOf(o int) float32 {
	if l.scale == nil {
		return 1
	}
	return l.scale[o]
}

// Pack transposes sixteen output channels at a time and then puts the taps in
// front of the input channels.
func (l *trainableConv) Pack(r *op.Run) *kernel.Panels {
	const block = 32 // input channels at a time: the scratch stays in the cache
	w := r.Panels(l.k, l.in, l.out)
	row := l.in * l.k
	r.Pool().For(w.Count(), func(i int) {
		o0 := i * kernel.Width
		n := min(kernel.Width, l.out-o0)
		panel := w.Data[w.Index(0, 0, o0):]
		if l.k == 1 && l.scale == nil {
			if n < kernel.Width {
				clear(panel[:l.in*kernel.Width])
			}
			kernel.Transpose(panel, kernel.Width, l.v.Value[o0*row:], row, n, l.in)
			return
		}
		scratch := make([]float32, block*l.k*kernel.Width)
		var scale [kernel.Width]float32
		for j := range n {
			scale[j] = l.scaleOf(o0 + j)
		}
		for i0 := 0; i0 < l.in; i0 += block {
			m := min(block, l.in-i0)
			kernel.Transpose(scratch, kernel.Width, l.v.Value[o0*row+i0*l.k:], row, n, m*l.k)
			for i := range m {
				for tap := range l.k {
					src := (*[kernel.Width]float32)(scratch[(i*l.k+tap)*kernel.Width:])
					dst := (*[kernel.Width]float32)(panel[(tap*l.in+i0+i)*kernel.Width:])
					for j, s := range scale { // 0 beyond the last channel
						dst[j] = src[j] * s
					}
				}
			}
		}
	})
	return w
}

// PackInputGrad is op.TrainableWeights's.
func (l *trainableConv) PackInputGrad(r *op.Run, stride int) []*kernel.Panels {
	phases := make([]*kernel.Panels, stride)
	for p := range phases {
		phases[p] = r.Panels((l.k-p+stride-1)/stride, l.out, l.in)
	}
	r.Pool().For((l.in+kernel.Width-1)/kernel.Width, func(panel int) {
		i0 := panel * kernel.Width
		n := min(kernel.Width, l.in-i0)
		taps := make([][]float32, l.k) // where the rows of each lie
		for tap := range taps {
			w := phases[tap%stride]
			taps[tap] = w.Data[w.Index(w.Taps-1-tap/stride, 0, i0):]
		}
		for o := range l.out {
			s, src := l.scaleOf(o), l.v.Value[(o*l.in+i0)*l.k:][:n*l.k]
			for tap, dst := range taps {
				row := (*[kernel.Width]float32)(dst[o*kernel.Width:])
				*row = [kernel.Width]float32{}
				if l.k == 1 {
					kernel.Scale(row[:n], src, s)
					continue
				}
				for i := range n {
					row[i] = src[i*l.k+tap] * s
				}
			}
		}
	})
	return phases
}

// AccumulateGrad is op.TrainableWeights's. With weight norm, w = g·v/‖v‖ for each
// output channel, so dg = dw·v/‖v‖ and dv = g/‖v‖·(dw - v·(dw·v)/‖v‖²).
func (l *trainableConv) AccumulateGrad(r *op.Run, dw []float32, ld int, db []float32) {
	size := l.in * l.k
	r.Pool().Split(l.out, 1+(1<<14)/size, func(from, to int) {
		var row []float32
		if l.k > 1 {
			row = make([]float32, size)
		}
		for o := from; o < to; o++ {
			if l.k == 1 {
				l.addRow(o, dw[o*ld:][:l.in])
				continue
			}
			for tap := range l.k {
				for i, d := range dw[(o*l.k+tap)*ld:][:l.in] {
					row[i*l.k+tap] = d
				}
			}
			l.addRow(o, row)
		}
	})
	kernel.Add(l.bias.Grad, l.bias.Grad, db)
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
