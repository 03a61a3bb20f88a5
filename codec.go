package facodec

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"

	"github.com/facodec-go/facodec/internal/codec"
)

// A Codec is an open model. It is safe for concurrent use: a single utterance uses all
// of its threads, several at once share them.
type Codec struct {
	model *codec.Codec
	gate  gate
}

func init() {
	codec.Inner = func(c any) *codec.Codec {
		if c, ok := c.(*Codec); ok {
			return c.model
		}
		return nil
	}
}

// Open reads a checkpoint: safetensors, or a PyTorch file as upstream saves and
// publishes them. The family NaturalSpeech3 is published in files of one network each:
// path names one of them, with the others in the same folder, or that folder. Opening
// takes less than a second at full size. The configuration is that of [WithConfig], or
// the checkpoint's own, or a file next to it. Only files are read; to download a checkpoint, see package
// hub.
func Open(path string, opts ...Option) (*Codec, error) { return open(codec.OnDisk(path), opts) }

// OpenBytes is Open for a checkpoint in memory, which must contain its
// configuration if none is given. Errors contain name. data is not used after OpenBytes
// has returned.
func OpenBytes(name string, data []byte, opts ...Option) (*Codec, error) {
	return open(codec.InMemory(name, data), opts)
}

// OpenFS is Open for a checkpoint in a file system, for example an embedded one. The
// file is in memory while it is opened.
func OpenFS(fsys fs.FS, name string, opts ...Option) (*Codec, error) {
	return open(codec.InFS(fsys, name), opts)
}

func open(from codec.Origin, opts []Option) (*Codec, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	m, err := codec.Open(from, o)
	if err != nil {
		return nil, err
	}
	return &Codec{model: m}, nil
}

// OpenRandom returns a codec with random weights that depend on seed, for trying and
// testing. It has the standard configuration unless options say otherwise. It needs the
// time and memory of a trained codec, and decodes to noise.
func OpenRandom(seed uint64, opts ...Option) (*Codec, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	m, err := codec.OpenRandom(seed, o)
	if err != nil {
		return nil, err
	}
	return &Codec{model: m}, nil
}

// Close waits for the calls that compute and releases the weights' memory. Afterwards
// the codec, its redecoders and its streams give ErrClosed; what the codec says of
// itself it still says. Closing twice is harmless.
func (c *Codec) Close() error {
	c.gate.close(c.model.Close)
	return nil
}

// Family returns the family that the codec is of: FAcodec, NaturalSpeech3V1 or
// NaturalSpeech3V2.
func (c *Codec) Family() Family { return Family(c.model.Name()) }

// Precision returns how the codec computes: see [WithPrecision].
func (c *Codec) Precision() string { return string(c.model.Precision) }

// SampleRate returns the rate of all samples in and out, in Hz.
func (c *Codec) SampleRate() int { return c.model.SampleRate }

// HopLength returns the samples in a frame.
func (c *Codec) HopLength() int { return c.model.Hop }

// FrameRate returns the frames in a second.
func (c *Codec) FrameRate() float64 { return float64(c.model.SampleRate) / float64(c.model.Hop) }

// Books returns the number of codebooks of each part.
func (c *Codec) Books() [NumParts]int { return c.model.Books }

// CodebookSize returns the number of entries in every codebook; codes are 0 to
// CodebookSize-1.
func (c *Codec) CodebookSize() int { return c.model.CodebookSize }

// TimbreLen returns the number of values in a timbre.
func (c *Codec) TimbreLen() int { return c.model.Timbre }

// LatentDim returns the channels of quantized frames.
func (c *Codec) LatentDim() int { return c.model.Latent }

// Notices lists what a user of this model should know: keys of its configuration that
// have no effect, and that its weights are random.
func (c *Codec) Notices() (notices []string) {
	if c.model.Config != nil {
		if keys := c.model.Config.Unused(); len(keys) > 0 {
			notices = append(notices, "without effect in the configuration: "+strings.Join(keys, ", "))
		}
	}
	if c.model.Random {
		notices = append(notices, "random weights, for trying: what they decode is noise")
	}
	return notices
}

// A Fingerprint is a hash of tensors: of their names, shapes and float32 values, not of
// the file, so that a converted checkpoint keeps it. Files that a model makes carry it,
// and a model with another one refuses them.
type Fingerprint [16]byte

// String returns 32 hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText returns what String does, for JSON.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Fingerprints returns those of the quantizer, which defines what codes mean, and of the
// decoder, which may be fine-tuned without changing codes. A codec that was opened
// without its decoder returns that of the quantizer, and ErrNotLoaded.
func (c *Codec) Fingerprints() (quantizer, decoder Fingerprint, err error) {
	q, d := c.model.Fingerprints()
	if err := c.model.Need(codec.Decoder); err != nil {
		return Fingerprint(q), Fingerprint{}, fmt.Errorf("for its fingerprint: %w", err)
	}
	return Fingerprint(q), Fingerprint(d), nil
}

// TokensFingerprint returns that of all tensors that codes and timbre depend on: the
// features of two codecs can be used together if theirs are equal. The decoder does not
// change it.
func (c *Codec) TokensFingerprint() Fingerprint { return Fingerprint(c.model.TokensFingerprint()) }
