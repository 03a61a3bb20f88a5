package train

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Schedule is the learning rate of each step.
type Schedule struct {
	LearningRate float64 // of the first step after the warm-up
	Decay        float64 // factor after every step (ExponentialLR)
	Warmup       int     // steps over which the rate rises from zero
}

// At returns the learning rate of step n, which counts from 0.
func (s Schedule) At(n int) float64 {
	rate := s.LearningRate * math.Pow(s.Decay, float64(n))
	if n < s.Warmup {
		rate *= float64(n+1) / float64(s.Warmup)
	}
	return rate
}

// AdamW are the numbers of torch.optim.AdamW.
type AdamW struct {
	Beta1, Beta2, Epsilon, WeightDecay float64
}

// An Optimizer steps the parameters of one network.
type Optimizer struct {
	AdamW
	Schedule
	Clip    float64    // norm to which the gradient is clipped
	Steps   int        // taken
	Moments []*Moments // one for each parameter that is trained
	network *nn.Network
	cleared bool // the gradient, by the last step
	// keepGrad leaves the gradient as it is until the next step begins, for tests that look
	// at it.
	keepGrad bool
}

// Moments are the state of AdamW for a parameter: running means of its gradient and
// of its square.
type Moments struct {
	Param *nn.Param
	M, V  []float32
	mean  []float32 // of the EMA that the optimizer updates with the parameter; nil for none
	moved bool      // since EMA.Update
}

// NewOptimizer prepares the optimizer of a network in training; its memory is
// region's.
func NewOptimizer(n *nn.Network, a AdamW, s Schedule, clip float64, region *tensor.Region) *Optimizer {
	o := &Optimizer{AdamW: a, Schedule: s, Clip: clip, network: n}
	for _, p := range n.Params {
		if !p.Unused {
			o.Moments = append(o.Moments, &Moments{Param: p, M: region.Alloc(p.Len()), V: region.Alloc(p.Len())})
		}
	}
	return o
}

// chunk is how much of a parameter is worth handing to another thread.
const chunk = 1 << 16

// pieces calls f for pieces of every trained parameter, which are always cut alike.
func (o *Optimizer) pieces(pool *parallel.Pool, f func(i int, m *Moments, from, to int)) int {
	type piece struct {
		m        *Moments
		from, to int
	}
	var all []piece
	for _, m := range o.Moments {
		for from := 0; from < len(m.M); from += chunk {
			all = append(all, piece{m, from, min(len(m.M), from+chunk)})
		}
	}
	pool.For(len(all), func(i int) { f(i, all[i].m, all[i].from, all[i].to) })
	return len(all)
}

// Norm returns the norm of the whole gradient.
func (o *Optimizer) Norm(pool *parallel.Pool) float64 {
	total := 0
	for _, m := range o.Moments {
		total += (len(m.M) + chunk - 1) / chunk
	}
	sums := make([]float64, total)
	o.pieces(pool, func(i int, m *Moments, from, to int) { sums[i] = kernel.SumSquares(m.Param.Grad[from:to]) })
	var square float64
	for _, v := range sums {
		square += v
	}
	return math.Sqrt(square)
}

// stepBlock is how many values of a parameter a step takes at a time: they, their gradient,
// moments and mean stay in the cache meanwhile.
const stepBlock = 1 << 12

// Step updates the parameters by the gradient, whose norm it is told and which it scales
// down to Clip where that is larger, moves the means of an EMA by such a weight towards them,
// and derives from them what layers need. It clears the gradient, which is in the
// cache.
func (o *Optimizer) Step(norm float64, weight float32, pool *parallel.Pool) error {
	scale := 1.0
	if o.Clip > 0 {
		scale = min(1, o.Clip/(norm+1e-6)) // torch.nn.utils.clip_grad_norm_
	}
	rate := o.At(o.Steps)
	o.Steps++
	step := kernel.NewAdamWStep(rate, o.Beta1, o.Beta2, o.Epsilon, o.WeightDecay, o.Steps, scale)
	o.pieces(pool, func(_ int, m *Moments, from, end int) {
		for ; from < end; from += stepBlock {
			to := min(end, from+stepBlock)
			kernel.AdamW(m.Param.Value[from:to], m.Param.Grad[from:to], m.M[from:to], m.V[from:to], step)
			if !o.keepGrad {
				clear(m.Param.Grad[from:to])
			}
			if m.mean != nil {
				kernel.Lerp(m.mean[from:to], m.Param.Value[from:to], weight)
			}
		}
	})
	for _, m := range o.Moments {
		m.moved = m.mean != nil
	}
	o.cleared = !o.keepGrad
	return o.network.Refresh(pool)
}

// An EMA is the exponential moving average of parameters, with which a model sounds
// better than with those of any step.
type EMA struct {
	Decay   float64
	Params  []*nn.Param
	Means   [][]float32
	moments []*Moments // by parameter; nil where no optimizer updates the mean
}

// NewEMA starts with the values that the networks' parameters have; its memory is
// region's.
func NewEMA(decay float64, region *tensor.Region, networks ...*nn.Network) *EMA {
	e := &EMA{Decay: decay}
	for _, n := range networks {
		for _, p := range n.Params {
			mean := region.Alloc(p.Len())
			copy(mean, p.Value)
			e.Params, e.Means = append(e.Params, p), append(e.Means, mean)
		}
	}
	e.moments = make([]*Moments, len(e.Params))
	return e
}

// UpdateWith has o update the means of its parameters as it steps these, while both are in
// the cache.
func (e *EMA) UpdateWith(o *Optimizer) {
	for _, m := range o.Moments {
		if i := slices.Index(e.Params, m.Param); i >= 0 {
			m.mean, e.moments[i] = e.Means[i], m
		}
	}
}

// Weight is by how much means move towards the parameters: in the first steps by more, so that
// the start is soon forgotten. At step n, counted from 0, the decay is at most (1+n)/(10+n).
func (e *EMA) Weight(n int) float32 {
	return float32(1 - min(e.Decay, float64(1+n)/float64(10+n)))
}

// Update moves the means that no optimizer has moved since the last call.
func (e *EMA) Update(n int, pool *parallel.Pool) {
	weight := e.Weight(n)
	pool.For(len(e.Params), func(i int) {
		if m := e.moments[i]; m != nil && m.moved {
			m.moved = false
			return
		}
		kernel.Lerp(e.Means[i], e.Params[i].Value, weight)
	})
}
