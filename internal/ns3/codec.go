package ns3

import (
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// The parts of a codec that a program may do without.
const (
	PartEncoder   = "encoder"
	PartQuantizer = "quantizer" // and what timbre and, in version 2, prosody come from
	PartDecoder   = "decoder"
)

// A Codec is the networks of an encoder's and a decoder's file. Once loaded it is
// read-only and serves any number of streams at the same time.
type Codec struct {
	Config
	Encoder   *Encoder
	Mel       *Mel // of version 2
	Quantizer *Quantizer
	Timbre    *nn.Transformer
	MelIn     *nn.Conv        // melspec_linear, of version 2
	Prosody   *nn.Transformer // melspec_encoder, of version 2
	Decoder   *Decoder
	parts     []part
}

// A part is a network that may stand in one file with others.
type part struct {
	name    string
	kind    Kind
	network *nn.Network
	keys    func(key string) bool // of this part
}

// EncoderKind and DecoderKind return which networks the codec's files hold.
func (c Config) EncoderKind() Kind {
	if c.V2 {
		return KindEncoderV2
	}
	return KindEncoder
}

// DecoderKind is EncoderKind's counterpart.
func (c Config) DecoderKind() Kind {
	if c.V2 {
		return KindDecoderV2
	}
	return KindDecoder
}

// NewCodec declares the networks, but for the parts that are left out: Load neither
// wants nor reads their tensors, and streams that need them must not be made.
func NewCodec(c Config, leftOut ...string) *Codec {
	l := &Codec{Config: c}
	add := func(name string, kind Kind, keys func(string) bool, declare func(*nn.Builder)) {
		if slices.Contains(leftOut, name) {
			return
		}
		b := nn.NewBuilder(string(kind))
		declare(b)
		l.parts = append(l.parts, part{name, kind, b.Network(), keys})
	}
	latent := c.Quantizer.Latent
	add(PartEncoder, c.EncoderKind(), func(string) bool { return true }, func(b *nn.Builder) {
		l.Encoder = NewEncoder(b, c.Encoder)
		if c.V2 {
			l.Mel = NewMel(b, c.ProsodyMels)
		}
	})
	add(PartQuantizer, c.DecoderKind(), func(key string) bool { return !isSynthesis(key) }, func(b *nn.Builder) {
		l.Quantizer = NewQuantizer(b, c.Quantizer)
		l.Timbre = nn.NewTransformer(b.In("timbre_encoder"), c.Timbre.of(latent, 0))
		if c.V2 {
			l.MelIn = nn.NewLinear(b.In("melspec_linear"), c.ProsodyMels, latent)
			l.Prosody = nn.NewTransformer(b.In("melspec_encoder"), c.Prosody.of(latent, 0))
		}
	})
	add(PartDecoder, c.DecoderKind(), isSynthesis, func(b *nn.Builder) { l.Decoder = NewDecoder(b, c.Decoder) })
	return l
}

// isSynthesis tells the keys of a Decoder from the others of its file.
func isSynthesis(key string) bool {
	return strings.HasPrefix(key, "timbre_linear.") || strings.HasPrefix(key, "model.")
}

// Networks returns the networks of all parts.
func (l *Codec) Networks() (networks []*nn.Network) {
	for _, p := range l.parts {
		networks = append(networks, p.network)
	}
	return networks
}

// Params returns every parameter, under its kind's name, a dot and its key.
func (l *Codec) Params() (params []*nn.Param) {
	for _, network := range l.Networks() {
		params = append(params, network.Params...)
	}
	return params
}

// Load derives the weights from the two checkpoints, under their bare keys, into
// region. A checkpoint of which no part is wanted may be nil.
func (l *Codec) Load(encoder, decoder weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	return loadParts(l.parts, l.sources(encoder, decoder), region, pool)
}

// Check says what would keep Load from loading the checkpoints, without loading them.
func (l *Codec) Check(encoder, decoder weights.Source) error {
	_, err := viewParts(l.parts, l.sources(encoder, decoder))
	return err
}

func (l *Codec) sources(encoder, decoder weights.Source) func(Kind) weights.Source {
	return func(k Kind) weights.Source {
		if k == l.EncoderKind() {
			return encoder
		}
		return decoder
	}
}

// viewParts returns the tensors of each part from the source of its kind, or says
// what is wrong with them.
func viewParts(parts []part, source func(Kind) weights.Source) (views []weights.Source, err error) {
	for _, p := range parts {
		src := source(p.kind)
		if src == nil {
			return nil, fmt.Errorf("%w: no checkpoint of the %v", nn.ErrTensors, p.kind)
		}
		view := partView{Named(src, p.kind), p}
		if err := nn.Check(view, p.network); err != nil {
			return nil, err
		}
		views = append(views, view)
	}
	return views, nil
}

func loadParts(parts []part, source func(Kind) weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	views, err := viewParts(parts, source)
	if err != nil {
		return err
	}
	for i, p := range parts {
		if err := p.network.Load(views[i], region, pool); err != nil {
			return err
		}
	}
	return nil
}

// partView is the tensors of one part.
type partView struct {
	weights.Source
	part part
}

func (v partView) Names() (names []string) {
	for _, name := range v.Source.Names() {
		if v.part.keys(strings.TrimPrefix(name, string(v.part.kind)+".")) {
			names = append(names, name)
		}
	}
	return names
}

// Fingerprints returns what stands for the values of a loaded codec's tensors: of
// those that give codes their meaning, and of those that turn what codes mean and a
// timbre into sound (see model.Fingerprint).
func (l *Codec) Fingerprints() (quantizer, decoder [16]byte) {
	prefix := string(l.DecoderKind()) + "."
	return model.Fingerprint(l.Networks(), []string{prefix + "quantizer."}),
		model.Fingerprint(l.Networks(), []string{prefix + "timbre_linear.", prefix + "model."})
}

// TimbreFingerprint is Fingerprints' for what turns a voice into its timbre.
func (l *Codec) TimbreFingerprint() [16]byte {
	return model.Fingerprint(l.Networks(), []string{string(l.EncoderKind()) + ".block.", string(l.DecoderKind()) + ".timbre_encoder."})
}

// TokensFingerprint is that of all tensors that turn a recording into codes and a
// timbre.
func (l *Codec) TokensFingerprint() [16]byte {
	prefix := string(l.DecoderKind()) + "."
	return model.Fingerprint(l.Networks(), []string{
		string(l.EncoderKind()) + ".", prefix + "quantizer.", prefix + "timbre_encoder.", prefix + "melspec_",
	})
}
