package train

import (
	"math"
	"math/rand/v2"
	"strings"

	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// InitialWeights returns the weights that training starts from: PyTorch's
// defaults for each layer, and what the originals change of them. Each parameter
// has random numbers of its own, by its name and the seed.
func InitialWeights(params []*nn.Param, seed uint64) weights.Source {
	i := initializer{seed: seed, shapes: map[string][]int{}}
	for _, p := range params {
		i.shapes[p.Name] = p.Shape
	}
	return weights.NewGenerated(i.shapes, i.values)
}

type initializer struct {
	seed   uint64
	shapes map[string][]int
}

// values makes one parameter:
//
//   - convolutions and Linear: U(±1/√fan) for weight and bias, weight_g = ‖weight_v‖;
//   - LSTM: U(±1/√hidden);
//   - codebooks and embeddings: N(0, 1);
//   - Snake: α = 1; SnakeBeta: the logarithms are 0;
//   - attention's q, k and v: Xavier-uniform, k being a copy of q;
//   - timbre_linear's bias: 1 for gamma, 0 for beta.
func (i *initializer) values(name string) []float32 {
	shape := i.shapes[name]
	v := make([]float32, size(shape))
	dot := strings.LastIndexByte(name, '.')
	layer, leaf := name[:dot], name[dot+1:]
	switch {
	case leaf == "weight_g":
		i.norms(v, i.values(layer+".weight_v"))
	case leaf == "alpha" && len(shape) == 3:
		for j := range v {
			v[j] = 1
		}
	case leaf == "alpha", leaf == "beta":
	case strings.HasSuffix(name, "codebook.weight"), strings.Contains(name, "_embed."):
		r := i.random(name)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
	case strings.HasSuffix(name, "timbre_linear.bias"):
		for j := range v[:len(v)/2] {
			v[j] = 1
		}
	case strings.Contains(name, ".lstm."):
		// hidden is a quarter of every array's first axis.
		i.uniform(v, name, 1/math.Sqrt(float64(shape[0])/4))
	case leaf == "weight" && strings.HasSuffix(layer, "slf_attn.conv_k"):
		return i.values(strings.TrimSuffix(layer, "conv_k") + "conv_q.weight")
	case leaf == "weight" && (strings.HasSuffix(layer, "slf_attn.conv_q") || strings.HasSuffix(layer, "slf_attn.conv_v")):
		i.uniform(v, name, math.Sqrt(6/float64(shape[0]+shape[1])))
	default: // a weight, or the bias beside it
		i.uniform(v, name, 1/math.Sqrt(float64(i.fan(layer))))
	}
	return v
}

// fan returns the inputs of each output of a layer: all axes but the first. A
// transposed convolution's are counted likewise, though its first axis is the
// input (torch.nn.init, _calculate_fan_in_and_fan_out).
func (i *initializer) fan(layer string) int {
	shape := i.shapes[layer+".weight"]
	if shape == nil {
		shape = i.shapes[layer+".weight_v"]
	}
	return size(shape[1:])
}

func (i *initializer) norms(g, v []float32) {
	n := len(v) / len(g)
	for j := range g {
		var square float64
		for _, x := range v[j*n : (j+1)*n] {
			square += float64(x) * float64(x)
		}
		g[j] = float32(math.Sqrt(square))
	}
}

func (i *initializer) uniform(v []float32, name string, bound float64) {
	r := i.random(name)
	for j := range v {
		v[j] = float32((2*r.Float64() - 1) * bound)
	}
}

func (i *initializer) random(name string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for j := range len(name) {
		h = (h ^ uint64(name[j])) * 1099511628211
	}
	return rand.New(rand.NewPCG(i.seed, h))
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
