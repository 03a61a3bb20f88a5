package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// weights are TrainableWeights in the simplest form: v [out][in][k].
type weights struct {
	v, b       *leaf
	bias       []float32 // b's values and the rest of a panel
	out, in, k int
	frozen     bool
}

// filter adds weights and a bias of the output channels.
func (p *problem) filter(name string, out, in, k int) (*weights, Filter) {
	w := p.matrix(name, out, in, k)
	w.withBias(p, name, out)
	return w, Filter{Trainable: w, Bias: w.bias}
}

// matrix adds weights alone.
func (p *problem) matrix(name string, out, in, k int) *weights {
	w := &weights{out: out, in: in, k: k}
	w.v = p.learn(name+" weights", p.uniform(out*in*k, -1, 1))
	p.weights = append(p.weights, w)
	return w
}

func (w *weights) withBias(p *problem, name string, n int) {
	w.bias = make([]float32, tensor.RoundUp(n))
	w.b = p.learn(name+" bias", w.bias[:n])
	copy(w.bias, p.uniform(n, -1, 1))
}

func (w *weights) Frozen() bool { return w.frozen }

func (w *weights) Pack(r *Run) *kernel.Panels {
	p := r.Panels(w.k, w.in, w.out)
	clear(p.Data)
	for o := range w.out {
		for i := range w.in {
			for k := range w.k {
				p.Data[p.Index(k, i, o)] = w.v.value[(o*w.in+i)*w.k+k]
			}
		}
	}
	return p
}

func (w *weights) PackInputGrad(r *Run, stride int) []*kernel.Panels {
	var phases []*kernel.Panels
	for phase := range stride {
		var taps []int
		for k := phase; k < w.k; k += stride {
			taps = append([]int{k}, taps...)
		}
		p := r.Panels(len(taps), w.out, w.in)
		clear(p.Data)
		for at, k := range taps {
			for o := range w.out {
				for i := range w.in {
					p.Data[p.Index(at, o, i)] = w.v.value[(o*w.in+i)*w.k+k]
				}
			}
		}
		phases = append(phases, p)
	}
	return phases
}

func (w *weights) AccumulateGrad(_ *Run, dw []float32, ld int, db []float32) {
	for o := range w.out {
		for i := range w.in {
			for k := range w.k {
				w.v.grad[(o*w.in+i)*w.k+k] += dw[(o*w.k+k)*ld+i]
			}
		}
	}
	if w.b != nil {
		for i := range w.b.grad {
			w.b.grad[i] += db[i]
		}
	}
}

// snake adds a Snake whose α and inv are learned as if they had nothing to do
// with each other.
func (p *problem) snake(c int) *Snake {
	s := &Snake{Alpha: make([]float32, tensor.RoundUp(c)), Inv: make([]float32, tensor.RoundUp(c))}
	copy(s.Alpha, p.uniform(c, 0.5, 2))
	copy(s.Inv, p.uniform(c, 0.5, 1.5))
	alpha, inv := p.learn("alpha", s.Alpha[:c]), p.learn("inv", s.Inv[:c])
	s.OnGrad = func(da, dinv []float32) {
		for i, v := range s.Inv[:c] {
			alpha.grad[i] += da[i] * v
			inv.grad[i] += dinv[i]
		}
	}
	return s
}

// activation adds one by its name.
func (p *problem) activation(name string, c int) Activation {
	switch name {
	case "snake":
		return p.snake(c)
	case "tanh":
		return Tanh
	case "mish":
		return Mish
	case "gelu":
		return GELU
	}
	return nil
}

// A convCase is a convolution of b sequences of t rows.
type convCase struct {
	name    string
	b, t    int
	in, out int
	shape   ConvShape
	act     string
	init    string // "", "rows" or "row"
}

func (c convCase) gradientCase() gradientCase {
	return gradientCase{"Conv", c.name, func(p *problem) {
		p.input(c.b, c.t, c.in)
		act := p.activation(c.act, c.in)
		_, f := p.filter("", c.out, c.in, c.shape.K)
		switch c.init {
		case "rows":
			rows := (c.t + c.shape.Stride - 1) / c.shape.Stride
			p.input(c.b, rows, c.out)
		case "row":
			p.input(c.b, 1, c.out)
		}
		slot := NewSlot()
		p.loss = func(r *Run, x []tensor.Tensor) float64 {
			if c.init == "" {
				return p.probe(r, r.Conv(slot, f, c.shape, act, x[0], nil))
			}
			return p.probe(r, r.Conv(slot, f, c.shape, act, x[0], &x[1]))
		}
	}}
}

