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

// inputGradBF16 writes convInputGrad's result.
func (r *Run) inputGradBF16(drows tensor.Tensor, f TrainableWeights, s ConvShape, dy tensor.Tensor) {
	panels := r.packInputGradRounded(f, s.Stride)
	lead := (panels[0].Taps - 1) * s.Dilation
	steps := (drows.T + s.Stride - 1) / s.Stride
	padded := r.newRows(rowsBF16, dy.B, lead+max(steps, dy.T), dy.C)
	for b := range dy.B {
		clear(padded.Rows(b, 0, lead))
		clear(padded.Rows(b, lead+dy.T, padded.T))
	}
	r.activateTo(rowsBF16, nil, padded, lead, dy)
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

// weightGradRounds reports whether the products of convWeightGrad, of so many channels on
// either side, take rounded operands.
func (r *Run) weightGradRounds(out, in int) bool {
	return r.BF16 && out >= minBF16 && in >= minBF16
}

// weightGradBF16 is convWeightGrad. The products' inner dimension is time: a, transposed,
// stands between zeros, and a tap moves it against the rows, which are packed once. Pairs
// of values cannot be split, so that there are two copies of a for odd and even moves.
func (r *Run) weightGradBF16(g weightGrad) {
	a, rows := g.a, g.rows
	sequences, length := a.B, g.steps()
	if g.stride == 1 { // all sequences are one behind the other
		sequences, length = 1, a.B*rows.T
	}
	joined := a.B / sequences
	lead := (g.reach() + 1) / 2 * 2
	ld := lead + kernel.PadBF16(length) + kernel.StepBF16
	memory := r.alloc(a.C * ld) // two copies in half of the size each
	shifted := [2][]kernel.BFloat16{kernel.BFloat16s(memory[:a.C*ld/2]), kernel.BFloat16s(memory[a.C*ld/2:])}
	phases := make([]roundedPanels, g.phases())
	for i := range phases {
		k := length
		if g.stride > 1 {
			k = (rows.T - i + g.stride - 1) / g.stride
		}
		phases[i] = r.newRounded(1, k, rows.C)
	}
	for sequence := range sequences {
		columns := (a.C + kernel.Width - 1) / kernel.Width
		packs := (phases[0].K + packBlock - 1) / packBlock // of a phase, the first being the longest
		r.pool.For(columns+packs*len(phases), func(i int) {
			if i >= columns { // packs rows
				phase, k := (i-columns)/packs, (i-columns)%packs*packBlock
				if w := phases[phase]; k < w.K {
					packBlockBF16(w.PanelsBF16, k, min(packBlock, w.K-k), rows, g.as, sequence*joined*rows.T+phase+k*g.stride, g.stride)
				}
				return
			}
			from := i * kernel.Width
			m := min(kernel.Width, a.C-from)
			own := newScratch(m * a.T)
			defer own.free()
			at := own.take(m * a.T)
			even, odd := shifted[0][from*ld:][:m*ld], shifted[1][from*ld:][:m*ld]
			for j := range joined {
				first, behind := lead+j*rows.T, ld // where a begins, and the next one or the end
				if j < joined-1 {
					behind = first + rows.T
				}
				kernel.Transpose(at, a.T, a.Rows(sequence*joined+j, 0, a.T)[from:], a.Stride, a.T, m)
				for m := range m {
					row, even, odd := at[m*a.T:][:a.T], even[m*ld:][:ld], odd[m*ld:][:ld]
					g.sums[from+m] += kernel.Sum(row)
					if j == 0 {
						clear(even[:first])
						clear(odd[:first+1])
					}
					roundRow(even[first:][:a.T], row)
					clear(even[first+a.T : behind])
					if g.reach() > 0 {
						copy(odd[first+1:], even[first:behind])
					}
				}
			}
		})
		const height = 96
		blocks := (a.C + height - 1) / height
		panels := phases[0].Count()
		wide := max(1, min(panels/2, 8*r.pool.Threads()/(g.taps*blocks))) // groups of panels
		r.pool.For(g.taps*blocks*wide, func(i int) {
			tap, block, group := i%g.taps, i/g.taps%blocks, i/g.taps/blocks
			move, w := tap*g.dilation, phases[0]
			if g.stride > 1 {
				move, w = tap/g.stride, phases[tap%g.stride]
			}
			first := lead - move
			copyOf := shifted[first%2]
			first += first % 2
			size := kernel.PadBF16(w.K) * kernel.Width
			for t := 0; t < w.K; t += contractBF16 {
				p := kernel.ProductBF16{
					Dst: g.dw[tap*panels*kernel.Width:], LdDst: g.taps * panels * kernel.Width, A: copyOf[first+t:], LdA: ld,
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
	for _, w := range phases {
		r.freeFloats(w.memory)
	}
}

// packBlock is the number of rows that are packed at a time.
const packBlock = 64

// packBlockBF16 packs n rows of x, which are of a format, as rows k to k+n of w, the weights of
// a product over time: every stride-th from the first on, counted over all sequences. Zeros are
// behind them where they are odd in number or the last of w. k is even.
func packBlockBF16(w *kernel.PanelsBF16, k, n int, x tensor.Tensor, as rowFormat, first, stride int) {
	size := kernel.PadBF16(w.K) * kernel.Width
	src, ld := x.Data[first*x.Stride:], stride*x.Stride
	if as == rowsBF16 {
		width := 2 * x.Stride
		own := newScratch(n * width)
		defer own.free()
		rounded := kernel.BFloat16s(src)
		src, ld = own.take(n*width), width
		for q := range n {
			kernel.FromBF16(src[q*width:][:width], rounded[q*stride*width:][:width])
		}
	}
	var zero [kernel.Width]float32
	for panel := range w.Count() {
		dst, from := w.Data[panel*size+k*kernel.Width:], panel*kernel.Width
		for q := 0; q < n; q += 2 {
			row, next := src[q*ld+from:][:kernel.Width], zero[:]
			if q+1 < n {
				next = src[(q+1)*ld+from:][:kernel.Width]
			}
			kernel.PairBF16(dst[q*kernel.Width:][:2*kernel.Width], row, next)
		}
		if k+n == w.K {
			clear(dst[(n+1)/2*2*kernel.Width : size-k*kernel.Width])
		}
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
