package nn

import (
	"math"
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// packBlock is the number of input channels packed at a time, so that what lies between
// two steps stays in the first-level cache.
const packBlock = 32

// A panelSource writes the weights of a panel, [taps][in][kernel.Width] float32. Output
// channels beyond the last become zero.
type panelSource func(panel int, weights []float32)

// convPanels is the source of w [out, in, k], its output channels scaled, nil for 1.
func convPanels(w, scale []float32, out, in, k int) panelSource {
	return rowPanels(w, scale, in, k, func(panel int) (row, n int) {
		return panel * kernel.Width, min(kernel.Width, out-panel*kernel.Width)
	})
}

// rowPanels is the source of rows [in, k], scaled, where rows returns the first row of a
// panel and how many it has.
func rowPanels(w, scale []float32, in, k int, rows func(panel int) (first, n int)) panelSource {
	size := in * k
	return func(panel int, weights []float32) {
		first, n := rows(panel)
		w := w[first*size:]
		if n < kernel.Width {
			clear(weights)
		}
		if k == 1 && scale == nil {
			kernel.Transpose(weights, kernel.Width, w, size, n, in)
			return
		}
		b := packBuffers.Get().(*packBuffer)
		defer packBuffers.Put(b)
		ld := packBlock * k
		scaled, columns := grown(&b.scaled, kernel.Width*ld), grown(&b.columns, kernel.Width*ld)
		clear(columns)
		for i0 := 0; i0 < in; i0 += packBlock {
			m := min(packBlock, in-i0)
			for o := range n {
				dst, src := scaled[o*ld:][:m*k], w[o*size+i0*k:][:m*k]
				if scale == nil {
					copy(dst, src)
				} else {
					kernel.Scale(dst, src, scale[first+o])
				}
			}
			kernel.Transpose(columns, kernel.Width, scaled, ld, n, m*k)
			for tap := range k {
				to := weights[(tap*in+i0)*kernel.Width:][:m*kernel.Width]
				for from := columns[tap*kernel.Width:]; len(to) > 0; to = to[kernel.Width:] {
					*(*[kernel.Width]float32)(to) = *(*[kernel.Width]float32)(from)
					from = from[min(k*kernel.Width, len(from)):]
				}
			}
		}
	}
}

// phasePanels is the source of the phases of a transposed convolution v [in, out, 2·stride],
// its input channels scaled: [phase][2][in][kernel.Width]. A phase is a convolution of two
// taps: the row before, then the row itself.
func phasePanels(v, scale []float32, in, out, stride int) panelSource {
	k := 2 * stride
	return func(panel int, weights []float32) {
		first := panel * kernel.Width
		n := min(kernel.Width, out-first)
		b := packBuffers.Get().(*packBuffer)
		defer packBuffers.Put(b)
		scaled, columns := grown(&b.scaled, n*k), grown(&b.columns, k*kernel.Width)
		clear(columns)
		for i := range in {
			kernel.Scale(scaled, v[(i*out+first)*k:], scale[i])
			kernel.Transpose(columns, kernel.Width, scaled, k, n, k)
			for phase := range stride {
				before, itself := columns[(stride+phase)*kernel.Width:], columns[phase*kernel.Width:]
				*(*[kernel.Width]float32)(weights[(2*phase*in+i)*kernel.Width:]) = *(*[kernel.Width]float32)(before)
				*(*[kernel.Width]float32)(weights[((2*phase+1)*in+i)*kernel.Width:]) = *(*[kernel.Width]float32)(itself)
			}
		}
	}
}

// each calls set with the weights of every panel, of size values each.
func (s panelSource) each(panels, size int, set func(panel int, weights []float32)) {
	b := packBuffers.Get().(*packBuffer)
	defer packBuffers.Put(b)
	weights := grown(&b.panel, size)
	for i := range panels {
		s(i, weights)
		set(i, weights)
	}
}

// A packBuffer is memory for a panel on its way.
type packBuffer struct{ scaled, columns, panel []float32 }

// packBuffers serve the layers in turn, so that the heap does not grow by every layer's.
var packBuffers = sync.Pool{New: func() any { return new(packBuffer) }}

func grown(v *[]float32, n int) []float32 {
	if n > cap(*v) {
		*v = make([]float32, n)
	}
	return (*v)[:n]
}

// panelCount returns the number of panels of so many output channels.
func panelCount(out int) int { return (out + kernel.Width - 1) / kernel.Width }

// packFloat32 packs taps as they are.
func packFloat32(region *tensor.Region, out, in, taps int, source panelSource) *kernel.Panels {
	p := kernel.NewPanels(region.Alloc(kernel.PanelsLen(taps, in, out)), taps, in, out)
	size := taps * in * kernel.Width
	for i := range p.Count() {
		source(i, p.Data[i*size:][:size])
	}
	return p
}

// minInt16 is the least number of weights that Fast keeps in 16 bits. The others stay in the
// caches, where reading them takes no time to save.
const minInt16 = 1 << 18

// int16 says whether so many weights are kept in 16 bits.
func (l *Loader) int16(weights int) bool { return l.is(Fast) && weights >= minInt16 }

// fill packs the weights of a filter.
func (l *Loader) fill(f *op.Filter, out, in, taps int, source panelSource) {
	switch packed, split := l.bf16(in); {
	case split && packed:
		f.BF16, f.Rest = packSplit(l.region, out, in, taps, source)
	case packed:
		f.BF16 = l.packBF16(out, in, taps, source)
	case l.int16(out * in * taps):
		f.Panels = packInt16(l.region, out, in, taps, source)
	default:
		f.Panels = packFloat32(l.region, out, in, taps, source)
	}
}

// packInt16 packs taps in 16 bits.
func packInt16(region *tensor.Region, out, in, taps int, source panelSource) *kernel.Panels {
	p := kernel.NewPanelsInt16(region.Alloc, taps, in, out)
	source.each(p.Count(), taps*in*kernel.Width, p.SetInt16)
	return p
}

// toomCookFor returns the filter, without weights, of a convolution that the Toom-Cook
// algorithm will compute, or nil. Tiles are faster.
func toomCookFor(load *Loader, c ConvConfig) *op.ToomCookFilter {
	if !load.is(Fast) || kernel.HasTiles() || c.Frame == 0 || c.K != kernel.ToomCookTaps || c.Stride > 1 {
		return nil
	}
	return op.ChooseToomCook(c.Frame, max(c.Dilation, 1))
}

// packToomCook packs taps, seven of them, for a Toom-Cook algorithm.
func packToomCook(tc *op.ToomCookFilter, region *tensor.Region, out, in int, source panelSource) {
	for range tc.Algorithm.Points {
		tc.Points = append(tc.Points, kernel.NewPanels(region.Alloc(kernel.PanelsLen(1, in, out)), 1, in, out))
	}
	source.each(panelCount(out), kernel.ToomCookTaps*in*kernel.Width, func(panel int, weights []float32) {
		for k := 0; k < in; k += packBlock {
			tc.Algorithm.Weights(tc.Points, weights, panel, k, min(in, k+packBlock))
		}
	})
}

// normScale returns g/‖v‖ for each of n rows of v: the factor that weight norm
// puts on the row.
func normScale(g, v []float32, n int) []float32 {
	scale := make([]float32, n)
	size := len(v) / n
	for i := range scale {
		scale[i] = float32(float64(g[i]) / norm(v[i*size:(i+1)*size]))
	}
	return scale
}

func norm(v []float32) float64 { return math.Sqrt(kernel.SumSquares(v)) }

// padded returns a copy of v, zero-filled to a multiple of a panel's width.
func padded(v []float32) []float32 {
	p := make([]float32, tensor.RoundUp(len(v)))
	copy(p, v)
	return p
}