func convCases() []gradientCase {
	causal := func(k, stride, dilation int) ConvShape {
		return ConvShape{K: k, Stride: stride, Dilation: dilation, Causal: true}
	}
	centered := func(k, stride, dilation int) ConvShape {
		return ConvShape{K: k, Stride: stride, Dilation: dilation}
	}
	zero := func(k, stride, dilation int) ConvShape {
		return ConvShape{K: k, Stride: stride, Dilation: dilation, Zero: true}
	}
	var cases []gradientCase
	for _, c := range []convCase{
		{"causal, of one channel", 1, 30, 1, 5, causal(7, 1, 1), "", ""},
		{"causal, to one channel", 1, 30, 5, 1, causal(7, 1, 3), "snake", ""},
		{"causal, dilation 9, batch", 3, 70, 5, 5, causal(7, 1, 9), "snake", "rows"},
		{"centered, batch", 3, 20, 5, 5, centered(7, 1, 1), "", ""},
		{"centered, dilation 3, two panels", 3, 20, 17, 33, centered(7, 1, 3), "tanh", "row"},
		{"centered, dilation 9", 1, 70, 16, 17, centered(7, 1, 9), "snake", ""},
		{"causal, shorter than the padding", 3, 5, 5, 5, causal(7, 1, 9), "snake", ""},
		{"centered, shorter than the padding", 3, 4, 3, 3, centered(7, 1, 3), "", ""},
		{"centered, one row", 1, 1, 3, 2, centered(7, 1, 3), "mish", "rows"},
		{"stride 2, causal", 1, 31, 33, 16, causal(4, 2, 1), "snake", ""},
		{"stride 2, centered", 3, 29, 5, 5, centered(4, 2, 1), "", "rows"},
		{"stride 5, causal", 1, 52, 5, 7, causal(10, 5, 1), "snake", ""},
		{"stride 5, centered", 3, 23, 5, 5, centered(10, 5, 1), "tanh", "row"},
		{"stride 5, shorter than the padding", 3, 3, 2, 3, causal(10, 5, 1), "", ""},
		{"zeros", 3, 20, 5, 5, zero(5, 1, 1), "", ""},
		{"zeros, dilation 9", 1, 25, 5, 5, zero(3, 1, 9), "tanh", "rows"},
		{"zeros, stride 3", 3, 17, 1, 5, zero(5, 3, 1), "", ""},
		{"zeros, stride 3, two panels", 1, 32, 17, 33, zero(5, 3, 1), "", ""},
		{"zeros, stride 3, two rows", 3, 2, 1, 1, zero(5, 3, 1), "", ""},
		{"one tap", 3, 20, 5, 17, zero(1, 1, 1), "", ""},
		{"one tap, a row for all", 3, 20, 5, 5, zero(1, 1, 1), "", "row"},
		{"one tap, snake", 1, 20, 17, 5, causal(1, 1, 1), "snake", ""},
		{"one tap, tanh", 3, 9, 5, 5, causal(1, 1, 1), "tanh", "rows"},
		{"one tap, stride 3", 3, 11, 2, 3, zero(1, 3, 1), "", ""},
		{"long", 1, 1100, 3, 20, causal(7, 1, 3), "snake", "rows"},
	} {
		cases = append(cases, c.gradientCase())
	}
	return append(cases, gradientCase{"Conv", "residual unit", func(p *problem) {
		p.input(2, 25, 5)
		snake1, snake2 := p.snake(5), p.snake(5)
		_, f1 := p.filter("first", 5, 5, 7)
		_, f2 := p.filter("second", 5, 5, 1)
		slot1, slot2 := NewSlot(), NewSlot()
		p.loss = func(r *Run, x []tensor.Tensor) float64 {
			h := r.Conv(slot1, f1, causal(7, 1, 3), snake1, x[0], nil)
			y := r.Conv(slot2, f2, causal(1, 1, 1), snake2, h, &x[0])
			r.Free(h)
			return p.probe(r, y)
		}
	}})
}

func transposeCases() []gradientCase {
	var cases []gradientCase
	for _, c := range []struct {
		name            string
		b, t            int
		in, out, stride int
		causal          bool
		act             string
	}{
		{"causal", 3, 7, 5, 3, 2, true, ""},
		{"causal, snake", 1, 9, 17, 16, 5, true, "snake"},
		{"centered", 1, 7, 5, 1, 3, false, ""},
		{"centered, snake", 3, 6, 33, 17, 2, false, "snake"},
		{"centered, stride 5", 3, 4, 2, 3, 5, false, "tanh"},
		{"one row", 3, 1, 5, 5, 4, true, "snake"},
		{"centered, one row", 3, 1, 5, 5, 5, false, "snake"},
		{"long", 2, 600, 3, 2, 2, false, "snake"},
	} {
		cases = append(cases, gradientCase{"ConvTranspose", c.name, func(p *problem) {
			p.input(c.b, c.t, c.in)
			act := p.activation(c.act, c.in)
			w := p.matrix("", c.in, c.out, 2*c.stride)
			w.withBias(p, "", c.out)
			f := TransposedFilter{Trainable: w, Bias: w.bias, Causal: c.causal, Channels: c.out, Stride: c.stride}
			slot := NewSlot()
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.ConvTranspose(slot, f, act, x[0])) }
		}})
	}
	return cases
}

