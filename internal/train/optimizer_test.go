package train

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

func TestSchedule(t *testing.T) {
	s := Schedule{LearningRate: 1e-3, Decay: 0.5, Warmup: 4}
	for n, want := range []float64{0.25e-3, 0.25e-3, 0.1875e-3, 0.125e-3, 0.0625e-3, 0.03125e-3} {
		if got := s.At(n); math.Abs(got-want) > 1e-15 {
			t.Errorf("step %d: %v, want %v", n, got, want)
		}
	}
}

// oneParam is a network of a single parameter in training.
func oneParam(t *testing.T, value, grad []float32) (*nn.Network, *parallel.Pool) {
	t.Helper()
	b := nn.NewBuilder("net")
	nn.NewSnake(b, len(value))
	n := b.Network()
	pool := parallel.New(1)
	t.Cleanup(pool.Close)
	n.Params[0].Value, n.Params[0].Grad = value, grad
	return n, pool
}

// TestOptimizer takes two steps by hand, the second with a gradient that is too
// large.
func TestOptimizer(t *testing.T) {
	n, pool := oneParam(t, []float32{1, -2}, []float32{0.3, 0.4})
	a := AdamW{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-9, WeightDecay: 0.1}
	o := NewOptimizer(n, a, Schedule{LearningRate: 0.01, Decay: 0.5}, 1, &tensor.Region{})
	value, m, v := []float64{1, -2}, []float64{0, 0}, []float64{0, 0}
	for step, grad := range [][]float64{{0.3, 0.4}, {30, 40}} {
		for i, g := range grad {
			n.Params[0].Grad[i] = float32(g)
		}
		norm := o.Norm(pool)
		if want := math.Hypot(grad[0], grad[1]); math.Abs(norm-want) > 1e-6*want {
			t.Errorf("norm %v, want %v", norm, want)
		}
		if err := o.Step(norm, 0, pool); err != nil {
			t.Fatal(err)
		}
		rate := 0.01 * math.Pow(0.5, float64(step))
		for i, g := range grad {
			g *= min(1, 1/(norm+1e-6))
			m[i] = 0.9*m[i] + 0.1*g
			v[i] = 0.98*v[i] + 0.02*g*g
			k := float64(step + 1)
			value[i] -= rate * 0.1 * value[i]
			value[i] -= rate * m[i] / (1 - math.Pow(0.9, k)) / (math.Sqrt(v[i]/(1-math.Pow(0.98, k))) + 1e-9)
			if got := float64(n.Params[0].Value[i]); math.Abs(got-value[i]) > 1e-6 {
				t.Errorf("step %d, value %d: %v, want %v", step, i, got, value[i])
			}
		}
	}
	if g := n.Params[0].Grad; g[0] != 0 || g[1] != 0 {
		t.Errorf("gradient %v", g)
	}
}

// TestEMA: the mean follows faster at first, and then by its decay.
func TestEMA(t *testing.T) {
	n, pool := oneParam(t, []float32{1}, []float32{0})
	e := NewEMA(0.999, &tensor.Region{}, n)
	n.Params[0].Value[0] = 2
	e.Update(0, pool) // decay 0.1
	if got := e.Means[0][0]; math.Abs(float64(got)-1.9) > 1e-6 {
		t.Errorf("after the first step %v, want 1.9", got)
	}
	e.Means[0][0] = 1
	e.Update(1e6, pool)
	if got := e.Means[0][0]; math.Abs(float64(got)-1.001) > 1e-6 {
		t.Errorf("after many %v, want 1.001", got)
	}
}

