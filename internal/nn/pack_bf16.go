package nn

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// minBF16 is the least number of input channels for a product of bfloat16: it pads them
// to a multiple of kernel.StepBF16, and the waveform's single channel would become 32.
const minBF16 = 16

// bf16 says whether weights of so many input channels are packed for products of
// bfloat16, and whether those of two bfloat16 values each. Codes differ where an encoder
// rounds to one: 3 to 5 in a hundred, against 1 in a thousand. Where there are no tiles,
// three products of bfloat16 are no faster than one of float32.
func (l *Loader) bf16(in int) (packed, split bool) {
	if !l.halves(in) {
		return false, false
	}
	return !l.codes || kernel.HasTiles(), l.codes
}

// halves says whether weights of so many input channels take part in products of bfloat16.
func (l *Loader) halves(in int) bool { return (l.is(BF16) || l.is(Int8)) && in >= minBF16 }

// minInt8 is the least number of weights that Int8 keeps in 8 bits: those of layers with
// many channels, which work at a few rows a frame and whose time is that of reading their
// weights. The others are used often, and would only add noise.
const minInt8 = 1 << 21

// narrow returns what pack packs into a region, in 8 bits where the precision is Int8 and
// there are so many weights.
func (l *Loader) narrow(weights int, pack func(*tensor.Region) *kernel.PanelsBF16) *kernel.PanelsBF16 {
	if !l.is(Int8) || weights < minInt8 {
		return pack(l.region)
	}
	var region tensor.Region
	defer region.Free()
	return pack(&region).QuantizeInt8(l.region.Alloc)
}

// fill packs the weights of a filter: row is packRows'.
func (l *Loader) fill(f *op.Filter, out, in, k int, row func(o int) ([]float32, float32)) {
	switch packed, split := l.bf16(in); {
	case split && packed:
		f.BF16 = packRowsBF16(l.region, out, in, k, row, false)
		f.Rest = packRowsBF16(l.region, out, in, k, row, true)
	case packed:
		f.BF16 = l.narrow(out*in*k, func(region *tensor.Region) *kernel.PanelsBF16 { return packRowsBF16(region, out, in, k, row, false) })
	default:
		f.Panels = packRows(l.region, out, in, k, row)
	}
}

func allocBF16(region *tensor.Region, taps, in, out int) *kernel.PanelsBF16 {
	n := kernel.PanelsBF16Len(taps, in, out)
	return kernel.NewPanelsBF16(kernel.BFloat16s(region.Alloc((n+1)/2)), taps, in, out)
}

// packRowsBF16 is packRows in bfloat16: sixteen output channels are transposed, a block of
// input channels at a time, and then rounded in pairs. With rest it packs what rounding
// leaves.
func packRowsBF16(region *tensor.Region, out, in, k int, row func(o int) ([]float32, float32), rest bool) *kernel.PanelsBF16 {
	p := allocBF16(region, k, in, out)
	size := packBlock * k
	scaled, columns := make([]float32, kernel.Width*size), make([]float32, kernel.Width*(size+k))
	for o0 := 0; o0 < out; o0 += kernel.Width {
		for i0 := 0; i0 < in; i0 += packBlock {
			m := min(packBlock, in-i0)
			for o := range kernel.Width {
				dst := scaled[o*size:][:m*k]
				clear(dst)
				if o0+o >= out {
					continue
				}
				if w, s := row(o0 + o); w != nil {
					kernel.Scale(dst, w[i0*k:(i0+m)*k], s)
				}
			}
			if rest {
				subtractRounded(scaled)
			}
			kernel.Transpose(columns, kernel.Width, scaled, size, kernel.Width, m*k)
			clear(columns[m*k*kernel.Width:]) // beside an odd channel
			for i := 0; i < m; i += 2 {
				for tap := range k {
					even := columns[(i*k+tap)*kernel.Width:][:kernel.Width]
					odd := columns[((i+1)*k+tap)*kernel.Width:][:kernel.Width]
					kernel.PairBF16(p.Data[p.Index(tap, i0+i, o0):][:2*kernel.Width], even, odd)
				}
			}
		}
	}
	return p
}

// packPhases packs the phases of a transposed convolution, in 8 bits where the precision is
// Int8.
func (l *Loader) packPhases(v, scale []float32, in, out, stride int) []*kernel.PanelsBF16 {
	if !l.is(Int8) || 2*stride*in*out < minInt8 {
		return packPhasesBF16(l.region, v, scale, in, out, stride)
	}
	var region tensor.Region
	defer region.Free()
	phases := packPhasesBF16(&region, v, scale, in, out, stride)
	for i, p := range phases {
		phases[i] = p.QuantizeInt8(l.region.Alloc)
	}
	return phases
}

// packPhasesBF16 packs the phases of a transposed convolution v [in, out, 2·stride], its
// input channels scaled, as packPhase does one.
func packPhasesBF16(region *tensor.Region, v, scale []float32, in, out, stride int) []*kernel.PanelsBF16 {
	phases := make([]*kernel.PanelsBF16, stride)
	for i := range phases {
		phases[i] = allocBF16(region, 2, in, out)
	}
	k, width := 2*stride, tensor.RoundUp(out)
	scaled := make([]float32, out*k)
	rows := make([]float32, 2*k*width) // [channel of a pair][kernel row][out]
	for i := 0; i < in; i += 2 {
		for j := range 2 {
			taps := rows[j*k*width:][:k*width]
			if i+j == in {
				clear(taps)
				continue
			}
			kernel.Scale(scaled, v[(i+j)*out*k:(i+j+1)*out*k], scale[i+j])
			kernel.Transpose(taps, width, scaled, k, out, k)
		}
		for phase, p := range phases {
			for tap, row := range [2]int{stride + phase, phase} {
				for o := 0; o < width; o += kernel.Width {
					even := rows[row*width+o:][:kernel.Width]
					odd := rows[(k+row)*width+o:][:kernel.Width]
					kernel.PairBF16(p.Data[p.Index(tap, i, o):][:2*kernel.Width], even, odd)
				}
			}
		}
	}
	return phases
}

// subtractRounded leaves of each value what rounding it to bfloat16 does.
func subtractRounded(v []float32) {
	var rounded [kernel.Width]kernel.BFloat16
	var value [kernel.Width]float32
	for ; len(v) >= kernel.Width; v = v[kernel.Width:] {
		part := v[:kernel.Width]
		kernel.ToBF16(rounded[:], part)
		kernel.FromBF16(value[:], rounded[:])
		kernel.Sub(part, part, value[:])
	}
}
