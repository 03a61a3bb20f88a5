package nn

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/facodec-go/facodec/internal/weights"
)

// An Init returns the values [p.Len()] from which training starts a parameter. What
// is random in them depends on the seed and the parameter's name alone.
type Init func(p *Param, seed uint64) []float32

// InitialWeights returns the weights that training starts from: for each parameter
// what its layer declared. Layers for inference only have none.
func InitialWeights(params []*Param, seed uint64) weights.Source {
	shapes, byName := map[string][]int{}, map[string]*Param{}
	for _, p := range params {
		shapes[p.Name], byName[p.Name] = p.Shape, p
	}
	return weights.NewGenerated(shapes, func(name string) []float32 { return byName[name].initial(seed) })
}

func (p *Param) initial(seed uint64) []float32 {
	if p.Init == nil {
		panic("nn: no initial values for " + p.Name)
	}
	return p.Init(p, seed)
}

// Uniform is even over ±bound.
func Uniform(bound float64) Init {
	return func(p *Param, seed uint64) []float32 {
		r, v := p.random(seed), make([]float32, p.Len())
		for i := range v {
			v[i] = float32((2*r.Float64() - 1) * bound)
		}
		return v
	}
}

// KaimingUniform is PyTorch's default for the weight and the bias of a Linear or a
// convolution whose weight has this shape: U(±1/√fan), fan being all axes but the
// first. Those of a transposed convolution are counted likewise, though its first
// axis is the input (torch.nn.init, _calculate_fan_in_and_fan_out).
func KaimingUniform(shape []int) Init { return Uniform(1 / math.Sqrt(float64(product(shape[1:])))) }

// XavierUniform is U(±√(6/(in + out))), for weights [out, in, 1].
func XavierUniform(p *Param, seed uint64) []float32 {
	return Uniform(math.Sqrt(6/float64(p.Shape[0]+p.Shape[1])))(p, seed)
}

// Normal is N(0, 1).
func Normal(p *Param, seed uint64) []float32 {
	r, v := p.random(seed), make([]float32, p.Len())
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// Constant is the same value everywhere.
func Constant(value float32) Init {
	return func(p *Param, _ uint64) []float32 { return slices.Repeat([]float32{value}, p.Len()) }
}

// OnesThenZeros is 1 in the first half and 0 in the second: a scale and a shift that
// change nothing.
func OnesThenZeros(p *Param, _ uint64) []float32 {
	v := make([]float32, p.Len())
	for i := range v[:len(v)/2] {
		v[i] = 1
	}
	return v
}

// initNorms are the norms of the rows of v, with which weight norm leaves v itself.
func initNorms(v *Param) Init {
	return func(p *Param, seed uint64) []float32 {
		g, values := make([]float32, p.Len()), v.initial(seed)
		row := len(values) / len(g)
		for i := range g {
			var square float64
			for _, x := range values[i*row : (i+1)*row] {
				square += float64(x) * float64(x)
			}
			g[i] = float32(math.Sqrt(square))
		}
		return g
	}
}

// random returns the random numbers of a parameter.
func (p *Param) random(seed uint64) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(p.Name) {
		h = (h ^ uint64(p.Name[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
