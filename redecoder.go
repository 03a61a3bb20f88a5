package facodec

import "github.com/facodec-go/facodec/internal/codec"

// A Redecoder is the voice conversion model of Plachtaa/FAcodec: it decodes a
// codec's codes in another voice, from the first content book alone. It is safe for
// concurrent use.
type Redecoder struct {
	codec *Codec
	model *codec.Redecoder
}

// OpenRedecoder reads the checkpoint of a redecoder that was trained on this
// codec. Of the options only WithConfig has an effect: it computes on the codec's
// threads.
func (c *Codec) OpenRedecoder(path string, opts ...Option) (*Redecoder, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	m, err := c.model.OpenRedecoder(codec.OnDisk(path), o)
	if err != nil {
		return nil, err
	}
	return &Redecoder{c, m}, nil
}

// Close releases the weights' memory. The redecoder's streams may not be used
// afterwards.
func (r *Redecoder) Close() error {
	r.model.Close()
	return nil
}

// NewDecoder starts an utterance in the voice of timbre. The decoder looks about
// 48 frames ahead, so that its samples come later than a codec's.
func (r *Redecoder) NewDecoder(timbre []float32) (*Decoder, error) {
	if err := codec.CheckTimbre(timbre, r.codec.TimbreLen()); err != nil {
		return nil, err
	}
	return &Decoder{codec: r.codec, stream: r.model.NewDecoder(timbre), contentOnly: true}, nil
}
