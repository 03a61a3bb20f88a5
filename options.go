package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/kernel"
)

// An Option changes how a model is opened.
type Option func(*options) error

type options struct {
	config   *config.Config
	threads  int
	leaveOut []string // networks
}

func collect(opts []Option) (*options, error) {
	if err := kernel.CheckEnvironment(); err != nil {
		return nil, err
	}
	o := &options{}
	for _, opt := range opts {
		if err := opt(o); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// WithConfig reads the configuration from a file: the originals' experiment file
// or the config.yml beside a published checkpoint. Without it the checkpoint's
// own is used, or one that lies beside it.
func WithConfig(path string) Option {
	return func(o *options) (err error) {
		o.config, err = config.Load(path)
		return err
	}
}

// WithThreads sets how many threads one utterance is computed on, by default one
// for each CPU. It changes no result.
func WithThreads(n int) Option {
	return func(o *options) error {
		if n < 1 || n > 1024 {
			return fmt.Errorf("%d threads: give 1 to 1024", n)
		}
		o.threads = n
		return nil
	}
}

// WithoutDecoder leaves the decoder's weights aside, more than half of them, for
// who only encodes: the checkpoint need not have any. NewDecoder and what decodes
// return ErrNotLoaded then.
func WithoutDecoder() Option { return leaveOut(networkDecoder) }

// WithoutEncoder leaves the encoder's weights aside, for who only decodes: the
// checkpoint need not have any. What encodes returns ErrNotLoaded then; timbres
// can still be taken.
func WithoutEncoder() Option { return leaveOut(networkEncoder) }

const networkEncoder, networkDecoder = "encoder", "decoder"

func leaveOut(network string) Option {
	return func(o *options) error {
		o.leaveOut = append(o.leaveOut, network)
		return nil
	}
}
