package facodec

import (
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/kernel"
)

// An Option changes how a model is opened.
type Option func(*options) error

type options struct{ codec.Options }

func collect(opts []Option) (codec.Options, error) {
	if err := kernel.CheckEnvironment(); err != nil {
		return codec.Options{}, err
	}
	var o options
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return codec.Options{}, err
		}
	}
	return o.Options, nil
}

// WithConfig reads the configuration from a file: an experiment file of upstream, or the
// config.yml of a published checkpoint. By default the checkpoint's own is used, or one
// next to it.
func WithConfig(path string) Option {
	return func(o *options) (err error) {
		o.Config, err = config.Load(path)
		return err
	}
}

// WithThreads sets the number of threads, by default one per CPU. Results do not depend
// on it.
func WithThreads(n int) Option {
	return func(o *options) error {
		o.Threads = n
		return codec.CheckThreads(n)
	}
}

// A Family is a family of models. Checkpoints, codes and timbres of one cannot be used
// with another.
type Family = codec.Family

// The families.
const (
	FAcodec        = codec.FAcodec        // Plachtaa/FAcodec, and codecs that facodec trains: 24 kHz
	NaturalSpeech3 = codec.NaturalSpeech3 // amphion/naturalspeech3_facodec: 16 kHz
)

// WithFamily requires a family of the checkpoint, or chooses that of a random codec. By
// default any checkpoint is accepted, and a random codec is an FAcodec.
func WithFamily(f Family) Option {
	return func(o *options) error {
		o.Family = f
		return codec.CheckFamily(f)
	}
}

// WithVersion chooses the version of a codec of the family NaturalSpeech3 if a folder has
// both: "v1", or "v2", which was published for voice conversion. The default is that of
// the file named, or v1.
func WithVersion(version string) Option {
	return func(o *options) error {
		o.Version = version
		return codec.CheckVersion(version)
	}
}

// WithoutDecoder does not load the decoder, more than half of the weights, for programs
// that only encode; the checkpoint need not have one. NewDecoder and everything that
// decodes then return ErrNotLoaded.
func WithoutDecoder() Option { return without(codec.Decoder) }

// WithoutEncoder does not load the encoder, for programs that only decode; the checkpoint
// need not have one. Everything that encodes then returns ErrNotLoaded; timbres can still
// be computed.
func WithoutEncoder() Option { return without(codec.Encoder) }

func without(network string) Option {
	return func(o *options) error {
		o.LeaveOut = append(o.LeaveOut, network)
		return nil
	}
}
