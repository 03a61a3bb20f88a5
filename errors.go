package facodec

import (
	"errors"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// Errors of this package, found with errors.Is in what its functions return.
// Faults of audio files are those of package audio.
var (
	// ErrNoConfig: the checkpoint carries no configuration, none lies beside it
	// and none was given.
	ErrNoConfig = checkpoint.ErrNoConfig
	// ErrTensors: the checkpoint's tensors are not those of the configured
	// networks.
	ErrTensors = nn.ErrTensors
	// ErrKind: a redecoder's configuration where a codec's is needed, or the
	// other way round.
	ErrKind = errors.New("another kind of model")
	// ErrNotLoaded: the codec was opened without the network that this needs.
	ErrNotLoaded = errors.New("the network was left out when the codec was opened")
	// ErrEmpty: no samples, no codes or no clip.
	ErrEmpty = errors.New("nothing to work on")
	// ErrNotFinite: a sample, a timbre value or a weight is NaN or infinite.
	ErrNotFinite = weights.ErrNotFinite
	// ErrTokens: codes or a timbre that do not belong to this codec.
	ErrTokens = errors.New("not codes of this codec")
	// ErrVoice: a file that is no voice, or a voice of another model.
	ErrVoice = errors.New("unusable voice")
)

// checkSamples refuses what would make every later sample of a stream NaN.
func checkSamples(samples []float32) error {
	for i, v := range samples {
		if v-v != 0 {
			return fmt.Errorf("sample %d is %v: %w", i, v, ErrNotFinite)
		}
	}
	return nil
}

func checkTimbre(timbre []float32, latent int) error {
	if len(timbre) != latent {
		return fmt.Errorf("timbre of %d values for a codec of %d: %w", len(timbre), latent, ErrTokens)
	}
	for i, v := range timbre {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("timbre value %d is %v: %w", i, v, ErrNotFinite)
		}
	}
	return nil
}
