package train

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
)

// A DifferenceError is an error about networks that are not those of the experiment. Its lines
// name the keys that differ, one each, and follow the error wherever it is printed.
type DifferenceError struct {
	Err   error
	Lines []string
}

func (e *DifferenceError) Error() string { return e.Err.Error() }

func (e *DifferenceError) Unwrap() error { return e.Err }

// ErrOtherNetworks is wrapped by Run's error for a checkpoint that cannot be resumed because its
// networks are not those of the experiment.
var ErrOtherNetworks = errors.New("its networks (model_params) are not those of this experiment")

// otherNetworks is the error for resuming a checkpoint of the experiment old, whose networks are
// not c's.
func otherNetworks(path string, old, c *config.Config) error {
	if old.IsRedecoder() != c.IsRedecoder() {
		return fmt.Errorf("%s: %w: it is %s's; give this run another exp_name", path, ErrOtherNetworks, kindOf(old))
	}
	var lines []string
	for _, d := range c.Differences(old) {
		if !shapesTraining(d.Key) || d.Key == "model_params.speaker_classes" && d.Value == "0" {
			continue
		}
		lines = append(lines, fmt.Sprintf("differs: %s: %s, was %s", d.Key, d.Value, d.Other))
	}
	preset := ""
	if name := presetOf(old, func(p *config.Config) bool { return sameNetworks(old, p) }); name != "" {
		preset = "; they are those of the preset " + name
	}
	own := filepath.Join(filepath.Dir(filepath.Dir(path)), configName)
	return &DifferenceError{fmt.Errorf("%s: %w%s; go on with its own experiment, %s, give this run another exp_name, or start it from the weights alone",
		path, ErrOtherNetworks, preset, own), lines}
}

// kindOf says what an experiment trains.
func kindOf(c *config.Config) string {
	if c.IsRedecoder() {
		return "a redecoder"
	}
	return "a codec"
}

// presetOf returns the name of the preset for codecs that is like c, "" for none.
func presetOf(c *config.Config, like func(preset *config.Config) bool) string {
	if c.IsRedecoder() {
		return ""
	}
	for _, name := range config.Presets() {
		if p, err := config.Preset(name); err == nil && like(p) {
			return name
		}
	}
	return ""
}

// sameInference says whether two codecs are the same networks but for what only training needs.
func sameInference(a, b *config.Config) bool {
	return reflect.DeepEqual(model.CodecConfigOf(a), model.CodecConfigOf(b))
}

// shapesTraining says whether a key decides on the networks that are trained.
func shapesTraining(key string) bool {
	if key == "preprocess_params.sr" || strings.HasPrefix(key, "preprocess_params.spect_params.") {
		return true
	}
	rest, ok := strings.CutPrefix(key, "model_params.")
	return ok && !slices.Contains([]string{"norm_f0", "separate_prosody_encoder", "timbre_norm"}, rest)
}

// shapesInference says whether a key decides on those of them that inference runs.
func shapesInference(key string) bool {
	rest := strings.TrimPrefix(key, "model_params.")
	return shapesTraining(key) && !strings.HasPrefix(rest, "discriminator.") && !strings.HasPrefix(rest, "use_gr_") &&
		!slices.Contains([]string{"phone_classes", "speaker_classes"}, rest)
}
