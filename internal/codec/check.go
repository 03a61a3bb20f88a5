package codec

import (
	"errors"
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// Errors of what is given to a codec.
var (
	// ErrEmpty: no samples, no codes or no clip.
	ErrEmpty = errors.New("nothing to work on")
	// ErrNotFinite: a sample, a timbre value or a weight is NaN or infinite.
	ErrNotFinite = weights.ErrNotFinite
	// ErrTokens: codes or a timbre that do not belong to the codec.
	ErrTokens = errors.New("not codes of this codec")
)

// CheckSamples refuses NaN and infinite samples, which would make every later sample of
// a stream NaN.
func CheckSamples(samples []float32) error { return checkFinite("sample", samples) }

// mostTimbre is far more than a value of any timbre. What networks make of more may not be finite.
const mostTimbre = 1e9

// CheckTimbre returns an error unless a timbre has so many values, all finite and none beyond
// what networks can compute with.
func CheckTimbre(timbre []float32, values int) error {
	if len(timbre) != values {
		return fmt.Errorf("timbre of %s for a codec of %d: %w", plural.Of(len(timbre), "value"), values, ErrTokens)
	}
	if err := checkFinite("timbre value", timbre); err != nil {
		return err
	}
	for i, v := range timbre {
		if v > mostTimbre || v < -mostTimbre {
			return fmt.Errorf("timbre value %d is %g, want -%g to %g: %w", i, v, mostTimbre, mostTimbre, ErrTokens)
		}
	}
	return nil
}

func checkFinite(what string, values []float32) error {
	for i, v := range values {
		if v-v != 0 {
			return fmt.Errorf("%s %d is %v: %w", what, i, v, ErrNotFinite)
		}
	}
	return nil
}

// CheckCodes refuses codes outside the codebooks of a codec of this shape.
func (s Shape) CheckCodes(codes model.Codes) error {
	if codes.Frames() == 0 {
		return fmt.Errorf("no frames: %w", ErrEmpty)
	}
	if err := codes.Check(s.Books, s.CodebookSize); err != nil {
		return fmt.Errorf("%w: %w", err, ErrTokens)
	}
	return nil
}
