package convert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/weights"
)

// Export writes the small checkpoint of a trained model: of what input holds only the
// networks that run, a codec's encoder, quantizer and decoder or a redecoder's encoder
// and decoder, with the configuration, the training step and the epoch. Predictors,
// discriminators, optimizers and all else that only training needs is left out and
// named in the report. The extension of output sets the format, as for Convert. A
// checkpoint that is small already is written as it is. Of a network of the
// NaturalSpeech 3 family, predictors are left out.
func Export(ctx context.Context, input, output string, o Options) (Report, error) {
	return rewrite(ctx, input, output, o, func(file *weights.File, c *config.Config) (selection, error) {
		if kind, ok := ns3.KindOf(file); ok {
			if err := ns3.CheckKind(kind, file); err != nil {
				return selection{}, fmt.Errorf("%s: %w", input, err)
			}
			return choose(file, func(name string) bool { return !ns3.IsTraining(name) }), nil
		}
		networks := codec.Inferred(c)
		// Here, because a file that cannot be loaded is no export.
		if c != nil {
			if err := codec.Check(c, file, input); err != nil {
				return selection{}, err
			}
		} else if !checkpoint.HasNetworks(file, networks...) || checkpoint.IsFlat(file) {
			return selection{}, fmt.Errorf("%s: %w in it or beside it, and no networks %s to export; give one",
				input, checkpoint.ErrNoConfig, strings.Join(networks, ", "))
		}
		return choose(file, func(name string) bool {
			network, _, _ := strings.Cut(name, ".")
			return slices.Contains(networks, network)
		}), nil
	})
}
