package op

import (
	"github.com/facodec-go/facodec/internal/tensor"
)

// affine adds a learned factor and offset of c channels.
func (p *problem) affine(c int) Affine {
	n := Affine{Gamma: make([]float32, tensor.RoundUp(c)), Beta: make([]float32, tensor.RoundUp(c))}
	copy(n.Gamma, p.uniform(c, 0.5, 1.5))
	copy(n.Beta, p.uniform(c, -1, 1))
	gamma, beta := p.learn("gamma", n.Gamma[:c]), p.learn("beta", n.Beta[:c])
	n.OnGrad = func(dgamma, dbeta []float32) {
		for i := range c {
			gamma.grad[i] += dgamma[i]
			beta.grad[i] += dbeta[i]
		}
	}
	return n
}

// frameCases are the operations of networks that work at the frame rate.
func frameCases() []gradientCase {
	depthwise := func(name string, b, t, c int, s ConvShape) gradientCase {
		return gradientCase{"Depthwise", name, func(p *problem) {
			p.input(b, t, c)
			width := tensor.RoundUp(c)
			f := DepthwiseFilter{Weights: make([]float32, s.K*width), Bias: make([]float32, width)}
			copy(f.Bias, p.uniform(c, -1, 1))
			bias := p.learn("bias", f.Bias[:c])
			var taps []*leaf
			for k := range s.K {
				copy(f.Weights[k*width:], p.uniform(c, -1, 1))
				taps = append(taps, p.learn("taps", f.Weights[k*width:][:c]))
			}
			f.OnGrad = func(dw, db []float32) {
				for i := range c {
					bias.grad[i] += db[i]
					for k, tap := range taps {
						tap.grad[i] += dw[k*width+i]
					}
				}
			}
			slot := NewSlot()
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.Depthwise(slot, f, s, x[0])) }
		}}
	}
	norm := func(name string, b, t, c int) gradientCase {
		return gradientCase{"LayerNorm", name, func(p *problem) {
			p.input(b, t, c).scale(4)
			n := p.affine(c)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.LayerNorm(x[0], n)) }
		}}
	}
	scaled := func(name string, b, t, c int) gradientCase {
		return gradientCase{"AddScaledChannels", name, func(p *problem) {
			p.input(b, t, c)
			p.input(b, t, c)
			n := p.affine(c)
			p.learned[1].idle = true // no offset
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.AddScaledChannels(x[0], x[1], n)) }
		}}
	}
	features := func(name string, b, n, window, hop, phases int) gradientCase {
		return gradientCase{"Features", name, func(p *problem) {
			p.input(b, n, 1)
			s, slot := &SpectralFeatures{FrameSpectrum: NewFrameSpectrum(window, hop), Phases: phases}, NewSlot()
			p.step = 1. / 512 // a logarithm's rounding is a thousandth of a smaller step's difference
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.Features(slot, s, x[0])) }
		}}
	}
	inverse := func(name string, b, t, window, hop int) gradientCase {
		return gradientCase{"InverseSTFT", name, func(p *problem) {
			s, slot := NewFrameSpectrum(window, hop), NewSlot()
			p.input(b, t, 2*s.Bins())
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.InverseSTFT(slot, s, x[0])) }
		}}
	}
	harmonic := func(name string, b, t, window, hop int) gradientCase {
		return gradientCase{"HarmonicInverseSTFT", name, func(p *problem) {
			h, slot := NewHarmonics(window, hop), NewSlot()
			p.input(b, t, 2*h.Bins())
			p.input(b, t, h.Channels())
			pitches := p.constant(b, t, 1)
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, r.HarmonicInverseSTFT(slot, h, x[0], x[1], pitches))
			}
		}}
	}
	sourceFilter := func(name string, b, t, window, hop int) gradientCase {
		return gradientCase{"SourceFilter", name, func(p *problem) {
			source, slot := NewSourceFilter(window, hop), NewSlot()
			p.input(b, t, source.Bins())
			p.input(b, t, source.Channels())
			pitches := p.constant(b, t, 1)
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, r.SourceFilter(slot, source, x[0], x[1], pitches))
			}
		}}
	}
	pitch := func(name string, b, t int) gradientCase {
		return gradientCase{"PitchLoss", name, func(p *problem) {
			p.input(b, t, 1)
			want := tensor.New(b, t, 1)
			for i := range b * t {
				want.Data[i*want.Stride] = float32(i%3) * 6.3
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return r.PitchLoss(x[0], want, 3) * 3 }
		}}
	}
	return []gradientCase{
		harmonic("short", 2, 5, 96, 24),
		harmonic("knots beyond the bins", 1, 3, 40, 20),
		sourceFilter("short", 2, 5, 96, 24),
		sourceFilter("knots beyond the bins", 1, 3, 40, 20),
		pitch("short", 2, 9),
		depthwise("causal, zeros", 2, 9, 5, ConvShape{K: 7, Stride: 1, Dilation: 1, Causal: true, Zero: true}),
		depthwise("centered, zeros, 50 channels", 1, 11, 50, ConvShape{K: 5, Stride: 1, Dilation: 1, Zero: true}),
		depthwise("causal, reflected, dilated", 2, 12, 17, ConvShape{K: 3, Stride: 1, Dilation: 2, Causal: true}),
		norm("short", 2, 3, 5),
		norm("long", 2, 70, 33),
		scaled("short", 2, 3, 5),
		scaled("long", 2, 70, 33),
		features("short", 2, 50, 24, 6, 5),
		features("no phases, shorter than a hop", 1, 5, 16, 8, 0),
		features("all phases", 2, 61, 20, 10, 11),
		inverse("short", 2, 5, 24, 6),
		inverse("two hops", 2, 4, 20, 10),
		inverse("one frame", 1, 1, 24, 4),
	}
}
