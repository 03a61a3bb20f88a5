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

// WithConfig reads the configuration from a file: upstream's experiment file or the
// config.yml beside a published checkpoint. Without it the checkpoint's own is used,
// or one that lies beside it.
func WithConfig(path string) Option {
	return func(o *options) (err error) {
		o.Config, err = config.Load(path)
		return err
	}
}

// WithThreads sets how many threads one utterance is computed on, by default one
// for each CPU. It changes no result.
func WithThreads(n int) Option {
	return func(o *options) error {
		o.Threads = n
		return codec.CheckThreads(n)
	}
}

// A Family is a family of models: checkpoints, codes and timbres of one mean nothing to
// another.
type Family = codec.Family

// The families.
const (
	FAcodec        = codec.FAcodec        // Plachtaa/FAcodec, and what is trained here: 24 kHz
	NaturalSpeech3 = codec.NaturalSpeech3 // amphion/naturalspeech3_facodec: 16 kHz
)

// WithFamily says which family the checkpoint must be of, or the random codec. Without
// it, a checkpoint is what its tensors are, and a random codec is an FAcodec.
func WithFamily(f Family) Option {
	return func(o *options) error {
		o.Family = f
		return codec.CheckFamily(f)
	}
}

// WithVersion says which codec of the family NaturalSpeech3 is opened, of a folder with
// both: "v1", the first, or "v2", which was published for converting voices by itself.
// Without it, it is that of the file named, or v1.
func WithVersion(version string) Option {
	return func(o *options) error {
		o.Version = version
		return codec.CheckVersion(version)
	}
}

// WithoutDecoder leaves the decoder's weights aside, more than half of them, for
// programs that only encode: the checkpoint need not have any. NewDecoder and what
// decodes return ErrNotLoaded then.
func WithoutDecoder() Option { return without(codec.Decoder) }

// WithoutEncoder leaves the encoder's weights aside, for programs that only decode:
// the checkpoint need not have any. What encodes returns ErrNotLoaded then; timbres
// can still be taken.
func WithoutEncoder() Option { return without(codec.Encoder) }

func without(network string) Option {
	return func(o *options) error {
		o.LeaveOut = append(o.LeaveOut, network)
		return nil
	}
}
