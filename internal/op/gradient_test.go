package op

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A gradientCase is an operation with small inputs, made at random.
type gradientCase struct {
	op   string // the method of Run
	name string
	make func(p *problem)
}

// A problem is a scalar function of inputs and of what an operation has learned.
// Its loss, in value, is the same whether the run records or not; what it gets
// from operations it frees, as a layer would.
type problem struct {
	*rand.Rand
	inputs, learned []*leaf
	weights         []*weights
	loss            func(r *Run, x []tensor.Tensor) float64
	step            float64 // of differences in single values, a power of two

	probes  []tensor.Tensor
	probed  int       // of this evaluation
	outputs []float32 // what was probed in it
}

// A leaf is what a gradient is taken with respect to.
type leaf struct {
	name        string
	b, t, c     int       // of an input
	value, grad []float32 // differences change value in place
	// factor is the gradient over the derivative of the loss where the two differ on
	// purpose.
	factor float64
	idle   bool // the loss does not depend on it
}

func (c gradientCase) problem() *problem {
	h := fnv.New64a()
	fmt.Fprint(h, c.op, c.name)
	p := &problem{Rand: rand.New(rand.NewPCG(h.Sum64(), 1)), step: 1. / 64}
	c.make(p)
	return p
}

// value returns a multiple of 2⁻¹⁰ between from and to, so that differences of
// powers of two are exact.
func (p *problem) value(from, to float64) float32 {
	return float32(math.Round((from+(to-from)*p.Float64())*1024) / 1024)
}

// away returns a value whose magnitude is between from and to.
func (p *problem) away(from, to float64) float32 {
	if p.IntN(2) == 0 {
		return -p.value(from, to)
	}
	return p.value(from, to)
}

// input adds an input with values between -1 and 1.
func (p *problem) input(b, t, c int) *leaf {
	l := &leaf{name: fmt.Sprintf("input %d", len(p.inputs)), b: b, t: t, c: c, factor: 1}
	l.value = p.uniform(b*t*c, -1, 1)
	p.inputs = append(p.inputs, l)
	return l
}

// scale multiplies the values of an input by a power of two.
func (l *leaf) scale(by float32) {
	for i := range l.value {
		l.value[i] *= by
	}
}

// learn adds something learned; an operation adds its gradient to the leaf's.
func (p *problem) learn(name string, value []float32) *leaf {
	l := &leaf{name: name, value: value, grad: make([]float32, len(value)), factor: 1}
	p.learned = append(p.learned, l)
	return l
}

func (p *problem) uniform(n int, from, to float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = p.value(from, to)
	}
	return v
}

// constant returns a tensor that no gradient is taken of.
func (p *problem) constant(b, t, c int) tensor.Tensor {
	return (&leaf{b: b, t: t, c: c, value: p.uniform(b*t*c, -1, 1)}).tensor(tensor.New(b, t, c))
}

func (p *problem) labels(b, t, n int) [][]int32 {
	codes := make([][]int32, b)
	for i := range codes {
		for range t {
			codes[i] = append(codes[i], int32(p.IntN(n)))
		}
	}
	return codes
}

// tensor copies an input's value into x.
func (l *leaf) tensor(x tensor.Tensor) tensor.Tensor {
	for i := range l.b * l.t {
		copy(x.Row(i/l.t, i%l.t), l.value[i*l.c:])
	}
	return x
}

// probe is the loss Σ x·weights, whose gradient is the weights.
func probe(r *Run, x, weights tensor.Tensor) float64 {
	r.SeedGrad(x, weights)
	var sum float64
	for i := range x.B * x.T {
		w := weights.Row(i/x.T, i%x.T)
		for j, v := range x.Row(i/x.T, i%x.T) {
			sum += float64(v) * float64(w[j])
		}
	}
	return sum
}

// probe makes a loss of tensors, which it takes: the sum of their values, each
// with a weight of its own.
func (p *problem) probe(r *Run, ys ...tensor.Tensor) float64 {
	var sum float64
	for _, y := range ys {
		if p.probed == len(p.probes) {
			p.probes = append(p.probes, p.constant(y.B, y.T, y.C))
		}
		for i := range y.B * y.T {
			p.outputs = append(p.outputs, y.Row(i/y.T, i%y.T)...)
		}
		sum += probe(r, y, p.probes[p.probed])
		p.probed++
		r.Free(y)
	}
	return sum
}

