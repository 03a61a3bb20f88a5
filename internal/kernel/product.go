package kernel

import "fmt"

// Width is the number of output channels in a panel.
const Width = 16

// Panels are the weights of a product, packed so that a kernel reads them
// front to back: panel p holds output channels p*Width to (p+1)*Width as
// [Taps][K][Width]. Channels beyond N are zero.
type Panels struct {
	Taps, K, N int
	Data       []float32
	// Stride is the distance between panels, 0 for Taps*K*Width: a product may
	// read a part of longer panels.
	Stride int
	// Int16, in place of Data, are weights in 16 bits, in the same order, and Scale what those
	// of each output channel are multiplied by, to whole panels (see NewPanelsInt16).
	Int16 []int16
	Scale []float32
}

// PanelsLen returns the number of values that panels of this shape occupy.
func PanelsLen(taps, k, n int) int { return (n + Width - 1) / Width * taps * k * Width }

// NewPanels returns zeroed panels over data, or over new memory if data is nil.
// Data must hold PanelsLen(taps, k, n) zeros.
func NewPanels(data []float32, taps, k, n int) *Panels {
	if data == nil {
		data = make([]float32, PanelsLen(taps, k, n))
	}
	return &Panels{Taps: taps, K: k, N: n, Data: data[:PanelsLen(taps, k, n)]}
}

// Len returns the number of weights, those of whole panels.
func (p *Panels) Len() int { return PanelsLen(p.Taps, p.K, p.N) }

// stride returns the distance between panels.
func (p *Panels) stride() int {
	if p.Stride != 0 {
		return p.Stride
	}
	return p.Taps * p.K * Width
}

// Count returns the number of panels.
func (p *Panels) Count() int { return (p.N + Width - 1) / Width }

// Index returns the position in Data of the weight of (tap, k, n).
func (p *Panels) Index(tap, k, n int) int {
	return n/Width*p.stride() + (tap*p.K+k)*Width + n%Width
}

// A Product computes
//
//	for t in rows, for n in [0, W.N):
//	    acc = Bias[n] + Init[t*LdInit+n]
//	    for tap in [0, W.Taps), for k in [0, W.K):
//	        acc = fma(A[t*LdA+tap*LdTap+k], W[tap][k][n], acc)
//	    Dst[t*LdDst+n] = acc
//
// A dilated convolution is LdTap = dilation*row, a strided one
// LdA = stride*row, a matrix product Taps = 1. Whole panels are written, so
// columns W.N to the next multiple of Width are overwritten with the values of
// zero weights. Bias (a multiple of Width long) and Init may be nil, for zero.
// Dst may be the same memory as Init, at the same positions, and must not
// otherwise overlap what is read.
//
// With weights in 16 bits, acc starts from zero, and in the end
//
//	Dst[t*LdDst+n] = fma(acc, W.Scale[n], Bias[n] + Init[t*LdInit+n])
type Product struct {
	Dst        []float32
	LdDst      int
	A          []float32
	LdA, LdTap int
	W          *Panels
	Bias       []float32
	Init       []float32
	LdInit     int
}

// Run computes rows row0 to row1 of panels panel0 to panel1. It panics where a
// slice is too short for what would be read or written.
func (p *Product) Run(row0, row1, panel0, panel1 int) {
	if row0 >= row1 || panel0 >= panel1 {
		return
	}
	p.check(row0, row1, panel0, panel1)
	if p.W.Int16 != nil {
		p.runInt16(row0, row1, panel0, panel1)
		return
	}
	product(p, row0, row1, panel0, panel1)
}

func (p *Product) check(row0, row1, panel0, panel1 int) {
	w := p.W
	switch {
	case row0 < 0 || panel0 < 0 || panel1 > w.Count():
		panic(fmt.Sprintf("kernel: rows %d to %d, panels %d to %d of %d", row0, row1, panel0, panel1, w.Count()))
	case w.Int16 != nil && len(w.Scale) < panel1*Width:
		panic(fmt.Sprintf("kernel: %d scales for %d columns", len(w.Scale), panel1*Width))
	case max(len(w.Data), len(w.Int16)) < (panel1-1)*w.stride()+w.Taps*w.K*Width:
		panic(fmt.Sprintf("kernel: %d weights for panels of %dx%dx%d at a stride of %d", max(len(w.Data), len(w.Int16)), w.Taps, w.K, w.N, w.stride()))
	case w.Taps*w.K > 0 && len(p.A) < (row1-1)*p.LdA+(w.Taps-1)*p.LdTap+w.K:
		panic(fmt.Sprintf("kernel: input of %d values, row %d of %d taps of %d at strides %d and %d asked for",
			len(p.A), row1-1, w.Taps, w.K, p.LdA, p.LdTap))
	}
	outputs{p.Dst, p.Bias, p.Init, p.LdDst, p.LdInit}.check(row1, panel1)
}

// outputs are where a product writes, and what it starts from.
type outputs struct {
	dst, bias, init []float32
	ldDst, ldInit   int
}

// check panics unless rows up to row1 of panels up to panel1 lie in them.
func (o outputs) check(row1, panel1 int) {
	switch {
	case len(o.dst) < (row1-1)*o.ldDst+panel1*Width:
		panic(fmt.Sprintf("kernel: output of %d values, row %d with %d columns at stride %d asked for",
			len(o.dst), row1-1, panel1*Width, o.ldDst))
	case o.bias != nil && len(o.bias) < panel1*Width:
		panic(fmt.Sprintf("kernel: %d biases for %d columns", len(o.bias), panel1*Width))
	case o.init != nil && len(o.init) < (row1-1)*o.ldInit+panel1*Width:
		panic(fmt.Sprintf("kernel: initial values of %d, row %d with %d columns at stride %d asked for",
			len(o.init), row1-1, panel1*Width, o.ldInit))
	}
}

// scale writes sums, [rows][len(start)], of the output channels from a panel on, scaled and
// added to what they start from. start is overwritten.
func (o outputs) scale(sums, start, scale []float32, row0, row1, panel int) {
	col, columns := panel*Width, len(start)
	bias := start
	if o.bias != nil {
		bias = o.bias[col:][:columns]
	} else {
		clear(bias)
	}
	for t := row0; t < row1; t++ {
		from := bias
		if o.init != nil {
			from = o.init[t*o.ldInit+col:][:columns]
			if o.bias != nil {
				add(start, bias, from)
				from = start
			}
		}
		scaleBias(o.dst[t*o.ldDst+col:][:columns], sums[(t-row0)*columns:][:columns], scale[col:][:columns], from)
	}
}
