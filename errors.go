package facodec

import (
	"errors"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/nn"
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
	// ErrKind: a redecoder where a codec is needed, or the other way round.
	ErrKind = codec.ErrKind
	// ErrNotLoaded: the codec was opened without the network that this needs.
	ErrNotLoaded = codec.ErrNotLoaded
	// ErrEmpty: no samples, no codes or no clip.
	ErrEmpty = codec.ErrEmpty
	// ErrNotFinite: a sample, a timbre value or a weight is NaN or infinite.
	ErrNotFinite = codec.ErrNotFinite
	// ErrTokens: codes or a timbre that do not belong to this codec.
	ErrTokens = codec.ErrTokens
	// ErrVoice: a file that is no voice, or a voice of another model.
	ErrVoice = errors.New("unusable voice")
)
