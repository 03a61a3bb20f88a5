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
// bfloat16, and whether those of two bfloat16 values each, as all are at precision Fast: as
// precise as products of float32 for it, and faster. Codes differ where an encoder
// rounds to one: 3 to 5 in a hundred, against 1 in a thousand. Where there are no tiles,
// three products of bfloat16 are no faster than one of float32.
func (l *Loader) bf16(in int) (packed, split bool) {
	if l.is(Fast) && in >= minBF16 && kernel.HasTiles() {
		return true, true
	}
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

// int8 says whether so many weights are kept in 8 bits.
func (l *Loader) int8(weights int) bool { return l.is(Int8) && weights >= minInt8 }

func allocBF16(region *tensor.Region, out, in, taps int) *kernel.PanelsBF16 {
	n := kernel.PanelsBF16Len(taps, in, out)
	return kernel.NewPanelsBF16(kernel.BFloat16s(region.Alloc((n+1)/2)), taps, in, out)
}

// packBF16 packs taps in bfloat16, or in 8 bits where there are so many weights.
func (l *Loader) packBF16(out, in, taps int, source panelSource) *kernel.PanelsBF16 {
	size := taps * in * kernel.Width
	if l.int8(out * in * taps) {
		p := kernel.NewPanelsInt8(l.region.Alloc, taps, in, out)
		source.each(p.Count(), size, p.SetInt8)
		return p
	}
	p := allocBF16(l.region, out, in, taps)
	source.each(p.Count(), size, func(panel int, weights []float32) { p.SetPanel(panel, weights, kernel.Width) })
	return p
}

// minSplitInt8 is the least number of weights whose two values have 8 bits each instead of 16.
// Those of smaller layers stay in the caches, where reading them takes no time to save.
const minSplitInt8 = 1 << 19

// packSplit packs taps as two values: rounded, and what rounding leaves. The values are of
// bfloat16, or of 8 bits with scales, which together are as precise, where there are so many
// weights that their time is that of reading them.
func packSplit(region *tensor.Region, out, in, taps int, source panelSource) (rounded, rest *kernel.PanelsBF16) {
	rounded, rest = allocSplit(region, out, in, taps, out*in*taps >= minSplitInt8)
	source.each(rounded.Count(), taps*in*kernel.Width, func(panel int, weights []float32) {
		setSplit(rounded, rest, panel, weights)
	})
	return rounded, rest
}

func allocSplit(region *tensor.Region, out, in, taps int, narrow bool) (rounded, rest *kernel.PanelsBF16) {
	if narrow {
		return kernel.NewPanelsInt8(region.Alloc, taps, in, out), kernel.NewPanelsInt8(region.Alloc, taps, in, out)
	}
	return allocBF16(region, out, in, taps), allocBF16(region, out, in, taps)
}

// setSplit sets the weights of a panel, and overwrites them.
func setSplit(rounded, rest *kernel.PanelsBF16, panel int, weights []float32) {
	if rounded.Int8 != nil {
		rounded.SetInt8(panel, weights)
		rounded.SubtractInt8(panel, weights)
		rest.SetInt8(panel, weights)
		return
	}
	rounded.SetPanel(panel, weights, kernel.Width)
	subtractRounded(weights)
	rest.SetPanel(panel, weights, kernel.Width)
}

// fillPhases packs the phases of a transposed convolution, whose source phasePanels is.
func (l *Loader) fillPhases(f *op.TransposedFilter, out, in, stride int, source panelSource) {
	if _, split := l.bf16(in); split && l.is(Fast) {
		l.fillSplitPhases(f, out, in, stride, source)
		return
	}
	size := 2 * in * kernel.Width // of a phase's panel
	narrow, integers := l.int8(stride*2*in*out), l.int16(stride*2*in*out)
	for range stride {
		switch {
		case narrow:
			f.PhasesBF16 = append(f.PhasesBF16, kernel.NewPanelsInt8(l.region.Alloc, 2, in, out))
		case l.halves(in):
			f.PhasesBF16 = append(f.PhasesBF16, allocBF16(l.region, out, in, 2))
		case integers:
			f.Phases = append(f.Phases, kernel.NewPanelsInt16(l.region.Alloc, 2, in, out))
		default:
			f.Phases = append(f.Phases, kernel.NewPanels(l.region.Alloc(kernel.PanelsLen(2, in, out)), 2, in, out))
		}
	}
	source.each(panelCount(out), stride*size, func(panel int, weights []float32) {
		for phase := range stride {
			part := weights[phase*size:][:size]
			switch {
			case narrow:
				f.PhasesBF16[phase].SetInt8(panel, part)
			case f.PhasesBF16 != nil:
				f.PhasesBF16[phase].SetPanel(panel, part, kernel.Width)
			case integers:
				f.Phases[phase].SetInt16(panel, part)
			default:
				copy(f.Phases[phase].Data[panel*size:], part)
			}
		}
	})
}

// fillSplitPhases is fillPhases for weights of two values each.
func (l *Loader) fillSplitPhases(f *op.TransposedFilter, out, in, stride int, source panelSource) {
	for range stride {
		rounded, rest := allocSplit(l.region, out, in, 2, stride*2*in*out >= minSplitInt8)
		f.PhasesBF16, f.PhasesRest = append(f.PhasesBF16, rounded), append(f.PhasesRest, rest)
	}
	size := 2 * in * kernel.Width // of a phase's panel
	source.each(panelCount(out), stride*size, func(panel int, weights []float32) {
		for phase := range stride {
			setSplit(f.PhasesBF16[phase], f.PhasesRest[phase], panel, weights[phase*size:][:size])
		}
	})
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
