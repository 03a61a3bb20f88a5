package ns3

import (
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// The parts of a codec, in the order in which sound passes through. A program may do
// without the first or the last.
const (
	partEncoder   = "encoder"
	partQuantizer = "quantizer" // and what timbre and, in version 2, prosody come from
	partDecoder   = "decoder"
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
	network *nn.Network
	keys    func(key string) bool // says which are its own; nil: all of the file
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

// NewCodec declares the networks.
func NewCodec(c Config) *Codec {
	l := &Codec{Config: c}
	latent := c.Quantizer.Latent
	encoder, quantizer, decoder := nn.NewBuilder(string(c.EncoderKind())), nn.NewBuilder(string(c.DecoderKind())), nn.NewBuilder(string(c.DecoderKind()))
	encoder.Network().Codes, quantizer.Network().Codes = true, true
	l.Encoder = NewEncoder(encoder, c.Encoder)
	l.Quantizer = NewQuantizer(quantizer, c.Quantizer)
	l.Timbre = nn.NewTransformer(quantizer.In("timbre_encoder"), c.Timbre.of(latent, 0))
	if c.V2 {
		l.Mel = NewMel(encoder, c.ProsodyMels)
		l.MelIn = nn.NewLinear(quantizer.In("melspec_linear"), c.ProsodyMels, latent)
		l.Prosody = nn.NewTransformer(quantizer.In("melspec_encoder"), c.Prosody.of(latent, 0))
	}
	l.Decoder = NewDecoder(decoder, c.Decoder)
	l.parts = []part{
		{partEncoder, encoder.Network(), nil},
		{partQuantizer, quantizer.Network(), func(key string) bool { return !isSynthesis(key) }},
		{partDecoder, decoder.Network(), isSynthesis},
	}
	return l
}

// LeaveOut forgets a part, "encoder" or "decoder", that will not run: Load neither
// needs nor reads its tensors, and streams that need it must not be made. Timbres need
// the encoder.
func (l *Codec) LeaveOut(name string) {
	l.parts = slices.DeleteFunc(l.parts, func(p part) bool { return p.name == name })
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

// Load derives the weights from src, the tensors of both checkpoints (see Named and
// Join), into region.
func (l *Codec) Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	return loadParts(l.parts, src, region, pool)
}

// Check says what would keep Load from loading src, without loading it.
func (l *Codec) Check(src weights.Source) error { return checkParts(l.parts, src) }

func checkParts(parts []part, src weights.Source) error {
	for _, p := range parts {
		if err := nn.Check(partView{src, p}, p.network); err != nil {
			return err
		}
	}
	return nil
}

func loadParts(parts []part, src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	if err := checkParts(parts, src); err != nil {
		return err
	}
	for _, p := range parts {
		if err := p.network.Load(src, region, pool); err != nil {
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
		key, ok := strings.CutPrefix(name, v.part.network.Prefix+".")
		if ok && (v.part.keys == nil || v.part.keys(key)) {
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