func conv2DCases() []gradientCase {
	var cases []gradientCase
	for _, c := range []struct {
		name                    string
		b, frames, bins         int
		in, out, kernel, stride int
		taps                    int // over frames
	}{
		{"stride 1", 1, 4, 7, 2, 3, 3, 1, 3},
		{"stride 1, batch", 3, 3, 9, 2, 17, 9, 1, 3},
		{"stride 2, odd bins", 3, 2, 11, 2, 5, 9, 2, 3},
		{"stride 2, even bins", 1, 5, 12, 17, 3, 9, 2, 3},
		{"stride 2, one frame", 2, 1, 8, 3, 2, 3, 2, 3},
		{"stride 2, many channels", 1, 3, 13, 32, 32, 9, 2, 3},
		{"stride 2, fewer bins than taps", 3, 3, 4, 2, 2, 9, 2, 3},
		{"to one channel", 3, 4, 6, 32, 1, 3, 1, 3},
		{"long", 2, 24, 33, 2, 4, 9, 2, 3},
		{"eight channels", 2, 3, 14, 8, 8, 9, 2, 3},
		{"eight channels, stride 1", 10, 2, 9, 8, 8, 3, 1, 3},
		{"sequences of one channel, stride 3", 2, 3, 17, 1, 8, 5, 3, 1},
		{"sequences, stride 3", 9, 2, 13, 8, 16, 5, 3, 1},
		{"sequences of many channels", 1, 2, 5, 256, 80, 5, 3, 1},
		{"images of many channels", 1, 2, 5, 256, 256, 3, 1, 3},
		{"sequences to one channel", 2, 2, 7, 64, 1, 3, 1, 1},
	} {
		cases = append(cases, gradientCase{"Conv2D", c.name, func(p *problem) {
			p.input(c.b*c.frames, c.bins, c.in)
			_, f := p.filter("", c.out, c.in, c.taps*c.kernel)
			s := Conv2DShape{Frames: c.taps, Bins: c.kernel, Stride: c.stride}
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				image := r.Image(x[0], c.frames, c.taps/2)
				defer r.Free(image.Tensor)
				return p.probe(r, cropped(r, r.Conv2D(f, s, image)))
			}
		}})
	}
	return cases
}

func lstmCases() []gradientCase {
	layer := func(p *problem, in, hidden int) LSTMFilter {
		gates := 4 * tensor.RoundUp(hidden)
		w, input := p.filter("input", gates, in, 1)
		recurrent := p.matrix("recurrent", gates, hidden, 1)
		// Units that are not there have weights of zero.
		for o := range gates {
			if o/(4*kernel.Width)*kernel.Width+o%kernel.Width >= hidden {
				clear(w.v.value[o*in:][:in])
				clear(recurrent.v.value[o*hidden:][:hidden])
				input.Bias[o] = 0
			}
		}
		return LSTMFilter{Input: input, Recurrent: Filter{Trainable: recurrent}, Hidden: hidden}
	}
	var cases []gradientCase
	for _, c := range []struct {
		name             string
		b, t, in, hidden int
	}{
		{"5 units", 2, 6, 3, 5},
		{"16 units", 2, 5, 16, 16},
		{"33 units", 2, 4, 33, 33},
		{"one row", 3, 1, 5, 5},
		{"one unit, long", 1, 600, 1, 1},
	} {
		cases = append(cases, gradientCase{"LSTM", c.name, func(p *problem) {
			p.input(c.b, c.t, c.in)
			p.step = 1. / 16
			f, slot := layer(p, c.in, c.hidden), NewSlot()
			p.weights[1].v.idle = c.t == 1
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.LSTM(slot, f, x[0])) }
		}})
	}
	return append(cases, gradientCase{"LSTM", "two layers and the skip", func(p *problem) {
		p.input(2, 5, 5)
		p.step = 1. / 16
		f1, f2, slot1, slot2 := layer(p, 5, 5), layer(p, 5, 5), NewSlot(), NewSlot()
		p.loss = func(r *Run, x []tensor.Tensor) float64 {
			h1 := r.LSTM(slot1, f1, x[0])
			h2 := r.LSTM(slot2, f2, h1)
			r.Free(h1)
			y := r.Add(h2, x[0])
			r.Free(h2)
			return p.probe(r, y)
		}
	}})
}

func attentionCases() []gradientCase {
	var cases []gradientCase
	for _, c := range []struct {
		name           string
		b, t, c, heads int
	}{
		{"one head", 2, 5, 5, 1},
		{"two heads", 2, 7, 34, 2},
		{"more than a block", 1, 131, 4, 2},
	} {
		cases = append(cases, gradientCase{"Attention", c.name, func(p *problem) {
			for range 3 {
				p.input(c.b, c.t, c.c)
			}
			p.step = 1. / 16
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, r.Attention(x[0], x[1], x[2], c.heads))
			}
		}})
	}
	return append(cases, gradientCase{"Attention", "of one tensor", func(p *problem) {
		p.input(2, 6, 4)
		p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.Attention(x[0], x[0], x[0], 2)) }
	}})
}
