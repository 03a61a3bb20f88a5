package op

import (
	"unsafe"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// What convolutions in bfloat16 read is packed from where the weights are, in passes over
// contiguous memory: a value is scaled and rounded once, and then moved as half of a pair.

// packRounded is TrainableWeights.Pack in bfloat16.
func (r *Run) packRounded(f TrainableWeights) roundedPanels {
	l, ok := f.(ConvWeights)
	if !ok {
		return r.round(f.Pack(r))
	}
	w := matrixOf(l)
	if w.taps == 1 {
		return r.packRows(w)
	}
	p := r.newRounded(w.taps, w.in, w.out)
	ld := kernel.StepBF16 * w.taps
	r.pool.For(p.Count(), func(i int) {
		first := i * kernel.Width
		n := min(kernel.Width, w.out-first)
		own := newScratch(2 * kernel.Width * ld)
		defer own.free()
		scaled, columns := own.take(kernel.Width*ld), own.take(kernel.Width*ld)
		clear(columns)
		dst := p.panel(i).Data
		column := func(i, tap int) []float32 { return columns[(i*w.taps+tap)*kernel.Width:][:kernel.Width] }
		for in := 0; in < w.in; in += kernel.StepBF16 {
			m := min(kernel.StepBF16, w.in-in)
			for j := range n {
				w.part(scaled[j*ld:], first+j, in, m)
			}
			kernel.Transpose(columns, kernel.Width, scaled, ld, n, m*w.taps)
			if m < kernel.StepBF16 { // zeros beyond the last channel
				clear(columns[m*w.taps*kernel.Width:])
			}
			for tap := range w.taps {
				out := dst[(tap*kernel.PadBF16(w.in)+in)*kernel.Width:]
				for i := 0; i < kernel.StepBF16; i += 2 {
					kernel.PairBF16(out[i*kernel.Width:][:2*kernel.Width], column(i, tap), column(i+1, tap))
				}
			}
		}
	})
	return p
}

// packRows is packRounded for one tap: a row of weights is a row of pairs.
func (r *Run) packRows(w matrix) roundedPanels {
	p := r.newRounded(1, w.in, w.out)
	ld := kernel.PadBF16(w.in) / 2 // pairs of a row
	r.pool.For(p.Count(), func(i int) {
		own := newScratch(kernel.Width*ld + w.in)
		defer own.free()
		rows, scaled := own.take(kernel.Width*ld), own.take(w.in)
		clear(rows)
		rounded := kernel.BFloat16s(rows)
		for j := range min(kernel.Width, w.out-i*kernel.Width) {
			roundRow(rounded[2*j*ld:][:w.in], w.row(i*kernel.Width+j, scaled))
		}
		kernel.Transpose(p.memory[i*kernel.Width*ld:], kernel.Width, rows, ld, kernel.Width, ld)
	})
	return p
}

// packInputGradRounded is TrainableWeights.PackInputGrad in bfloat16.
func (r *Run) packInputGradRounded(f TrainableWeights, stride int) []roundedPanels {
	l, ok := f.(ConvWeights)
	if !ok {
		var phases []roundedPanels
		for _, w := range f.PackInputGrad(r, stride) {
			phases = append(phases, r.round(w))
		}
		return phases
	}
	w := matrixOf(l)
	phases := make([]roundedPanels, stride)
	for p := range phases {
		phases[p] = r.newRounded((w.taps-p+stride-1)/stride, w.out, w.in)
	}
	// Panels hold input channels, pairs of output channels side by side.
	pack := w.packPairs
	if w.taps == 1 {
		pack = w.packRowPairs
	}
	r.pool.For(kernel.PadBF16(w.out)/kernel.StepBF16, func(i int) {
		pack(i*kernel.StepBF16, func(tap, panel int) []kernel.BFloat16 {
			p := phases[tap%stride]
			return p.panel(panel).Data[(p.Taps-1-tap/stride)*kernel.PadBF16(w.out)*kernel.Width:]
		})
	})
	return phases
}

// A matrix is the weights of a convolution, [out][in][taps], and a factor for each output,
// nil for 1.
type matrix struct {
	w, scale      []float32
	out, in, taps int
}

func matrixOf(l ConvWeights) (m matrix) {
	m.w, m.scale, m.out, m.in, m.taps = l.Matrix()
	return m
}

// part writes the scaled weights of n inputs of an output channel.
func (m matrix) part(dst []float32, out, in, n int) {
	src := m.w[(out*m.in+in)*m.taps:][:n*m.taps]
	if m.scale == nil {
		copy(dst, src)
		return
	}
	kernel.Scale(dst[:len(src)], src, m.scale[out])
}

// row returns the scaled weights of an output channel, in scratch where they are scaled.
func (m matrix) row(out int, scratch []float32) []float32 {
	if m.scale == nil {
		return m.w[out*m.in*m.taps:][:m.in*m.taps]
	}
	m.part(scratch, out, 0, m.in)
	return scratch[:m.in*m.taps]
}

// packPairs packs kernel.StepBF16 output channels from first on; dst returns where those of a
// tap and a panel of inputs begin.
func (m matrix) packPairs(first int, dst func(tap, panel int) []kernel.BFloat16) {
	const step, pairs = kernel.StepBF16, kernel.StepBF16 / 2
	n, ld := min(step, m.out-first), kernel.Width*m.taps
	own := newScratch(2*step*ld + pairs*ld)
	defer own.free()
	scaled, columns, rounded := own.take(step*ld), own.take(step*ld), own.take(pairs*ld)
	clear(columns) // beyond the last output
	for panel := range (m.in + kernel.Width - 1) / kernel.Width {
		in := panel * kernel.Width
		count := min(kernel.Width, m.in-in)
		for j := range n {
			m.part(scaled[j*ld:], first+j, in, count)
		}
		kernel.Transpose(columns, step, scaled, ld, n, count*m.taps) // [in][tap][out]
		if count < kernel.Width {
			clear(columns[count*m.taps*step:])
		}
		kernel.ToBF16(kernel.BFloat16s(rounded), columns)
		for tap := range m.taps {
			kernel.Transpose(float32s(dst(tap, panel)[first*kernel.Width:][:step*kernel.Width]), kernel.Width,
				rounded[tap*pairs:], m.taps*pairs, kernel.Width, pairs)
		}
	}
}

// packRowPairs is packPairs for one tap: two rows of weights are a row of pairs.
func (m matrix) packRowPairs(first int, dst func(tap, panel int) []kernel.BFloat16) {
	width := tensor.RoundUp(m.in)
	own := newScratch(3 * width)
	defer own.free()
	rows := [2][]float32{own.take(width), own.take(width)}
	pairs := kernel.BFloat16s(own.take(width))
	clear(rows[0])
	clear(rows[1])
	for o := first; o < first+kernel.StepBF16; o += 2 {
		for j, row := range rows {
			if o+j < m.out {
				m.part(row, o+j, 0, m.in)
			} else {
				clear(row)
			}
		}
		kernel.PairBF16(pairs, rows[0], rows[1])
		for panel := range width / kernel.Width {
			v := *(*[2 * kernel.Width]kernel.BFloat16)(pairs[2*panel*kernel.Width:])
			*(*[2 * kernel.Width]kernel.BFloat16)(dst(0, panel)[o*kernel.Width:]) = v
		}
	}
}

// float32s returns the memory of pairs of bfloat16 values as float32 values, to be moved.
func float32s(v []kernel.BFloat16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(v))), len(v)/2)
}
