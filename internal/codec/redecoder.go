package codec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Redecoder is an open redecoder: another decoder for a codec's codes.
type Redecoder struct {
	codec  *Codec
	model  *model.Redecoder
	region *tensor.Region
}

// OpenRedecoder opens the checkpoint of a redecoder that was trained on c. It
// computes on the codec's threads.
func (c *Codec) OpenRedecoder(from Origin, o Options) (*Redecoder, error) {
	cp, err := openCheckpoint(from, o.Config)
	if err != nil {
		return nil, err
	}
	defer cp.file.Close()
	if !cp.config.IsRedecoder() {
		return nil, fmt.Errorf("%s: a codec: %w; a redecoder is needed here", from.name, ErrKind)
	}
	m, hop := cp.config.Model, cp.config.Preprocess.Spect.HopLength
	if m.CodebookSize != c.CodebookSize || m.LatentDim != c.Latent || hop != c.Hop {
		return nil, fmt.Errorf("%s: made for a codec of %d codes, %d channels and hop %d, and this one has %d, %d and %d: %w",
			from.name, m.CodebookSize, m.LatentDim, hop, c.CodebookSize, c.Latent, c.Hop, ErrKind)
	}
	r := &Redecoder{codec: c, model: model.NewRedecoder(model.RedecoderConfigOf(cp.config)), region: &tensor.Region{}}
	if err := r.model.Load(cp.file, r.region, c.Pool); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", from.name, err)
	}
	return r, nil
}

// NewDecoder starts an utterance in the voice of timbre.
func (r *Redecoder) NewDecoder(timbre []float32) DecoderStream {
	return r.model.NewStream(timbre, r.codec.Pool)
}

// Close releases the weights' memory.
func (r *Redecoder) Close() { r.region.Free() }
