package kernel

import (
	"math"
	"sync"
)

// maxInt8 is the largest weight in 8 bits; the smallest is its negative.
const maxInt8 = 127

// QuantizeInt8 returns p in 8 bits: each output channel is scaled so that its largest
// weight becomes 127. memory returns zeroed memory for so many values.
func (p *PanelsBF16) QuantizeInt8(memory func(n int) []float32) *PanelsBF16 {
	n := p.Count() * p.size()
	q := &PanelsBF16{Taps: p.Taps, K: p.K, N: p.N, Int8: int8s(memory((n + 3) / 4))[:n], Scale: memory(p.Count() * Width)}
	for panel := range p.Count() {
		src, dst := p.Data[panel*p.stride():][:p.size()], q.Int8[panel*p.size():][:p.size()]
		var largest, inverse [Width]float32
		for i, v := range src {
			at := i / 2 % Width
			largest[at] = max(largest[at], floatBF16(v&0x7fff))
		}
		for i, v := range largest {
			q.Scale[panel*Width+i] = v / maxInt8
			if v > 0 {
				inverse[i] = maxInt8 / v
			}
		}
		for i, v := range src {
			dst[i] = int8(roundEven(floatBF16(v) * inverse[i/2%Width]))
		}
	}
	return q
}

// roundEven rounds a value below 2²² to the nearest integer.
func roundEven(v float32) int32 {
	const magic = 3 << 22 // whose unit in the last place is 1
	return int32(float32(v+magic) - magic)
}

// An int8Scratch holds two panels as bfloat16, and sums.
type int8Scratch struct {
	weights []BFloat16
	sums    []float32
	start   [2 * Width]float32
}

var int8Scratches = sync.Pool{New: func() any { return new(int8Scratch) }}

// runInt8 makes two panels bfloat16 at a time, which stay in a cache, multiplies with
// these, and scales the sums.
func (p *ProductBF16) runInt8(row0, row1, panel0, panel1 int) {
	s := int8Scratches.Get().(*int8Scratch)
	w, size, rows := p.W, p.W.size(), row1-row0
	if need := 2 * size; need > len(s.weights) {
		s.weights = make([]BFloat16, need)
	}
	if need := rows * 2 * Width; need > len(s.sums) {
		s.sums = make([]float32, need)
	}
	for ; panel0 < panel1; panel0 += 2 {
		panels := min(2, panel1-panel0)
		for i := range panels {
			fromInt8(s.weights[i*size:(i+1)*size], w.Int8[(panel0+i)*w.stride():][:size])
		}
		columns := panels * Width
		q := ProductBF16{
			Dst: s.sums, LdDst: columns, A: p.A[min(row0*p.LdA, len(p.A)):], LdA: p.LdA, LdTap: p.LdTap,
			W: &PanelsBF16{Taps: w.Taps, K: w.K, N: columns, Data: s.weights},
		}
		productBF16(&q, 0, rows, 0, panels)
		col := panel0 * Width
		bias := s.start[:columns]
		clear(bias)
		if p.Bias != nil {
			copy(bias, p.Bias[col:])
		}
		for r := range rows {
			t := row0 + r
			dst, start := p.Dst[t*p.LdDst+col:][:columns], bias
			if p.Init != nil {
				add(dst, bias, p.Init[t*p.LdInit+col:][:columns])
				start = dst
			}
			scaleBias(dst, s.sums[r*columns:][:columns], w.Scale[col:col+columns], start)
		}
	}
	int8Scratches.Put(s)
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
