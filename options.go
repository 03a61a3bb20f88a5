package facodec

import (
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/nn"
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

// The families. NaturalSpeech3 was published in two versions of different weights:
// version 1 reconstructs, and a redecoder converts its codes; version 2 converts.
const (
	FAcodec          = codec.FAcodec          // Plachtaa/FAcodec, and codecs that facodec trains: 24 kHz
	NaturalSpeech3   = codec.NaturalSpeech3   // amphion/naturalspeech3_facodec, either version: 16 kHz
	NaturalSpeech3V1 = codec.NaturalSpeech3V1 // version 1
	NaturalSpeech3V2 = codec.NaturalSpeech3V2 // version 2
)

// WithFamily requires a family of the checkpoint, or chooses that of a random codec. By
// default any checkpoint is accepted, and a random codec is an FAcodec. Of a folder with
// both versions of NaturalSpeech3, a version chooses one; without it, version 1 is opened.
func WithFamily(f Family) Option {
	return func(o *options) (err error) {
		o.Family, o.Version, err = f.Split()
		return err
	}
}

// The precisions of WithPrecision, the most exact first.
const (
	Exact = string(nn.Exact) // float32; all sums in one order: the same bits for every release
	Fast  = string(nn.Fast)  // float32 with fewer multiplications, or AMX tiles of two bfloat16 values for each number; large weights in 16 bits
	BF16  = string(nn.BF16)  // bfloat16 products with float32 sums
	Int8  = string(nn.Int8)  // BF16, with the weights of large layers in 8 bits
)

// DefaultPrecision is that of a codec that is opened without WithPrecision.
const DefaultPrecision = string(codec.DefaultPrecision)

// WithPrecision chooses how products, nearly all of the work, are computed; a precision
// that this build does not have is an error. Whatever it is, results depend neither on the
// sizes of chunks nor on the number of threads. Fast decodes to within -60 dB of Exact, and
// at least 99.9 % of its codes are equal.
func WithPrecision(precision string) Option {
	return func(o *options) error {
		o.Precision = nn.Precision(precision)
		return codec.CheckPrecision(o.Precision)
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
