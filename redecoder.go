package facodec

import (
	"slices"

	"github.com/facodec-go/facodec/internal/codec"
)

// A Redecoder is the voice conversion model of Plachtaa/FAcodec: it decodes a
// codec's codes in another voice, from the first content book only. It is safe for
// concurrent use.
type Redecoder struct {
	Fingerprint Fingerprint // of all tensors

	codec *Codec
	model *codec.Redecoder
	gate  gate
}

// OpenRedecoder reads the checkpoint of a redecoder that was trained on this
// codec. Of the options only WithConfig has an effect: it computes on the codec's
// threads.
func (c *Codec) OpenRedecoder(path string, opts ...Option) (*Redecoder, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	if err := c.gate.enter(); err != nil {
		return nil, err
	}
	defer c.gate.leave()
	m, err := c.model.OpenRedecoder(codec.OnDisk(path), o)
	if err != nil {
		return nil, err
	}
	return &Redecoder{Fingerprint: Fingerprint(m.Fingerprint()), codec: c, model: m}, nil
}

// Close waits for the calls that compute and releases the weights' memory. Afterwards
// the redecoder and its decoders give ErrClosed. Closing twice is harmless.
func (r *Redecoder) Close() error {
	r.gate.close(r.model.Close)
	return nil
}

// NewDecoder starts an utterance in the voice of timbre. The decoder looks about
// 48 frames ahead, so that its samples come later than a codec's.
func (r *Redecoder) NewDecoder(timbre []float32) (*Decoder, error) {
	if err := codec.CheckTimbre(timbre, r.codec.TimbreLen()); err != nil {
		return nil, err
	}
	timbre = slices.Clone(timbre)
	d := &Decoder{codec: r.codec, gates: gates{&r.codec.gate, &r.gate}, contentOnly: true,
		newDecoder: func() (*Decoder, error) { return r.NewDecoder(timbre) }}
	if err := d.gates.enter(); err != nil {
		return nil, err
	}
	defer d.gates.leave()
	d.stream = r.model.NewDecoder(timbre)
	return d, nil
}
