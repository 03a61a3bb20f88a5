package ns3

import (
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// A Kind is one of the networks, each of which is published in a file of its own
// under bare keys. Here its parameters are called by the kind, a dot and their key.
type Kind string

// The five networks of the family.
const (
	KindEncoder   Kind = "ns3_encoder"
	KindDecoder   Kind = "ns3_decoder" // quantizer, timbre and synthesis
	KindEncoderV2 Kind = "ns3_encoder_v2"
	KindDecoderV2 Kind = "ns3_decoder_v2"
	KindRedecoder Kind = "ns3_redecoder"
)

// Kinds are all of them.
var Kinds = []Kind{KindEncoder, KindDecoder, KindEncoderV2, KindDecoderV2, KindRedecoder}

// Published returns the name of the file in which the network is published.
func (k Kind) Published() string {
	return "ns3_facodec" + strings.TrimPrefix(string(k), "ns3") + ".bin"
}

// String returns what messages call the network.
func (k Kind) String() string {
	return strings.ReplaceAll(strings.TrimPrefix(string(k), "ns3_"), "_", " ")
}

// KindOf tells by its keys which network a checkpoint holds, if it is one of the
// family's. The first family's keys all begin with a network's name.
func KindOf(src weights.Source) (Kind, bool) {
	has := func(key string) bool {
		_, ok := src.Lookup(key)
		return ok
	}
	switch {
	case has("mel_transform.mel_basis"):
		return KindEncoderV2, true
	case has("block.0.weight_g"):
		return KindEncoder, true
	case has("prosody_embs.0.weight"):
		return KindRedecoder, true
	case has("melspec_linear.weight"):
		return KindDecoderV2, true
	case has("quantizer.0.layers.0._codebook.weight"):
		return KindDecoder, true
	}
	return "", false
}

// Named returns a published network's tensors under the names that its parameters
// have here, but for those that take no part in inference: the predictors, more than
// two thirds of a decoder's file.
func Named(src weights.Source, kind Kind) weights.Source {
	return named{src, string(kind) + "."}
}

type named struct {
	src    weights.Source
	prefix string
}

func (n named) Names() []string {
	var names []string
	for _, name := range n.src.Names() {
		if !IsTraining(name) {
			names = append(names, n.prefix+name)
		}
	}
	return names
}

func (n named) Lookup(name string) (*weights.Tensor, bool) {
	key, ok := strings.CutPrefix(name, n.prefix)
	if !ok {
		return nil, false
	}
	return n.src.Lookup(key)
}

// trainingParts begin the keys of what only training uses.
var trainingParts = []string{"f0_predictor.", "phone_predictor.", "res_f0_predictor.", "res_phone_predictor.", "x_timbre_predictor."}

// IsTraining tells the keys of what only training uses.
func IsTraining(key string) bool {
	return slices.ContainsFunc(trainingParts, func(part string) bool { return strings.HasPrefix(key, part) })
}

// Join returns the tensors of several sources, whose names must differ.
func Join(sources ...weights.Source) weights.Source { return joined(sources) }

type joined []weights.Source

func (j joined) Names() (names []string) {
	for _, src := range j {
		names = append(names, src.Names()...)
	}
	return names
}

func (j joined) Lookup(name string) (*weights.Tensor, bool) {
	for _, src := range j {
		if t, ok := src.Lookup(name); ok {
			return t, true
		}
	}
	return nil, false
}

// ErrShapes is wrapped by the error for a checkpoint whose sizes cannot be read off
// its tensors.
var ErrShapes = fmt.Errorf("%w of the family", nn.ErrTensors)
