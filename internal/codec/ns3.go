package codec

import (
	"fmt"
	"slices"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// naturalspeech3 is the family of amphion/naturalspeech3_facodec.
type naturalspeech3 struct{ *ns3.Codec }

func (f naturalspeech3) NewEncoder(pool *parallel.Pool) EncoderStream {
	return f.NewEncoderStream(pool)
}

func (f naturalspeech3) NewTimbreEncoder(pool *parallel.Pool) TimbreStream {
	return f.NewTimbreStream(pool)
}

func (f naturalspeech3) NewDecoder(timbre []float32, pool *parallel.Pool) DecoderStream {
	return f.NewDecoderStream(timbre, pool)
}

func (f naturalspeech3) NewAnalyzer(pool *parallel.Pool) Analyzer { return f.NewAnalysisStream(pool) }

func (f naturalspeech3) Quantized(r *op.Run, codes model.Codes) [model.NumParts]tensor.Tensor {
	return f.Quantizer.DecodeParts(r, codes)
}

// declareNS3 returns a codec of the family whose weights are not loaded.
func declareNS3(c ns3.Config, o Options) *Codec {
	networks := naturalspeech3{ns3.NewCodec(c)}
	for _, network := range o.LeaveOut {
		networks.LeaveOut(network)
	}
	nn.SetPrecision(o.Precision, networks.Networks())
	version := V1
	if c.V2 {
		version = V2
	}
	q := c.Quantizer
	return &Codec{
		Networks: networks,
		Shape: Shape{
			Family: NaturalSpeech3, Version: version,
			SampleRate: ns3.SampleRate, Hop: ns3.Hop, Books: q.Books, CodebookSize: q.CodebookSize,
			Latent: q.Latent, Timbre: q.Latent, TimbreFromEncoder: true,
		},
		Precision: o.Precision,
		Pool:      parallel.New(o.Threads), region: &tensor.Region{}, leftOut: o.LeaveOut,
	}
}

// withEncoder keeps the encoder: timbres need it, and it is small.
func withEncoder(o Options) Options {
	o.LeaveOut = slices.DeleteFunc(slices.Clone(o.LeaveOut), func(network string) bool { return network == Encoder })
	return o
}

// loadNS3 makes a codec of the files of the family.
func loadNS3(name string, files *ns3Files, o Options) (*Codec, error) {
	o = withEncoder(o)
	var encoder weights.Source
	if files.encoder != nil {
		encoder = files.encoder
	} else { // it is missing
		o.LeaveOut = append(o.LeaveOut, Encoder)
	}
	config, err := ns3.ConfigOf(encoder, files.decoder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	src := ns3.Named(files.decoder, config.DecoderKind())
	if encoder != nil {
		src = ns3.Join(ns3.Named(encoder, config.EncoderKind()), src)
	}
	c := declareNS3(config, o)
	_, c.Random = checkpoint.Metadata(files.decoder, checkpoint.RandomKey)
	if err := c.Load(src, c.region, c.Pool); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// openRandomNS3 is OpenRandom for the family.
func openRandomNS3(seed uint64, o Options) (*Codec, error) {
	c := declareNS3(ns3.Published(o.Version == V2), withEncoder(o))
	c.Random = true
	if err := c.Load(randomSource(c.Params(), seed), c.region, c.Pool); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// randomSource makes parameters by the recipe of the golden numbers.
func randomSource(params []*nn.Param, seed uint64) weights.Source {
	var specs []weights.Spec
	for _, p := range params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	return weights.NewRandom(seed, specs)
}

// ns3Redecoder is the family's redecoder.
type ns3Redecoder struct{ *ns3.Redecoder }

func (r ns3Redecoder) NewDecoder(timbre []float32, pool *parallel.Pool) DecoderStream {
	return r.NewStream(timbre, pool)
}

// loadNS3Redecoder makes a redecoder for c of its checkpoint.
func (c *Codec) loadNS3Redecoder(name string, file *weights.File) (*Redecoder, error) {
	config, err := ns3.RedecoderConfigOf(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch books := config.Books; {
	case c.Family != NaturalSpeech3 || c.Version != V1:
		return nil, fmt.Errorf("%s: takes the codes of version 1 of the %s FACodec, and this codec is %s: %w",
			name, NaturalSpeech3, c.Name(), ErrKind)
	case config.CodebookSize != c.CodebookSize || config.Decoder.Latent != c.Timbre || books[model.Prosody] < c.Books[model.Prosody] || books[model.Content] < c.Books[model.Content]:
		return nil, fmt.Errorf("%s: made for a codec of %v books of %s and a timbre of %d, and this one has %v, %d and %d: %w",
			name, books, plural.Of(config.CodebookSize, "code"), config.Decoder.Latent, c.Books, c.CodebookSize, c.Timbre, ErrKind)
	}
	networks := ns3.NewRedecoder(config)
	nn.SetPrecision(c.Precision, networks.Networks())
	r := &Redecoder{codec: c, model: ns3Redecoder{networks}, region: &tensor.Region{}}
	if err := networks.Load(ns3.Named(file, ns3.KindRedecoder), r.region, c.Pool); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// checkNS3 says what keeps a file, called name, from being a network of a kind.
func checkNS3(kind ns3.Kind, file weights.Source, name string) error {
	if err := ns3.CheckKind(kind, file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
