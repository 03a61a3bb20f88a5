package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/config"
)

// An Option changes how a model is opened.
type Option func(*options) error

type options struct {
	config  *config.Config
	threads int
}

func collect(opts []Option) (*options, error) {
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
