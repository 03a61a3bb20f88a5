package kernel

import (
	"fmt"
	"unsafe"
)

// maxInt16 is the largest weight in 16 bits; the smallest is its negative.
const maxInt16 = 32767

// PanelsInt16 are the weights of a ProductInt16, packed as Panels of one tap: panel p holds
// output channels p*Width to (p+1)*Width, [K][Width], as integers, each output channel with
// its own scale. The error of a weight is at most 1/65534 of the largest weight of its
// output channel: where that is five times the standard deviation, the errors lie 87 dB
// below the weights (float16: 74 dB, bfloat16: 56 dB).
type PanelsInt16 struct {
	K, N  int
	Data  []int16
	Scale []float32 // what the weights of each output channel are multiplied by, to whole panels
}

// Count returns the number of panels.
func (p *PanelsInt16) Count() int { return (p.N + Width - 1) / Width }

// QuantizeInt16 returns p, which has one tap, in 16 bits: each output channel is scaled so
// that its largest weight becomes 32767. memory returns zeroed memory for so many values.
func (p *Panels) QuantizeInt16(memory func(n int) []float32) *PanelsInt16 {
	if p.Taps != 1 {
		panic(fmt.Sprintf("kernel: 16-bit weights of %d taps", p.Taps))
	}
	n, size := p.Count()*p.K*Width, p.K*Width
	q := &PanelsInt16{K: p.K, N: p.N, Data: int16s(memory((n + 1) / 2))[:n], Scale: memory(p.Count() * Width)}
	for panel := range p.Count() {
		src, dst := p.Data[panel*p.stride():][:size], q.Data[panel*size:][:size]
		var largest, inverse [Width]float32
		for i, v := range src {
			largest[i%Width] = max(largest[i%Width], v, -v)
		}
		for i, v := range largest {
			q.Scale[panel*Width+i] = v / maxInt16
			if v > 0 {
				inverse[i] = maxInt16 / v
			}
		}
		for i, v := range src {
			dst[i] = int16(min(max(roundEven(v*inverse[i%Width]), -maxInt16), maxInt16))
		}
	}
	return q
}

// A ProductInt16 is a Product of one tap with weights in 16 bits. It computes
//
//	for t in rows, for n in [0, W.N):
//	    acc = 0
//	    for k in [0, W.K):
//	        acc = fma(A[t*LdA+k], W[k][n], acc)
//	    Dst[t*LdDst+n] = fma(acc, W.Scale[n], Init[t*LdInit+n])
//
// for few rows, whose time is that of reading the weights. Whole panels are written; Dst
// may be Init.
type ProductInt16 struct {
	Dst    []float32
	LdDst  int
	A      []float32
	LdA    int
	W      *PanelsInt16
	Init   []float32
	LdInit int
}

// Most rows and panels whose weights are read at a time.
const (
	rowsInt16   = 4
	panelsInt16 = 4
)

// Run computes rows row0 to row1 of panels panel0 to panel1. It panics where a
// slice is too short for what would be read or written.
func (p *ProductInt16) Run(row0, row1, panel0, panel1 int) {
	if row0 >= row1 || panel0 >= panel1 {
		return
	}
	p.check(row0, row1, panel0, panel1)
	var sums [rowsInt16 * panelsInt16 * Width]float32
	for ; panel0 < panel1; panel0 += panelsInt16 {
		panels := min(panelsInt16, panel1-panel0)
		col, columns := panel0*Width, panels*Width
		for t := row0; t < row1; t += rowsInt16 {
			rows := min(rowsInt16, row1-t)
			productInt16(sums[:rows*columns], p.A[t*p.LdA:], p.LdA, p.W, rows, panel0, panels)
			for r := range rows {
				scaleBias(p.Dst[(t+r)*p.LdDst+col:][:columns], sums[r*columns:][:columns], p.W.Scale[col:][:columns],
					p.Init[(t+r)*p.LdInit+col:][:columns])
			}
		}
	}
}

func (p *ProductInt16) check(row0, row1, panel0, panel1 int) {
	w := p.W
	switch {
	case row0 < 0 || panel0 < 0 || panel1 > w.Count():
		panic(fmt.Sprintf("kernel: rows %d to %d, panels %d to %d of %d", row0, row1, panel0, panel1, w.Count()))
	case w.K < 1 || len(w.Data) < panel1*w.K*Width || len(w.Scale) < panel1*Width:
		panic(fmt.Sprintf("kernel: %d weights and %d scales for panels of %dx%d", len(w.Data), len(w.Scale), w.K, w.N))
	case len(p.A) < (row1-1)*p.LdA+w.K:
		panic(fmt.Sprintf("kernel: input of %d values, row %d of %d at a stride of %d asked for", len(p.A), row1-1, w.K, p.LdA))
	case p.Init == nil:
		panic("kernel: a product of 16-bit weights without initial values")
	}
	outputs{p.Dst, nil, p.Init, p.LdDst, p.LdInit}.check(row1, panel1)
}

// productInt16Generic writes the sums of so many rows and panels, [rows][panels*Width],
// not yet scaled. Its conversions are there for productGeneric's reason.
func productInt16Generic(sums, a []float32, ldA int, w *PanelsInt16, rows, panel, panels int) {
	for i := range panels {
		packed := w.Data[(panel+i)*w.K*Width:][:w.K*Width]
		for r := range rows {
			var acc [Width]float32
			b := packed
			for _, v := range a[r*ldA:][:w.K] {
				c := (*[Width]int16)(b)
				for i := range acc {
					acc[i] += float32(v * float32(c[i]))
				}
				b = b[Width:]
			}
			copy(sums[(r*panels+i)*Width:], acc[:])
		}
	}
}

// int16s returns the memory of v as twice as many integers.
func int16s(v []float32) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(v))), 2*len(v))
}