// TestEMAOfAnOptimizer: an optimizer that moves the means as it steps leaves them as Update
// alone does, of parameters that it steps and of those that it does not.
func TestEMAOfAnOptimizer(t *testing.T) {
	const n = 3*stepBlock + 5
	run := func(together bool) (means [2][]float32) {
		values, grads := make([]float32, n), make([]float32, n)
		for i := range n {
			values[i], grads[i] = float32(i%7), float32(i%5)-2
		}
		trained, pool := oneParam(t, values, grads)
		frozen, _ := oneParam(t, []float32{1, 2}, []float32{3, 4})
		o := NewOptimizer(trained, AdamW{0.9, 0.98, 1e-9, 0.1}, Schedule{LearningRate: 0.01, Decay: 1}, 0, &tensor.Region{})
		still := NewOptimizer(frozen, AdamW{0.9, 0.98, 1e-9, 0.1}, Schedule{LearningRate: 0.01, Decay: 1}, 0, &tensor.Region{})
		e := NewEMA(0.999, &tensor.Region{}, trained, frozen)
		if together {
			e.UpdateWith(o)
			e.UpdateWith(still)
		}
		for step := range 3 {
			frozen.Params[0].Value[0]++
			if err := o.Step(o.Norm(pool), e.Weight(step), pool); err != nil {
				t.Fatal(err)
			}
			e.Update(step, pool)
		}
		return [2][]float32{e.Means[0], e.Means[1]}
	}
	want, got := run(false), run(true)
	for i := range want {
		golden.Equal(t, fmt.Sprintf("mean %d", i), got[i], want[i])
	}
	if slices.Equal(want[0], make([]float32, n)) || want[1][0] == 1 {
		t.Error("no mean moved")
	}
}

// TestInitialWeights checks each kind of parameter against its distribution.
func TestInitialWeights(t *testing.T) {
	params := model.NewCodecTraining(smallConfig()).Params()
	src := nn.InitialWeights(params, 3)
	value := func(name string) []float32 {
		t.Helper()
		tensor, ok := src.Lookup(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		v, err := tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name  string
		bound float64 // of a uniform distribution
	}{
		{"encoder.block.1.block.1.block.1.conv.conv.weight_v", 1 / math.Sqrt(4*7)},
		{"encoder.block.1.block.1.block.1.conv.conv.bias", 1 / math.Sqrt(4*7)},
		{"decoder.model.2.block.1.convtr.convtr.weight_v", 1 / math.Sqrt(32*12)},
		{"encoder.block.5.lstm.weight_hh_l0", 1 / math.Sqrt(64)},
		{"encoder.block.5.lstm.bias_ih_l0", 1 / math.Sqrt(64)},
		{"quantizer.timbre_encoder.slf_attn.conv_q.weight", math.Sqrt(6.0 / 32)},
		{"quantizer.timbre_linear.weight", 1 / math.Sqrt(32)},
	} {
		v := value(c.name)
		var square, most float64
		for _, x := range v {
			square += float64(x) * float64(x)
			most = max(most, math.Abs(float64(x)))
		}
		rms, want := math.Sqrt(square/float64(len(v))), c.bound/math.Sqrt(3)
		if most > c.bound || len(v) > 100 && math.Abs(rms-want) > 0.15*want {
			t.Errorf("%s: up to %.4f, bound %.4f; rms %.4f, want %.4f", c.name, most, c.bound, rms, want)
		}
	}
	q, k := value("quantizer.timbre_encoder.slf_attn.conv_q.weight"), value("quantizer.timbre_encoder.slf_attn.conv_k.weight")
	for i := range q {
		if q[i] != k[i] {
			t.Fatal("k is no copy of q")
		}
	}
	g, v := value("decoder.model.0.conv.conv.weight_g"), value("decoder.model.0.conv.conv.weight_v")
	for i, x := range g {
		if length := norm2(v[i*len(v)/len(g) : (i+1)*len(v)/len(g)]); math.Abs(float64(x)-length) > 1e-6 {
			t.Fatalf("weight_g %v, length of weight_v %v", x, length)
		}
	}
	bias := value("quantizer.timbre_linear.bias")
	if bias[0] != 1 || bias[len(bias)-1] != 0 || value("encoder.block.6.alpha")[0] != 1 {
		t.Error("gamma, beta or alpha")
	}
}

func norm2(v []float32) float64 {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	return math.Sqrt(square)
}
