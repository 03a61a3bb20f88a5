package nn

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// packBlock is the number of input channels packed at a time, so that the output of
// a block stays in the first-level cache.
const packBlock = 32

// packConv packs w [out, in, k], its output channels scaled, as k taps.
func packConv(region *tensor.Region, w, scale []float32, out, in, k int) *kernel.Panels {
	return packRows(region, out, in, k, convRows(w, scale, in*k))
}

// convRows returns the function that packRows takes, for weights of size values for each
// output channel.
func convRows(w, scale []float32, size int) func(o int) ([]float32, float32) {
	return func(o int) ([]float32, float32) {
		s := float32(1)
		if scale != nil {
			s = scale[o]
		}
		return w[o*size : (o+1)*size], s
	}
}

// packRows packs output channels, for each of which row returns [in, k] values and
// a scale, or nil for zeros.
func packRows(region *tensor.Region, out, in, k int, row func(o int) ([]float32, float32)) *kernel.Panels {
	p := kernel.NewPanels(region.Alloc(kernel.PanelsLen(k, in, out)), k, in, out)
	for i := range p.Count() {
		packPanel(p.Data[p.Index(0, 0, i*kernel.Width):], i, out, in, k, row)
	}
	return p
}

// packPanel packs the output channels of one panel.
func packPanel(panel []float32, index, out, in, k int, row func(o int) ([]float32, float32)) {
	o0 := index * kernel.Width
	for i0 := 0; i0 < in; i0 += packBlock {
		i1 := min(in, i0+packBlock)
		for o := o0; o < min(out, o0+kernel.Width); o++ {
			w, s := row(o)
			if w == nil {
				continue
			}
			for i := i0; i < i1; i++ {
				for tap, v := range w[i*k : (i+1)*k] {
					panel[(tap*in+i)*kernel.Width+o-o0] = v * s
				}
			}
		}
	}
}

// toomCookFor returns the filter, without weights, of a convolution that the Toom-Cook
// algorithm will compute, or nil.
func toomCookFor(load *Loader, c ConvConfig) *op.ToomCookFilter {
	if !load.is(Fast) || c.Frame == 0 || c.K != kernel.ToomCookTaps || c.Stride > 1 {
		return nil
	}
	return op.ChooseToomCook(c.Frame, max(c.Dilation, 1))
}

// packToomCook packs w [out, in, 7], its output channels scaled, for a Toom-Cook algorithm.
func packToomCook(tc *op.ToomCookFilter, region *tensor.Region, w, scale []float32, out, in int) {
	const taps = kernel.ToomCookTaps
	for range tc.Algorithm.Points {
		tc.Points = append(tc.Points, kernel.NewPanels(region.Alloc(kernel.PanelsLen(1, in, out)), 1, in, out))
	}
	row := convRows(w, scale, in*taps)
	panel := make([]float32, taps*in*kernel.Width)
	for i := range tc.Points[0].Count() {
		if (i+1)*kernel.Width > out {
			clear(panel)
		}
		packPanel(panel, i, out, in, taps, row)
		for k := 0; k < in; k += packBlock {
			tc.Algorithm.Weights(tc.Points, panel, i, k, min(in, k+packBlock))
		}
	}
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

// norm sums in four chains, which a single one's latency would make four times
// slower; every weight of the model passes here when it is opened.
func norm(v []float32) float64 {
	var a, b, c, d float64
	for ; len(v) >= 4; v = v[4:] {
		a += float64(v[0]) * float64(v[0])
		b += float64(v[1]) * float64(v[1])
		c += float64(v[2]) * float64(v[2])
		d += float64(v[3]) * float64(v[3])
	}
	for _, x := range v {
		a += float64(x) * float64(x)
	}
	return math.Sqrt(a + b + c + d)
}

// padded returns a copy of v, zero-filled to a multiple of a panel's width.
func padded(v []float32) []float32 {
	p := make([]float32, tensor.RoundUp(len(v)))
	copy(p, v)
	return p
}
