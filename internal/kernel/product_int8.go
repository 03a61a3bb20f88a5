package kernel

import (
	"math"
	"sync"
)

// maxInt8 is the largest weight in 8 bits; the smallest is its negative.
const maxInt8 = 127

// NewPanelsInt8 returns panels of zeros whose weights are integers of 8 bits, each output
// channel with its own scale; SetInt8 sets them. memory returns zeroed memory for so many
// float32 values.
func NewPanelsInt8(memory func(n int) []float32, taps, k, n int) *PanelsBF16 {
	p := &PanelsBF16{Taps: taps, K: k, N: n}
	size := p.Count() * p.size()
	p.Int8, p.Scale = int8s(memory((size + 3) / 4))[:size], memory(p.Count()*Width)
	return p
}

// SetInt8 sets the weights of a panel, [Taps][K][Width], and the scales of its output
// channels: the largest weight of each becomes 127.
func (p *PanelsBF16) SetInt8(panel int, weights []float32) {
	var zero [Width]float32
	factors := quantizer(p.Scale[panel*Width:][:Width], weights[:p.Taps*p.K*Width], maxInt8)
	dst := p.Int8[panel*p.size():][:p.size()]
	for range p.Taps {
		rest := dst[PadBF16(p.K)*Width:]
		for k := 0; k < p.K; k += 2 {
			even, odd := weights[:Width], zero[:]
			if weights = weights[Width:]; k+1 < p.K {
				odd, weights = weights[:Width], weights[Width:]
			}
			pairInt8(dst[:2*Width], even, odd, factors[:])
			dst = dst[2*Width:]
		}
		dst = rest
	}
}

// SubtractInt8 leaves of the weights of a panel, [Taps][K][Width], what SetInt8 did not keep.
func (p *PanelsBF16) SubtractInt8(panel int, weights []float32) {
	scale := (*[Width]float32)(p.Scale[panel*Width:])
	for tap := range p.Taps {
		from := p.Int8[panel*p.stride()+tap*PadBF16(p.K)*Width:]
		for k := range p.K {
			kept, row := from[k&^1*Width:][:2*Width], (*[Width]float32)(weights[(tap*p.K+k)*Width:])
			for i := range row {
				row[i] -= float32(kept[2*i+k&1]) * scale[i]
			}
		}
	}
}

// An int8Scratch holds two panels as bfloat16, and sums.
type int8Scratch struct {
	weights []BFloat16
	sums    []float32
	start   [2 * Width]float32
}

var int8Scratches = sync.Pool{New: func() any { return new(int8Scratch) }}

// runInt8 sums two panels at a time, and scales the sums.
func (p *ProductBF16) runInt8(row0, row1, panel0, panel1 int) {
	s := int8Scratches.Get().(*int8Scratch)
	if need := (row1 - row0) * 2 * Width; need > len(s.sums) {
		s.sums = make([]float32, need)
	}
	for ; panel0 < panel1; panel0 += 2 {
		panels := min(2, panel1-panel0)
		productInt8(s, p, row0, row1, panel0, panels)
		outputs{p.Dst, p.Bias, p.Init, p.LdDst, p.LdInit}.scale(s.sums, s.start[:panels*Width], p.W.Scale, row0, row1, panel0)
	}
	int8Scratches.Put(s)
}

// productInt8Generic writes the sums of rows of one or two panels, [rows][panels*Width]: it
// makes the weights bfloat16, which stay in a cache, and multiplies with these.
func productInt8Generic(s *int8Scratch, p *ProductBF16, row0, row1, panel, panels int) {
	w, size, columns := p.W, p.W.size(), panels*Width
	if need := 2 * size; need > len(s.weights) {
		s.weights = make([]BFloat16, need)
	}
	for i := range panels {
		fromInt8(s.weights[i*size:(i+1)*size], w.Int8[(panel+i)*w.stride():][:size])
	}
	q := ProductBF16{
		Dst: s.sums, LdDst: columns, A: p.A[min(row0*p.LdA, len(p.A)):], LdA: p.LdA, LdTap: p.LdTap,
		W: &PanelsBF16{Taps: w.Taps, K: w.K, N: columns, Data: s.weights},
	}
	productBF16(&q, 0, row1-row0, 0, panels)
}

func fromInt8Generic(dst []BFloat16, x []int8) {
	for i, v := range x {
		dst[i] = BFloat16(math.Float32bits(float32(v)) >> 16)
	}
}

func scaleBiasGeneric(dst, x, scale, bias []float32) {
	for i, v := range x {
		dst[i] = fma32(v, scale[i], bias[i])
	}
}