// A variant is a way of taking gradients that must not change them.
type variant struct {
	bf16   bool // with rounded operands
	name   string
	only   *leaf // the one input that counts, nil for all
	inputs bool  // whether any does
	frozen bool  // the weights
	// poison fills all memory that is free with NaN, first before the forward pass and
	// again before the backward pass, when the inputs and results have been freed.
	poison bool
}

// A gradient is what a problem gave.
type gradient struct {
	loss    float64
	outputs []float32
	of      map[*leaf][]float32
	left    int // pieces of memory that did not come back, the inputs' gradients not counted
}

// evaluate records the loss on r.
func (p *problem) evaluate(r *Run, v variant) (loss float64, xs []tensor.Tensor) {
	r.Record(Random{Seed: 1, Step: 2, Sample: 3})
	if v.poison {
		poison(r)
	}
	raw := make([]tensor.Tensor, len(p.inputs))
	for i, l := range p.inputs {
		raw[i] = l.tensor(r.New(l.b, l.t, l.c))
		x := r.Borrow(raw[i])
		if v.inputs && (v.only == nil || v.only == l) {
			x = r.RequireGrad(x)
		}
		xs = append(xs, x)
	}
	for _, w := range p.weights {
		w.frozen = v.frozen
	}
	p.probed, p.outputs = 0, p.outputs[:0]
	loss = p.loss(r, xs)
	r.Free(raw...)
	return loss, xs
}

// gradients takes all gradients.
func (p *problem) gradients(r *Run, v variant) gradient {
	for _, l := range p.learned {
		clear(l.grad)
	}
	loss, xs := p.evaluate(r, v)
	if v.poison {
		poison(r)
	}
	r.Backward()
	g := gradient{loss: loss, outputs: slices.Clone(p.outputs), of: map[*leaf][]float32{}, left: len(r.inUse)}
	for _, l := range p.learned {
		g.of[l] = slices.Clone(l.grad)
	}
	for i, l := range p.inputs {
		if xs[i].Var == 0 {
			continue
		}
		if r.tape.grads[xs[i].Var].Data != nil {
			g.left--
		}
		dx := r.Grad(xs[i])
		for j := range l.b * l.t {
			g.of[l] = append(g.of[l], dx.Row(j/l.t, j%l.t)...)
		}
	}
	return g
}

// poison fills the free memory of r with NaN.
func poison(r *Run) {
	for _, list := range r.free {
		for _, v := range list {
			for i := range v {
				v[i] = float32(math.NaN())
			}
		}
	}
}

