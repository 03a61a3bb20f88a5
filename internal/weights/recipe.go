package weights

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// The recipe of the golden numbers (testdata/golden/README.md) makes every
// parameter from its name alone, so that full-size networks can be compared
// with upstream (PyTorch), and tried out, without a file of 550 MB.

const (
	fnvOffset = 0xCBF29CE484222325
	fnvPrime  = 0x100000001B3
	seedStep  = 0xD1342543DE82EF95
	stateStep = 0x9E3779B97F4A7C15 // SplitMix64's
)

// start returns the generator's state before element 0.
func start(seed uint64, name string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * fnvPrime
	}
	return h + seed*seedStep
}

// uniform returns the u of a state: 24 bits in [-1, 1), exact in float32 too.
func uniform(z uint64) float64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(int64(z>>40)-1<<23) / (1 << 23)
}

// Uniform returns the u values of a name, in [-1, 1). The golden inputs and
// probes are made of them.
func Uniform(seed uint64, name string, n int) []float64 {
	values := make([]float64, n)
	z := start(seed, name)
	for i := range values {
		z += stateStep
		values[i] = uniform(z)
	}
	return values
}

// RandomValues makes one parameter by the golden recipe. Buffers that are
// computed (filter, window, fb) are not for it; num_batches_tracked is 0, as in
// a network that was never trained.
func RandomValues(seed uint64, name string, shape []int) []float32 {
	if isNS3(name) {
		return randomNS3Values(seed, name, shape)
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	center, scale := spread(name, shape)
	if scale == 0 {
		return values
	}
	z := start(seed, name)
	for i := range values {
		z += stateStep
		// The conversion keeps the product from being fused with the sum,
		// which would round differently on some machines.
		values[i] = float32(center + float64(scale*uniform(z)))
	}
	if strings.HasSuffix(name, "timbre_linear.bias") {
		for i := range values[:n/2] {
			values[i]++
		}
	}
	return values
}

// spread returns the center and scale of a parameter: the first rule that fits.
func spread(name string, shape []int) (center, scale float64) {
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	fan := 1
	for _, d := range shape[min(1, len(shape)):] {
		fan *= d
	}
	switch {
	case leaf == "num_batches_tracked":
		return 0, 0
	case leaf == "weight_g" && strings.HasPrefix(name, "decoder."):
		return 0.65, 0.1
	case leaf == "weight_g":
		return 0.8, 0.1
	case leaf == "weight_v":
		return 0, 1
	case (leaf == "alpha" || leaf == "beta") && len(shape) == 3:
		return 1, 0.5
	case leaf == "alpha" || leaf == "beta":
		return 0, 0.3
	case strings.HasSuffix(name, "codebook.weight"), strings.Contains(name, "_embed."):
		return 0, 1
	case strings.HasPrefix(leaf, "weight_ih"), strings.HasPrefix(leaf, "weight_hh"):
		return 0, 0.6 * math.Sqrt(3/float64(fan))
	case leaf == "running_mean":
		return 0, 0.1
	case leaf == "running_var":
		return 1, 0.3
	case leaf == "weight" && len(shape) == 1:
		return 1, 0.2
	case strings.HasPrefix(leaf, "weight"):
		return 0, math.Sqrt(3 / float64(fan))
	}
	return 0, 0.05
}

// A Spec is the name and shape of a parameter.
type Spec struct {
	Name  string
	Shape []int
}

type generated struct {
	names   []string
	tensors map[string]*Tensor
}

// NewRandom returns a Source that makes each parameter by the golden recipe
// when its values are asked for.
func NewRandom(seed uint64, specs []Spec) Source {
	shapes := make(map[string][]int, len(specs))
	for _, spec := range specs {
		shapes[spec.Name] = slices.Clone(spec.Shape)
	}
	return NewGenerated(shapes, func(name string) []float32 { return RandomValues(seed, name, shapes[name]) })
}

// NewGenerated returns a Source of parameters, with their shapes by name, whose
// values are made when they are asked for.
func NewGenerated(shapes map[string][]int, values func(name string) []float32) Source {
	s := &generated{names: slices.Sorted(maps.Keys(shapes)), tensors: make(map[string]*Tensor, len(shapes))}
	for name, shape := range shapes {
		s.tensors[name] = &Tensor{Name: name, Shape: shape, generate: func() []float32 { return values(name) }}
	}
	return s
}

func (s *generated) Names() []string { return slices.Clone(s.names) }

func (s *generated) Lookup(name string) (*Tensor, bool) {
	t, ok := s.tensors[name]
	return t, ok
}
