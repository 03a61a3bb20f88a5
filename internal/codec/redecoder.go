package codec

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Redecoder is an open redecoder: another decoder for a codec's codes.
type Redecoder struct {
	codec  *Codec
	model  redecoderNetworks
	region *tensor.Region
}

// redecoderNetworks are the networks of a redecoder of one family.
type redecoderNetworks interface {
	Fingerprint() [16]byte // of all tensors
	NewDecoder(timbre []float32, pool *parallel.Pool) DecoderStream
}

// facodecRedecoder is that of the family of Plachtaa/FAcodec.
type facodecRedecoder struct{ *model.Redecoder }

func (r facodecRedecoder) NewDecoder(timbre []float32, pool *parallel.Pool) DecoderStream {
	return r.NewStream(timbre, pool)
}

// OpenRedecoder opens the checkpoint of a redecoder that was trained on c. It
// computes on the codec's threads and at its precision.
func (c *Codec) OpenRedecoder(from Origin, o Options) (*Redecoder, error) {
	file, err := from.open()
	if err == nil {
		defer file.Close()
	} else if from.base != "" || from.folder == nil {
		return nil, err
	}
	own, ns3Err := openNS3Redecoder(from, file)
	switch {
	case ns3Err != nil:
		return nil, ns3Err
	case own != nil:
		defer own.Close()
		return c.loadNS3Redecoder(from.name, own)
	case err != nil:
		return nil, err
	}
	cp, err := withConfig(file, from, o.Config)
	if err != nil {
		return nil, err
	}
	if !cp.config.IsRedecoder() {
		return nil, fmt.Errorf("%s: a codec: %w; a redecoder is needed here", from.name, ErrKind)
	}
	if c.Family != FAcodec {
		return nil, fmt.Errorf("%s: a redecoder of the family %s, and this codec is %s: %w", from.name, FAcodec, c.Name(), ErrKind)
	}
	m, hop := cp.config.Model, cp.config.Preprocess.Spect.HopLength
	if m.CodebookSize != c.CodebookSize || m.LatentDim != c.Latent || hop != c.Hop {
		return nil, fmt.Errorf("%s: made for a codec of %s, %s and hop %d, and this one has %d, %d and %d: %w",
			from.name, plural.Of(m.CodebookSize, "code"), plural.Of(m.LatentDim, "channel"), hop, c.CodebookSize, c.Latent, c.Hop, ErrKind)
	}
	networks := model.NewRedecoder(model.RedecoderConfigOf(cp.config))
	nn.SetPrecision(c.Precision, networks.Networks())
	r := &Redecoder{codec: c, model: facodecRedecoder{networks}, region: &tensor.Region{}}
	if err := networks.Load(cp.file, r.region, c.Pool); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", from.name, err)
	}
	return r, nil
}

// NewDecoder starts an utterance in the voice of timbre.
func (r *Redecoder) NewDecoder(timbre []float32) DecoderStream {
	return r.model.NewDecoder(timbre, r.codec.Pool)
}

// Fingerprint is that of all tensors.
func (r *Redecoder) Fingerprint() [16]byte { return r.model.Fingerprint() }

// Close releases the weights' memory.
func (r *Redecoder) Close() { r.region.Free() }
