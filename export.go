package facodec

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

const networkQuantizer = "quantizer"

// In a checkpoint of training the networks that run are the means over the last
// steps, as validation heard them. What the run is continued from stands beside
// them: tensors below these prefixes, and metadata whose keys begin with
// trainingNotes.
const (
	rawPrefix     = "train." // the networks as they learn
	momentsPrefix = "adamw." // of the optimizers
	trainingNotes = "train_"
)

// ExportWeights writes the small checkpoint of a trained model: of what input
// holds only the networks that run, a codec's encoder, quantizer and decoder or a
// redecoder's encoder and decoder, with the configuration, the training step and
// the epoch. Predictors, discriminators, optimizers and all else that only training
// needs is left out and named in the report. The ending of output says the format,
// as for ConvertWeights. A checkpoint that is small already is written as it is.
func ExportWeights(ctx context.Context, input, output string, o WeightsOptions) (WeightsReport, error) {
	return rewriteCheckpoint(ctx, input, output, o, func(file *weights.File, c *config.Config) (carried, error) {
		networks := networksToRun(c)
		// Here, because a file that cannot be loaded is no export.
		if c != nil {
			if err := checkTensorsOf(c, file, input); err != nil {
				return carried{}, err
			}
		} else if !hasNetworks(file, networks...) || isFlat(file) {
			return carried{}, fmt.Errorf("%s: %w in it or beside it, and no networks %s to export; give one with --config",
				input, ErrNoConfig, strings.Join(networks, ", "))
		}
		return choose(file, func(name string) bool {
			network, _, _ := strings.Cut(name, ".")
			return slices.Contains(networks, network)
		}), nil
	})
}

// networksToRun are those of the model that c describes; nil is a codec.
func networksToRun(c *config.Config) []string {
	if c != nil && c.IsRedecoder() {
		return []string{networkEncoder, networkDecoder}
	}
	return []string{networkEncoder, networkQuantizer, networkDecoder}
}

// isTrainingState tells the tensors that a training run is continued from.
func isTrainingState(name string) bool {
	return strings.HasPrefix(name, rawPrefix) || strings.HasPrefix(name, momentsPrefix)
}

// choose takes the tensors with values that keep wants, and what is said of them. Of
// the others it names the networks; tensors without values one by one.
func choose(file *weights.File, keep func(name string) bool) carried {
	var take carried
	left := map[string]bool{}
	for _, name := range file.Names() {
		t, _ := file.Lookup(name)
		network, _, _ := strings.Cut(name, ".")
		switch {
		case !keep(name):
			left[network] = true
		case t.Err() != nil:
			left[name] = true
		default:
			take.arrays = append(take.arrays, weights.ArrayOf(t))
		}
	}
	notes, leftOut := notesOf(file)
	for _, name := range leftOut {
		left[name] = true
	}
	take.notes = notes
	for key := range notes {
		if strings.HasPrefix(key, trainingNotes) {
			delete(notes, key)
			left[trainingNotes+"*"] = true
		}
	}
	take.leftOut = slices.Sorted(maps.Keys(left))
	return take
}
