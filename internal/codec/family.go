package codec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// networksOf declares the networks that a codec's configuration describes: the one
// place where a family is chosen.
func networksOf(c *config.Config) (Networks, Shape) {
	return facodec{model.NewCodec(model.CodecConfigOf(c))}, Shape{
		Family:     FAcodec,
		SampleRate: c.Preprocess.SampleRate, Hop: c.Preprocess.Spect.HopLength,
		Books: model.BooksOf(c), CodebookSize: c.Model.CodebookSize,
		Latent: c.Model.LatentDim, Timbre: c.Model.LatentDim,
	}
}

// facodec is the family of Plachtaa/FAcodec.
type facodec struct{ *model.Codec }

func (f facodec) NewEncoder(pool *parallel.Pool) EncoderStream { return f.NewEncoderStream(pool) }

func (f facodec) NewTimbreEncoder(pool *parallel.Pool) TimbreStream { return f.NewTimbreStream(pool) }

func (f facodec) NewDecoder(timbre []float32, pool *parallel.Pool) DecoderStream {
	return f.NewDecoderStream(timbre, pool)
}

func (f facodec) NewAnalyzer(pool *parallel.Pool) Analyzer {
	return &analyzer{EncoderStream: f.NewEncoder(pool), pool: pool, timbre: f.NewTimbreEncoder(pool), codec: f}
}

// analyzer runs an encoder and a timbre encoder side by side.
type analyzer struct {
	EncoderStream
	codec    facodec
	pool     *parallel.Pool
	timbre   TimbreStream
	profiler *op.Profiler
}

func (a *analyzer) Push(samples []float32, last bool) (codes model.Codes) {
	a.Append(&codes, samples, last)
	return codes
}

func (a *analyzer) Append(codes *model.Codes, samples []float32, last bool) {
	a.timbre.Push(samples)
	if last {
		a.timbre.EndClip()
	}
	a.EncoderStream.Append(codes, samples, last)
}

func (a *analyzer) Timbre() []float32 { return a.timbre.Timbre() }

func (a *analyzer) Reset() {
	a.EncoderStream.Reset()
	a.timbre = a.codec.NewTimbreEncoder(a.pool)
	a.timbre.Profile(a.profiler)
}

func (a *analyzer) Profile(p *op.Profiler) {
	a.profiler = p
	a.EncoderStream.Profile(p)
	a.timbre.Profile(p)
}

func (f facodec) Quantized(r *op.Run, codes model.Codes) [model.NumParts]tensor.Tensor {
	return f.Quantizer.DecodeParts(r, codes)
}

// Params lists the parameters of the model that a configuration describes, a
// codec's or a redecoder's.
func Params(c *config.Config) []*nn.Param {
	if c.IsRedecoder() {
		return model.NewRedecoder(model.RedecoderConfigOf(c)).Params()
	}
	networks, _ := networksOf(c)
	return networks.Params()
}

// Check returns an error unless src, called name in it, has the tensors of the model
// that a configuration describes.
func Check(c *config.Config, src weights.Source, name string) error {
	if err := check(c, src); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func check(c *config.Config, src weights.Source) error {
	if c.IsRedecoder() {
		return model.NewRedecoder(model.RedecoderConfigOf(c)).Check(src)
	}
	networks, _ := networksOf(c)
	return networks.Check(src)
}

// CheckKnown returns an error unless a file, called name in it, holds a model that this
// program opens; c is its configuration, nil for one that is given later.
func CheckKnown(c *config.Config, file *weights.File, name string) error {
	switch {
	case c != nil:
		return Check(c, file, name)
	case checkpoint.HasNetworks(file, Encoder, Decoder): // a codec's or a redecoder's
		return checkReadable(file, name)
	case model.NewJDC().Check(file) == nil:
		return nil
	}
	if kind, ok := ns3.KindOf(file); ok {
		return checkNS3(kind, file, name)
	}
	return fmt.Errorf("%s: %w: neither a codec's encoder, quantizer and decoder, nor a redecoder's encoder and decoder, nor a network of the family %s, nor a pitch network",
		name, nn.ErrTensors, NaturalSpeech3)
}

// checkReadable returns the error of the first unreadable tensor of the inference
// networks.
func checkReadable(file *weights.File, name string) error {
	for _, key := range file.Names() {
		t, _ := file.Lookup(key)
		if network, _, _ := strings.Cut(key, "."); slices.Contains(InferenceNetworks(nil), network) && t.Err() != nil {
			return fmt.Errorf("%s: %w", name, t.Err())
		}
	}
	return nil
}

// InferenceNetworks names the networks of inference of the model that a configuration
// describes; nil is a codec's.
func InferenceNetworks(c *config.Config) []string {
	if c != nil && c.IsRedecoder() {
		return []string{Encoder, Decoder}
	}
	return []string{Encoder, Quantizer, Decoder}
}
