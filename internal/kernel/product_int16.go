package kernel

import (
	"sync"
	"unsafe"
)

// maxInt16 is the largest weight in 16 bits; the smallest is its negative.
const maxInt16 = 32767

// NewPanelsInt16 returns panels of zeros whose weights are integers of 16 bits, each output
// channel with its own scale; SetInt16 sets them. The error of a weight is at most 1/65534
// of the largest weight of its output channel: where that is five times the standard
// deviation, the errors lie 87 dB below the weights (float16: 74 dB, bfloat16: 56 dB).
// memory returns zeroed memory for so many float32 values.
func NewPanelsInt16(memory func(n int) []float32, taps, k, n int) *Panels {
	p := &Panels{Taps: taps, K: k, N: n}
	p.Int16, p.Scale = int16s(memory((p.Len() + 1) / 2))[:p.Len()], memory(p.Count()*Width)
	return p
}

// SetInt16 sets the weights of a panel, [Taps][K][Width], and the scales of its output
// channels: the largest weight of each becomes 32767.
func (p *Panels) SetInt16(panel int, weights []float32) {
	size := p.Taps * p.K * Width
	factors := quantizer(p.Scale[panel*Width:][:Width], weights[:size], maxInt16)
	toInt16(p.Int16[panel*size:][:size], weights[:size], factors[:])
}

// quantizer writes to scale what integers of up to most must be multiplied by to be the
// weights of 16 output channels, [...][Width], and returns what these are multiplied by to be
// integers.
func quantizer(scale, weights []float32, most float32) (factors [Width]float32) {
	var largest [Width]float32
	largestRows(largest[:], weights)
	for i, v := range largest {
		scale[i] = v / most
		if v > 0 {
			factors[i] = most / v
		}
	}
	return factors
}

// Most rows and panels whose weights are read at a time, and of rows for which weights
// become float32 in the registers instead of in the cache.
const (
	rowsInt16   = 4
	panelsInt16 = 4
	fewInt16    = 2 * rowsInt16
)

// expandedInt16 is how many weights are float32 at a time: half of a second-level cache of 1 MB.
const expandedInt16 = 128 << 10

// An int16Scratch holds some taps of two panels as float32, and sums.
type int16Scratch struct {
	weights, sums []float32
	start         [panelsInt16 * Width]float32
}

var int16Scratches = sync.Pool{New: func() any { return new(int16Scratch) }}

// runInt16 is Run for weights in 16 bits. Both ways of many and of few rows have the sums in
// the same order.
func (p *Product) runInt16(row0, row1, panel0, panel1 int) {
	s := int16Scratches.Get().(*int16Scratch)
	out := outputs{p.Dst, p.Bias, p.Init, p.LdDst, p.LdInit}
	if row1-row0 > fewInt16 {
		for ; panel0 < panel1; panel0 += 2 {
			panels := min(2, panel1-panel0)
			s.expand(p, row0, row1, panel0, panels)
			out.scale(s.sums, s.start[:panels*Width], p.W.Scale, row0, row1, panel0)
		}
	} else {
		var sums [rowsInt16 * panelsInt16 * Width]float32
		for ; panel0 < panel1; panel0 += panelsInt16 {
			panels := min(panelsInt16, panel1-panel0)
			for t := row0; t < row1; t += rowsInt16 {
				rows := min(rowsInt16, row1-t)
				productInt16(sums[:rows*panels*Width], p, t, rows, panel0, panels)
				out.scale(sums[:], s.start[:panels*Width], p.W.Scale, t, t+rows, panel0)
			}
		}
	}
	int16Scratches.Put(s)
}

// expand writes the sums of rows of up to two panels, whose weights it makes float32, so many
// taps at a time as stay in a cache.
func (s *int16Scratch) expand(p *Product, row0, row1, panel, panels int) {
	w, rows, columns := p.W, row1-row0, panels*Width
	most := min(w.Taps, max(1, expandedInt16/max(1, w.K*columns)))
	if need := most * w.K * columns; need > len(s.weights) {
		s.weights = make([]float32, need)
	}
	if need := rows * columns; need > len(s.sums) {
		s.sums = make([]float32, need)
	}
	clear(s.sums[:rows*columns])
	for tap := 0; tap < w.Taps && w.K > 0; tap += most {
		taps := min(most, w.Taps-tap)
		size := taps * w.K * Width
		for i := range panels {
			fromInt16(s.weights[i*size:][:size], w.Int16[(panel+i)*w.stride()+tap*w.K*Width:][:size])
		}
		product(&Product{
			Dst: s.sums, LdDst: columns, A: p.A[row0*p.LdA+tap*p.LdTap:], LdA: p.LdA, LdTap: p.LdTap,
			W:    &Panels{Taps: taps, K: w.K, N: columns, Data: s.weights},
			Init: s.sums, LdInit: columns,
		}, 0, rows, 0, panels)
	}
}

// productInt16Generic writes the sums of so many rows and panels, [rows][panels*Width],
// not yet scaled. Its conversions are there for productGeneric's reason.
func productInt16Generic(sums []float32, p *Product, row, rows, panel, panels int) {
	w := p.W
	for i := range panels {
		packed := w.Int16[(panel+i)*w.stride():][:w.Taps*w.K*Width]
		for r := range rows {
			var acc [Width]float32
			b := packed
			for tap := range w.Taps {
				if w.K == 0 { // A may end before such a tap
					break
				}
				for _, v := range p.A[(row+r)*p.LdA+tap*p.LdTap:][:w.K] {
					c := (*[Width]int16)(b)
					for i := range acc {
						acc[i] += float32(v * float32(c[i]))
					}
					b = b[Width:]
				}
			}
			copy(sums[(r*panels+i)*Width:], acc[:])
		}
	}
}

// int16s returns the memory of v as twice as many integers.
func int16s(v []float32) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(v))), 2*len(v))
}
