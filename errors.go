package facodec

import (
	"errors"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/nn"
)

// Errors of this package, for errors.Is. Errors about audio files are those of package
// audio.
var (
	// ErrNoConfig: no configuration was given, and there is none in the checkpoint or
	// next to it.
	ErrNoConfig = checkpoint.ErrNoConfig
	// ErrTensors: the checkpoint's tensors do not match the configuration.
	ErrTensors = nn.ErrTensors
	// ErrKind: a redecoder in place of a codec, or the reverse.
	ErrKind = codec.ErrKind
	// ErrNotLoaded: the codec was opened without a network that is needed.
	ErrNotLoaded = codec.ErrNotLoaded
	// ErrEmpty: no samples, codes or clips.
	ErrEmpty = codec.ErrEmpty
	// ErrNotFinite: a sample, a timbre value or a weight is NaN or infinite.
	ErrNotFinite = codec.ErrNotFinite
	// ErrSilent: a clip of a voice in which nothing is heard, or whose channels cancel
	// each other. It is a warning (see Voice.Warnings), unless it is so of all clips.
	ErrSilent = errors.New("nothing is heard")
	// ErrTokens: codes or a timbre that do not belong to this codec.
	ErrTokens = codec.ErrTokens
	// ErrVoice: not a voice file, or a voice of another model.
	ErrVoice = errors.New("unusable voice")
)
