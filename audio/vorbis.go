package audio

import (
	"encoding/binary"

	"github.com/jfreymuth/vorbis"

	"github.com/facodec-go/facodec/internal/plural"
)

// maxVorbisChannels is what the decoder gets right: it cannot read the headers of
// 5.1, whose bass has a mapping of its own.
const maxVorbisChannels = 2

// vorbisDecoder decodes Vorbis I. The decoder in it is the one of oggvorbis v1.0.5.
type vorbisDecoder struct {
	dec      vorbis.Decoder
	rate     int
	channels int
	headers  int
	pcm      []float32
}

// header takes the three headers. The decoder gets only those it needs and that
// were checked: a few bytes could make it take gigabytes or go on forever.
func (d *vorbisDecoder) header(packet []byte) (bool, error) {
	d.headers++
	if len(packet) < 7 && d.headers != 2 {
		return false, faultf(ErrCorrupt, "a Vorbis header of %s", plural.Of(len(packet), "byte"))
	}
	switch d.headers {
	case 1:
		if err := d.checkIdentification(packet); err != nil {
			return false, err
		}
	case 2:
		return false, nil // comments
	case 3:
		if err := checkVorbisSetup(packet); err != nil {
			return false, err
		}
	}
	err := guard("Vorbis", func() error { return d.dec.ReadHeader(packet) })
	if err != nil || d.headers < 3 {
		return false, err
	}
	if !d.dec.HeadersRead() {
		return false, faultf(ErrCorrupt, "Vorbis headers in the wrong order")
	}
	d.pcm = make([]float32, d.dec.BufferSize())
	return true, nil
}

// checkIdentification checks the first header (Vorbis I, section 4.2.2).
func (d *vorbisDecoder) checkIdentification(b []byte) error {
	if len(b) < 30 || b[0] != 1 {
		return faultf(ErrCorrupt, "a Vorbis header of %s", plural.Of(len(b), "byte"))
	}
	if version := binary.LittleEndian.Uint32(b[7:]); version != 0 {
		return faultf(ErrUnsupported, "version %d of Vorbis", version)
	}
	d.channels = int(b[11])
	d.rate = int(min(binary.LittleEndian.Uint32(b[12:]), 1<<30))
	short, long := b[28]&15, b[28]>>4
	switch {
	case d.channels == 0:
		return faultf(ErrCorrupt, "a Vorbis header with 0 channels")
	case d.channels > maxVorbisChannels:
		return forFFmpeg{"Vorbis of " + itoa(d.channels) + " channels"}
	case short < 6 || long > 13 || short > long:
		return faultf(ErrCorrupt, "Vorbis blocks of %d and %s", 1<<short, plural.Of(1<<long, "sample"))
	}
	return nil
}

func (d *vorbisDecoder) format() (encoding string, rate, channels int) {
	return "vorbis", d.rate, d.channels
}

func (d *vorbisDecoder) skip() int64 { return 0 }

func (d *vorbisDecoder) decode(dst []float32, packet []byte, width int) ([]float32, error) {
	if len(packet) == 0 {
		return dst, nil // allowed, and no block
	}
	var pcm []float32
	err := guard("Vorbis", func() (err error) {
		pcm, err = d.dec.DecodeInto(packet, d.pcm)
		return err
	})
	if err != nil {
		return dst, err
	}
	return mixInto(dst, pcm, d.channels, width, 1), nil
}
