package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// In a recording whose run has BF16 set, the products of convolutions, linear layers and
// transposed convolutions and those of their gradients take operands that are rounded to
// bfloat16. Sums, activations, weights and gradients of weights stay float32, so that
// nothing has to be scaled against underflow: bfloat16 has float32's range. Products of few
// channels, LSTMs, attention and the gradients of the weights of images are of float32.

// minBF16 is the least inner dimension of such a product, which is padded to
// kernel.StepBF16; of gradients of weights also the least number of channels.
const minBF16 = 16

// rounds reports whether a product of so many input channels takes rounded operands.
func (r *Run) rounds(f TrainableWeights, in int) bool {
	return r.BF16 && f != nil && r.Recording() && in >= minBF16
}

// A roundedPanels is panels in the run's memory.
type roundedPanels struct {
	*kernel.PanelsBF16
	memory []float32
}

func (r *Run) newRounded(taps, k, n int) roundedPanels {
	size := kernel.PanelsBF16Len(taps, k, n)
	memory := r.alloc((size + 1) / 2)
	p := &kernel.PanelsBF16{Taps: taps, K: k, N: n, Data: kernel.BFloat16s(memory)[:size]}
	return roundedPanels{p, memory}
}

// panel returns one panel as panels of their own.
func (p roundedPanels) panel(i int) *kernel.PanelsBF16 {
	size := p.Taps * kernel.PadBF16(p.K) * kernel.Width
	return &kernel.PanelsBF16{Taps: p.Taps, K: p.K, N: kernel.Width, Data: p.Data[i*size:][:size]}
}

// round returns w rounded, and frees w.
func (r *Run) round(w *kernel.Panels) roundedPanels {
	p := r.newRounded(w.Taps, w.K, w.N)
	size := w.Taps * w.K * kernel.Width
	r.pool.For(w.Count(), func(i int) { p.panel(i).PackPanel(0, w.Data[i*size:][:size], kernel.Width) })
	r.freePanels(w)
	return p
}

// packRounded is TrainableWeights.Pack in bfloat16.
func (r *Run) packRounded(f TrainableWeights) roundedPanels {
	l, ok := f.(LinearWeights)
	if !ok {
		return r.round(f.Pack(r))
	}
	w, scale, out, in := l.Linear()
	if w == nil {
		return r.round(f.Pack(r))
	}
	p := r.newRounded(1, in, out)
	ld := kernel.PadBF16(in) / 2 // pairs of a row
	r.pool.For(p.Count(), func(i int) {
		own := newScratch(kernel.Width*ld + in)
		defer own.free()
		rows, scaled := own.take(kernel.Width*ld), own.take(in)
		clear(rows)
		rounded := kernel.BFloat16s(rows)
		for j := range min(kernel.Width, out-i*kernel.Width) {
			o := i*kernel.Width + j
			row := w[o*in:][:in]
			if scale != nil {
				kernel.Scale(scaled, row, scale[o])
				row = scaled
			}
			roundRow(rounded[2*j*ld:][:in], row)
		}
		kernel.Transpose(p.memory[i*kernel.Width*ld:], kernel.Width, rows, ld, kernel.Width, ld)
	})
	return p
}

// packInputGradRounded is TrainableWeights.PackInputGrad in bfloat16.
func (r *Run) packInputGradRounded(f TrainableWeights, stride int) []roundedPanels {
	if l, ok := f.(LinearWeights); ok && stride == 1 {
		if w, scale, out, in := l.Linear(); w != nil {
			return []roundedPanels{r.packTransposed(w, scale, out, in)}
		}
	}
	var phases []roundedPanels
	for _, w := range f.PackInputGrad(r, stride) {
		if w.Taps == 0 {
			phases = append(phases, roundedPanels{&kernel.PanelsBF16{}, w.Data})
			continue
		}
		phases = append(phases, r.round(w))
	}
	return phases
}

// packTransposed packs weights [out][in] as those of a product over the outputs.
func (r *Run) packTransposed(w, scale []float32, out, in int) roundedPanels {
	p := r.newRounded(1, out, in)
	size := kernel.PadBF16(out) * kernel.Width
	r.pool.For(p.Count(), func(i int) {
		dst := p.Data[i*size:][:size]
		n := min(kernel.Width, in-i*kernel.Width)
		var rows [2][kernel.Width]float32
		for o := 0; o < out; o += 2 {
			for j := range rows {
				rows[j] = [kernel.Width]float32{}
				if o+j < out {
					copy(rows[j][:n], w[(o+j)*in+i*kernel.Width:])
					if scale != nil {
						kernel.Scale(rows[j][:n], rows[j][:n], scale[o+j])
					}
				}
			}
			kernel.PairBF16(dst[o*kernel.Width:][:2*kernel.Width], rows[0][:], rows[1][:])
		}
		clear(dst[(out+1)/2*2*kernel.Width:])
	})
	return p
}

