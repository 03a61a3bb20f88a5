package kernel

import "fmt"

// StepBF16 is the number of input channels that PanelsBF16 and the rows of a ProductBF16
// are padded to a multiple of: those that one instruction of AMX multiplies.
const StepBF16 = 32

// PadBF16 returns k rounded up to a multiple of StepBF16.
func PadBF16(k int) int { return (k + StepBF16 - 1) / StepBF16 * StepBF16 }

// StrideBF16 returns the distance of rows of c channels, in values: the channels padded,
// and no multiple of 1 KiB, for the reason that tensor.Stride has.
func StrideBF16(c int) int {
	s := PadBF16(c)
	if s%512 == 0 {
		s += StepBF16
	}
	return s
}

// PanelsBF16 are the weights of a ProductBF16: panel p holds output channels p*Width to
// (p+1)*Width as pairs of input channels, [Taps][PadBF16(K)/2][Width][2]. Channels beyond
// K and N are zero.
type PanelsBF16 struct {
	Taps, K, N int
	Data       []BFloat16
	// Stride is the distance between panels in values, 0 for Taps*PadBF16(K)*Width.
	Stride int
	// Int8, in place of Data, are weights in 8 bits, in the same order, and Scale what those
	// of each output channel are multiplied by, to whole panels.
	Int8  []int8
	Scale []float32
}

// PanelsBF16Len returns the number of values that panels of this shape occupy.
func PanelsBF16Len(taps, k, n int) int { return (n + Width - 1) / Width * taps * PadBF16(k) * Width }

// NewPanelsBF16 returns zeroed panels over data, or over new memory if data is nil.
// Data must hold PanelsBF16Len(taps, k, n) zeros.
func NewPanelsBF16(data []BFloat16, taps, k, n int) *PanelsBF16 {
	if data == nil {
		data = make([]BFloat16, PanelsBF16Len(taps, k, n))
	}
	return &PanelsBF16{Taps: taps, K: k, N: n, Data: data[:PanelsBF16Len(taps, k, n)]}
}

// size returns the number of values in a panel, and stride the distance between panels.
func (p *PanelsBF16) size() int { return p.Taps * PadBF16(p.K) * Width }

func (p *PanelsBF16) stride() int {
	if p.Stride != 0 {
		return p.Stride
	}
	return p.size()
}

// Count returns the number of panels.
func (p *PanelsBF16) Count() int { return (p.N + Width - 1) / Width }

// Index returns the position in Data of the weight of (tap, k, n).
func (p *PanelsBF16) Index(tap, k, n int) int {
	return n/Width*p.stride() + (tap*PadBF16(p.K)+k&^1)*Width + n%Width*2 + k&1
}

// Pack packs rows of float32 weights, [Taps*K][ld] with N ≤ ld columns, those of tap
// first to last.
func (p *PanelsBF16) Pack(rows []float32, ld int) {
	for panel := range p.Count() {
		p.PackPanel(panel, rows, ld)
	}
}

// PackPanel packs what Pack does for one panel. Rows must hold whole panels: the columns
// from N to the next multiple of Width are packed too.
func (p *PanelsBF16) PackPanel(panel int, rows []float32, ld int) {
	p.SetPanel(panel, rows[panel*Width:], ld)
}

// SetPanel packs the weights of one panel, rows of Width values.
func (p *PanelsBF16) SetPanel(panel int, rows []float32, ld int) {
	var zero [Width]float32
	dst := p.Data[panel*p.stride():][:p.size()]
	for tap := range p.Taps {
		for k := 0; k < PadBF16(p.K); k += 2 {
			at := (tap*p.K + k) * ld
			switch out := dst[:2*Width]; {
			case k+1 < p.K:
				pairBF16(out, rows[at:at+Width], rows[at+ld:at+ld+Width])
			case k < p.K:
				pairBF16(out, rows[at:at+Width], zero[:])
			default:
				clear(out)
			}
			dst = dst[2*Width:]
		}
	}
}

// A ProductBF16 is a Product whose inputs and weights are bfloat16 and whose sums are
// float32. It computes, where c is a multiple of two,
//
//	for t in rows, for n in [0, W.N):
//	    acc = Bias[n] + Init[t*LdInit+n]
//	    for tap in [0, W.Taps), for c in [0, W.K) in steps of 2:
//	        acc = fma(A[t*LdA+tap*LdTap+c+1], W[tap][c+1][n], acc)
//	        acc = fma(A[t*LdA+tap*LdTap+c], W[tap][c][n], acc)
//	    Dst[t*LdDst+n] = acc
//
// on every processor without AMX, bit for bit but for subnormal numbers, which some flush
// to zero. With AMX the order of sums is another: for each StepBF16 channels the products
// of even and of odd channels are added up, each in order and from zero, the two sums are
// added to each other and this to the sum of all; Bias + Init are added at the end. In
// both cases an output depends neither on the rows and panels computed beside it nor on
// the thread.
//
// With weights in 8 bits, acc starts from zero in either case, and in the end
//
//	Dst[t*LdDst+n] = fma(acc, W.Scale[n], Bias[n] + Init[t*LdInit+n])
//
// Rows of A are read to PadBF16(W.K) values; those beyond W.K must be finite. A begins at
// a multiple of 4 bytes, and LdA and LdTap are even. The rest is as in Product: whole
// panels are written, Bias and Init may be nil, Dst may be Init.
type ProductBF16 struct {
	Dst        []float32
	LdDst      int
	A          []BFloat16
	LdA, LdTap int
	W          *PanelsBF16
	Bias       []float32
	Init       []float32
	LdInit     int
}

// Run computes rows row0 to row1 of panels panel0 to panel1. It panics where a
// slice is too short for what would be read or written.
func (p *ProductBF16) Run(row0, row1, panel0, panel1 int) {
	if row0 >= row1 || panel0 >= panel1 {
		return
	}
	p.check(row0, row1, panel0, panel1)
	if p.W.Int8 != nil {
		p.runInt8(row0, row1, panel0, panel1)
		return
	}
	productBF16(p, row0, row1, panel0, panel1)
}

func (p *ProductBF16) check(row0, row1, panel0, panel1 int) {
	w := p.W
	switch {
	case row0 < 0 || panel0 < 0 || panel1 > w.Count():
		panic(fmt.Sprintf("kernel: rows %d to %d, panels %d to %d of %d", row0, row1, panel0, panel1, w.Count()))
	case w.Int8 != nil && len(w.Scale) < panel1*Width:
		panic(fmt.Sprintf("kernel: %d scales for %d columns", len(w.Scale), panel1*Width))
	case max(len(w.Data), len(w.Int8)) < (panel1-1)*w.stride()+w.size():
		panic(fmt.Sprintf("kernel: %d weights for panels of %dx%dx%d at a stride of %d", max(len(w.Data), len(w.Int8)), w.Taps, w.K, w.N, w.stride()))
	case p.LdA%2 != 0 || p.LdTap%2 != 0:
		panic(fmt.Sprintf("kernel: bfloat16 rows at an odd stride, %d or %d", p.LdA, p.LdTap))
	case w.Taps*w.K > 0 && len(p.A) < (row1-1)*p.LdA+(w.Taps-1)*p.LdTap+PadBF16(w.K):
		panic(fmt.Sprintf("kernel: input of %d values, row %d of %d taps of %d at strides %d and %d asked for",
			len(p.A), row1-1, w.Taps, PadBF16(w.K), p.LdA, p.LdTap))
	}
	outputs{p.Dst, p.Bias, p.Init, p.LdDst, p.LdInit}.check(row1, panel1)
}
