package facodec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Redecoder is the voice conversion model of Plachtaa/FAcodec: it speaks a
// codec's codes anew in another voice, from the first content book alone. It is
// safe for concurrent use.
type Redecoder struct {
	codec  *Codec
	model  *model.Redecoder
	region *tensor.Region
}

// OpenRedecoder reads the checkpoint of a redecoder that was trained on this
// codec. Its own threads option has no effect: it computes on the codec's.
func (c *Codec) OpenRedecoder(path string, opts ...Option) (*Redecoder, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	cp, err := openCheckpoint(onDisk(path), o)
	if err != nil {
		return nil, err
	}
	defer cp.Close()
	if !cp.config.IsRedecoder() {
		return nil, fmt.Errorf("%s: a codec: %w; a redecoder is needed here", path, ErrKind)
	}
	m := cp.config.Model
	if m.CodebookSize != c.CodebookSize() || m.LatentDim != c.LatentDim() || cp.config.Preprocess.Spect.HopLength != c.HopLength() {
		return nil, fmt.Errorf("%s: made for a codec of %d codes, %d channels and hop %d, and this one has %d, %d and %d: %w", path,
			m.CodebookSize, m.LatentDim, cp.config.Preprocess.Spect.HopLength, c.CodebookSize(), c.LatentDim(), c.HopLength(), ErrKind)
	}
	r := &Redecoder{codec: c, model: model.NewRedecoder(model.RedecoderConfigOf(cp.config)), region: &tensor.Region{}}
	if err := r.model.Load(cp.file, r.region, c.pool); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Close gives the weights' memory back. The redecoder's streams may not be used
// afterwards.
func (r *Redecoder) Close() error {
	r.region.Free()
	return nil
}

// NewDecoder starts an utterance in the voice of timbre. The decoder looks about
// 48 frames ahead, so that its samples come later than a codec's.
func (r *Redecoder) NewDecoder(timbre []float32) (*Decoder, error) {
	if err := checkTimbre(timbre, r.codec.LatentDim()); err != nil {
		return nil, err
	}
	return &Decoder{codec: r.codec, stream: r.model.NewStream(timbre, r.codec.pool), content: true}, nil
}