// inputGradBF16 writes convInputGrad's result.
func (r *Run) inputGradBF16(drows tensor.Tensor, f TrainableWeights, s ConvShape, dy tensor.Tensor) {
	panels := r.packInputGradRounded(f, s.Stride)
	lead := (panels[0].Taps - 1) * s.Dilation
	steps := (drows.T + s.Stride - 1) / s.Stride
	padded := r.newRows(rowsBF16, dy.B, lead+max(steps, dy.T), dy.C)
	for b := range dy.B {
		clear(padded.Rows(b, 0, lead))
		r.activateTo(rowsBF16, nil, padded, b, lead, dy, b)
		clear(padded.Rows(b, lead+dy.T, padded.T))
	}
	for phase, w := range panels {
		rows := (drows.T - phase + s.Stride - 1) / s.Stride
		if w.Taps == 0 {
			clearPhase(drows, phase, s.Stride, rows)
			r.freeFloats(w.memory)
			continue
		}
		ps := r.newProductsBF16(dy.B)
		for b := range ps {
			ps[b] = kernel.ProductBF16{
				Dst: drows.Rows(b, 0, drows.T)[phase*drows.Stride:], LdDst: s.Stride * drows.Stride,
				A: kernel.BFloat16s(padded.Rows(b, lead-(w.Taps-1)*s.Dilation, padded.T)), LdA: 2 * padded.Stride, LdTap: s.Dilation * 2 * padded.Stride,
				W: w.PanelsBF16,
			}
		}
		r.runProductsBF16(ps, nil, 1, rows)
		r.freeFloats(w.memory)
	}
	r.Free(padded)
}

// contractBF16 is the number of rows that weightGradBF16 takes at a time.
const contractBF16 = 2048

// weightGradBF16 is convWeightGrad. The products' inner dimension is time: a, transposed,
// stands between zeros, and a tap moves it against the rows, which are packed once. Pairs
// of values cannot be split, so that there are two copies of a for odd and even moves.
func (r *Run) weightGradBF16(dw []float32, sums []float64, a, rows tensor.Tensor, taps, stride, dilation int) {
	furthest := (taps - 1) * dilation
	if stride > 1 {
		furthest = (taps - 1) / stride
	}
	sequences, length := a.B, (rows.T+stride-1)/stride
	if stride == 1 { // all sequences are one behind the other
		sequences, length = 1, a.B*rows.T
	}
	joined := a.B / sequences
	lead := (furthest + 1) / 2 * 2
	ld := lead + kernel.PadBF16(length) + kernel.StepBF16
	memory := r.alloc(a.C * ld) // two copies in half of the size each
	shifted := [2][]kernel.BFloat16{kernel.BFloat16s(memory[:a.C*ld/2]), kernel.BFloat16s(memory[a.C*ld/2:])}
	at := r.alloc(a.C * a.T)
	phases := make([]roundedPanels, min(stride, taps))
	for i := range phases {
		k := length
		if stride > 1 {
			k = (rows.T - i + stride - 1) / stride
		}
		phases[i] = r.newRounded(1, k, rows.C)
	}
	for sequence := range sequences {
		clear(memory)
		for j := range joined {
			b := sequence*joined + j
			r.pool.Split(a.C, 16, func(from, to int) {
				kernel.Transpose(at[from*a.T:], a.T, a.Rows(b, 0, a.T)[from:], a.Stride, a.T, to-from)
				for m := from; m < to; m++ {
					row := at[m*a.T:][:a.T]
					sums[m] += kernel.Sum(row)
					first := m*ld + lead + j*rows.T
					roundRow(shifted[0][first:][:a.T], row)
					if furthest > 0 {
						copy(shifted[1][first+1:][:a.T], shifted[0][first:])
					}
				}
			})
		}
		for i, w := range phases {
			src := rows.Data[(sequence*joined*rows.T+i)*rows.Stride:]
			r.pool.For(w.Count(), func(panel int) {
				w.panel(panel).PackPanel(0, src[panel*kernel.Width:], stride*rows.Stride)
			})
		}
		const height = 96
		blocks := (a.C + height - 1) / height
		panels := phases[0].Count()
		wide := max(1, min(panels/2, 8*r.pool.Threads()/(taps*blocks))) // groups of panels
		r.pool.For(taps*blocks*wide, func(i int) {
			tap, block, group := i%taps, i/taps%blocks, i/taps/blocks
			move, w := tap*dilation, phases[0]
			if stride > 1 {
				move, w = tap/stride, phases[tap%stride]
			}
			first := lead - move
			copyOf := shifted[first%2]
			first += first % 2
			size := kernel.PadBF16(w.K) * kernel.Width
			for t := 0; t < w.K; t += contractBF16 {
				p := kernel.ProductBF16{
					Dst: dw[tap*panels*kernel.Width:], LdDst: taps * panels * kernel.Width, A: copyOf[first+t:], LdA: ld,
					W: &kernel.PanelsBF16{Taps: 1, K: min(contractBF16, w.K-t), N: w.N, Data: w.Data[t*kernel.Width:], Stride: size},
				}
				if sequence > 0 || t > 0 {
					p.Init, p.LdInit = p.Dst, p.LdDst
				}
				p.Run(block*height, min(a.C, (block+1)*height), group*panels/wide, (group+1)*panels/wide)
			}
		})
	}
	r.freeFloats(memory)
	r.freeFloats(at)
	for _, w := range phases {
		r.freeFloats(w.memory)
	}
}

// roundRow rounds any number of values.
func roundRow(dst []kernel.BFloat16, x []float32) {
	n := len(x) / kernel.Width * kernel.Width
	kernel.ToBF16(dst[:n], x[:n])
	if n < len(x) {
		var v [kernel.Width]float32
		var rounded [kernel.Width]kernel.BFloat16
		copy(v[:], x[n:])
		kernel.ToBF16(rounded[:], v[:])
		copy(dst[n:], rounded[:len(x)-n])
	}
}