// difference returns the derivative of the loss in a direction, the change of
// value that move makes with a step of h: by central differences with the error
// of second order taken out.
func (p *problem) difference(r *Run, h float64, move func(step float32)) float64 {
	at := func(step float64) float64 {
		move(float32(step))
		loss, _ := p.evaluate(r, variant{inputs: true})
		move(float32(-step))
		return loss
	}
	return (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
}

const (
	coordinates = 24 // of each leaf, compared one by one
	directions  = 3  // of each leaf, with all its values at once
	tolerance   = 1e-3
)

// compare compares a gradient with differences: single values, of a leaf with few
// all of them, and sums over a whole leaf with random signs, in which a single
// wrong value shows wherever it stands.
func (p *problem) compare(t *testing.T, r *Run, g gradient) {
	leaves := slices.Concat(p.inputs, p.learned)
	singles := coordinates
	if slices.ContainsFunc(leaves, func(l *leaf) bool { return len(l.value) > 1000 }) {
		singles = coordinates / 4 // the long ones take long
	}
	for _, l := range leaves {
		grad := g.of[l]
		var square float64
		for _, v := range grad {
			square += float64(v) * float64(v)
		}
		typical := math.Sqrt(square / float64(len(grad)))
		if l.idle != (typical == 0) {
			t.Errorf("%s: gradient of norm %v", l.name, math.Sqrt(square))
		}
		if l.idle {
			continue
		}
		at := p.Perm(len(grad))
		for _, i := range at[:min(len(at), singles)] {
			want := l.factor * p.difference(r, p.step, func(step float32) { l.value[i] += step })
			got := float64(grad[i])
			if !(math.Abs(got-want) <= tolerance*(typical+math.Abs(want))) {
				t.Errorf("%s: gradient %d is %v, by differences %v, where %v is typical", l.name, i, got, want, typical)
				break
			}
		}
		signs := make([]float32, len(grad))
		for range directions {
			var got float64
			for i, v := range grad {
				signs[i] = float32(2*p.IntN(2) - 1)
				got += float64(v) * float64(signs[i])
			}
			want := l.factor * p.difference(r, p.step/8, func(step float32) {
				for i, s := range signs {
					l.value[i] += s * step
				}
			})
			if !(math.Abs(got-want) <= tolerance*(math.Sqrt(square)+math.Abs(want))) {
				t.Errorf("%s: derivative %v along a direction, by differences %v, where the norm is %v", l.name, got, want, math.Sqrt(square))
			}
		}
	}
}

// same compares the gradients of a variant with g, bit for bit.
func (g gradient) same(t *testing.T, p *problem, v variant, pool *parallel.Pool) {
	t.Helper()
	r := NewRun(pool)
	r.BF16 = v.bf16
	other := p.gradients(r, v)
	if v.poison { // now that there is memory to be poisoned
		other = p.gradients(r, v)
	}
	if other.left != 0 {
		t.Errorf("%s: %d tensors were never freed", v.name, other.left)
	}
	if other.loss != g.loss {
		t.Errorf("%s: loss %v instead of %v", v.name, other.loss, g.loss)
	}
	if !slices.Equal(other.outputs, g.outputs) {
		t.Errorf("%s: another result", v.name)
	}
	for _, l := range p.inputs {
		if v.inputs && (v.only == nil || v.only == l) && !slices.Equal(other.of[l], g.of[l]) {
			t.Errorf("%s: another gradient of %s", v.name, l.name)
		}
	}
	for _, l := range p.learned {
		if v.frozen && p.isWeight(l) {
			if slices.ContainsFunc(other.of[l], func(v float32) bool { return v != 0 }) {
				t.Errorf("%s: %s learned", v.name, l.name)
			}
		} else if !slices.Equal(other.of[l], g.of[l]) {
			t.Errorf("%s: another gradient of %s", v.name, l.name)
		}
	}
}

func (p *problem) isWeight(l *leaf) bool {
	return slices.ContainsFunc(p.weights, func(w *weights) bool { return w.v == l || w.b == l })
}

// TestGradients compares the gradient of every operation with finite differences,
// and looks whether it is the same bits on any number of threads, with each input
// alone, with frozen weights, and with NaN in all memory that is free.
func TestGradients(t *testing.T) {
	var pools []*parallel.Pool
	for threads := 1; threads <= 3; threads++ {
		pool := parallel.New(threads)
		defer pool.Close()
		pools = append(pools, pool)
	}
	for _, c := range gradientCases() {
		t.Run(c.op+"/"+c.name, func(t *testing.T) {
			p := c.problem()
			r := NewRun(pools[0])
			g := p.gradients(r, variant{inputs: true})
			if p.compare(t, r, g); g.left != 0 {
				t.Errorf("%d tensors were never freed", g.left)
			}
			g.same(t, p, variant{name: "two threads", inputs: true}, pools[1])
			g.same(t, p, variant{name: "three threads", inputs: true}, pools[2])
			g.same(t, p, variant{name: "poisoned", inputs: true, poison: true}, pools[0])
			if len(p.inputs) > 1 {
				for _, l := range p.inputs {
					g.same(t, p, variant{name: l.name + " alone", inputs: true, only: l}, pools[0])
				}
			}
			if len(p.learned) > 0 {
				g.same(t, p, variant{name: "constant inputs"}, pools[0])
			}
			if len(p.weights) > 0 {
				g.same(t, p, variant{name: "frozen", inputs: true, frozen: true}, pools[0])
				g.same(t, p, variant{name: "frozen, constant inputs", frozen: true}, pools[0])
			}
		})
	}
}
