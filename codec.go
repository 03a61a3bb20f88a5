package facodec

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Codec is an open model. It is safe for concurrent use; one utterance uses
// all of its threads, several at a time share them.
type Codec struct {
	model  *model.Codec
	config *config.Config
	region *tensor.Region
	pool   *parallel.Pool

	leftOut     []string
	synthesized bool
}

// Open reads a checkpoint: safetensors, or a PyTorch file as the originals save
// and publish them. Weights are mapped while they are brought into the form that
// is computed with, which takes less than a second at full size. The
// configuration is the one given, or the checkpoint's own, or lies beside it.
func Open(path string, opts ...Option) (*Codec, error) { return openCodec(onDisk(path), opts) }

// OpenBytes is Open for a checkpoint in memory, which must carry its
// configuration if none is given. name stands in errors. data is not used after
// OpenBytes has returned.
func OpenBytes(name string, data []byte, opts ...Option) (*Codec, error) {
	return openCodec(inMemory(name, data), opts)
}

// OpenFS is Open for a checkpoint in a file system, an embedded one say. The file
// is in memory while it is opened.
func OpenFS(fsys fs.FS, name string, opts ...Option) (*Codec, error) {
	return openCodec(inFS(fsys, name), opts)
}

func openCodec(from origin, opts []Option) (*Codec, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	cp, err := openCheckpoint(from, o)
	if err != nil {
		return nil, err
	}
	defer cp.Close()
	if cp.config.IsRedecoder() {
		return nil, fmt.Errorf("%s: a redecoder: %w; give it with --redecoder-checkpoint, and a codec here", from.name, ErrKind)
	}
	c := &Codec{
		model:  model.NewCodec(model.CodecConfigOf(cp.config)),
		config: cp.config, region: &tensor.Region{}, pool: parallel.New(o.threads),
	}
	_, c.synthesized = checkpoint.Note(cp.file, synthesizedKey)
	c.leaveOut(o.leaveOut)
	if err := c.model.Load(cp.file, c.region, c.pool); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", from.name, err)
	}
	return c, nil
}

func (c *Codec) leaveOut(networks []string) {
	c.leftOut = networks
	for _, network := range networks {
		c.model.LeaveOut(network)
	}
}

// need returns ErrNotLoaded if a network was left out.
func (c *Codec) need(network string) error {
	if slices.Contains(c.leftOut, network) {
		return fmt.Errorf("%s: %w", network, ErrNotLoaded)
	}
	return nil
}

// Close gives the weights' memory back. Neither the codec nor its streams may be
// used afterwards.
func (c *Codec) Close() error {
	c.pool.Close()
	c.region.Free()
	return nil
}

// SampleRate returns the rate of all samples in and out, in Hz.
func (c *Codec) SampleRate() int { return c.config.Preprocess.SampleRate }

// HopLength returns the samples in a frame.
func (c *Codec) HopLength() int { return c.model.Hop() }

// FrameRate returns the frames in a second.
func (c *Codec) FrameRate() float64 { return c.config.FrameRate() }

// Books returns the number of codebooks of each part.
func (c *Codec) Books() [NumParts]int { return model.BooksOf(c.config) }

// CodebookSize returns the number of entries in every codebook; codes are 0 to
// CodebookSize-1.
func (c *Codec) CodebookSize() int { return c.config.Model.CodebookSize }

// LatentDim returns the length of a timbre vector and the channels of the
// quantized frames.
func (c *Codec) LatentDim() int { return c.config.Model.LatentDim }

// Threads returns how many threads one utterance is computed on.
func (c *Codec) Threads() int { return c.pool.Threads() }

// UnusedKeys returns the keys of the configuration that were accepted and have
// no effect, dotted, in the order of the file.
func (c *Codec) UnusedKeys() []string { return c.config.Unused() }

// Synthesized says whether the weights are made and not learned (see
// Synthesize): what the codec speaks is then noise.
func (c *Codec) Synthesized() bool { return c.synthesized }
