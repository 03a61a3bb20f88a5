package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/tensor"
)

// A Contrast compares vectors by the cosine of their differences from Mean.
type Contrast struct {
	Mean        []float32
	Others      [][]float32 // vectors that none of the compared is to be like
	Temperature float64
}

// Contrast is the mean cross-entropy of finding, for each vector of a, its partner in b among
// all vectors of b and c.Others, where the logits are cosines over the temperature (InfoNCE:
// van den Oord et al., arXiv 1807.03748). a and b are [B, 1, C]; Mean and Others are
// constants.
func (r *Run) Contrast(c *Contrast, a, b tensor.Tensor, weight float64) float64 {
	same(a, b)
	n := a.B
	from, to := c.directions(a), c.directions(b)
	candidates := to
	for _, v := range c.Others {
		candidates = append(candidates, c.direction(v))
	}
	for _, d := range [][]direction{from, to} {
		for i := range d {
			d[i].grad = make([]float64, a.C)
		}
	}
	var loss float64
	p := make([]float64, len(candidates))
	for i, u := range from {
		loss += c.softmax(p, u, candidates, i) / float64(n)
		p[i]--
		for j, v := range candidates {
			scale := p[j] / (c.Temperature * float64(n))
			for k, x := range v.unit {
				u.grad[k] += scale * x
			}
			if j < n {
				for k, x := range u.unit {
					to[j].grad[k] += scale * x
				}
			}
		}
	}
	if r.Recording() {
		r.recordLoss(func() {
			r.accumulateDirectionGrad(a, from, weight)
			r.accumulateDirectionGrad(b, to, weight)
		})
	}
	return loss
}

// A direction is a vector less the mean, made one of length 1, and the gradient with respect
// to that.
type direction struct {
	unit, grad []float64
	length     float64
}

func (c *Contrast) direction(x []float32) direction {
	d := direction{unit: make([]float64, len(c.Mean))}
	for k := range d.unit {
		d.unit[k] = float64(x[k] - c.Mean[k])
		d.length += d.unit[k] * d.unit[k]
	}
	d.length = math.Sqrt(d.length) + 1e-9
	for k := range d.unit {
		d.unit[k] /= d.length
	}
	return d
}

func (c *Contrast) directions(x tensor.Tensor) (all []direction) {
	for b := range x.B {
		all = append(all, c.direction(x.Row(b, 0)))
	}
	return all
}

// softmax sets p to the probabilities of the candidates and returns the cross-entropy of
// number i.
func (c *Contrast) softmax(p []float64, u direction, candidates []direction, i int) float64 {
	top := math.Inf(-1)
	for j, v := range candidates {
		p[j] = 0
		for k, x := range v.unit {
			p[j] += u.unit[k] * x
		}
		p[j] /= c.Temperature
		top = max(top, p[j])
	}
	logit, sum := p[i], 0.0
	for j := range p {
		p[j] = math.Exp(p[j] - top)
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	return math.Log(sum) + top - logit
}

// accumulateDirectionGrad adds weight times the gradient with respect to the vectors x.
func (r *Run) accumulateDirectionGrad(x tensor.Tensor, all []direction, weight float64) {
	if !r.needsGrad(x) {
		return
	}
	dx := r.New(x.B, 1, x.C)
	for b, d := range all {
		var along float64
		for k, g := range d.grad {
			along += g * d.unit[k]
		}
		row := dx.Row(b, 0)
		for k, g := range d.grad {
			row[k] = float32(weight * (g - along*d.unit[k]) / d.length)
		}
	}
	r.accumulateGrad(x, dx)
}
