package ns3

import (
	"strings"

	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// A buffer is a tensor that is computed and not learned.
type buffer struct {
	shape  []int
	values []float32
}

// Random returns the tensors of a published network, under their bare keys, with random
// weights by the recipe of the golden numbers, and those of its buffers that tell what
// network it is. Params are those of a codec or a redecoder.
func Random(kind Kind, params []*nn.Param, seed uint64) weights.Source {
	shapes := map[string][]int{}
	for _, p := range params {
		if key, ok := strings.CutPrefix(p.Name, string(kind)+"."); ok {
			shapes[key] = p.Shape
		}
	}
	buffers := map[string]buffer{}
	if kind == KindEncoderV2 {
		buffers = melBuffers()
	}
	for key, b := range buffers {
		shapes[key] = b.shape
	}
	return weights.NewGenerated(shapes, func(key string) []float32 {
		if b, ok := buffers[key]; ok {
			return b.values
		}
		return weights.RandomValues(seed, string(kind)+"."+key, shapes[key])
	})
}

// ParamsOf returns the parameters of the model that a kind is a network of, at the
// published sizes.
func ParamsOf(kind Kind) []*nn.Param {
	switch kind {
	case KindRedecoder:
		return NewRedecoder(PublishedRedecoder()).Params()
	case KindEncoderV2, KindDecoderV2:
		return NewCodec(Published(true)).Params()
	}
	return NewCodec(Published(false)).Params()
}
