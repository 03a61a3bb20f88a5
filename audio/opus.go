package audio

import (
	"encoding/binary"
	"math"

	"github.com/thesyncim/gopus"
)

// Opus is decoded at 48 kHz, whatever was recorded; a packet has at most 120 ms.
const (
	opusRate      = 48000
	maxOpusPacket = opusRate * 120 / 1000
)

// opusDecoder decodes Opus (RFC 6716) as it is put into Ogg (RFC 7845) and WebM. Of
// the decoders tried, gopus v0.1.1 differs from libopus by rounding only (139 dB and
// more, bit for bit in speech mode), pion/opus v0.1.0 by 46 to 102 dB.
type opusDecoder struct {
	dec      *gopus.Decoder
	channels int
	preSkip  int64
	gain     float64
	headers  int
	pcm      []float32
}

// header takes OpusHead and then OpusTags, whatever is in it.
func (d *opusDecoder) header(packet []byte) (bool, error) {
	d.headers++
	if d.headers == 2 {
		return true, nil
	}
	return false, d.readHead(packet)
}

// readHead reads OpusHead (RFC 7845, section 5.1).
func (d *opusDecoder) readHead(b []byte) error {
	if len(b) < 19 || string(b[:8]) != "OpusHead" {
		return faultf(ErrCorrupt, "an Opus header of %d bytes", len(b))
	}
	if b[8]>>4 != 0 {
		return faultf(ErrUnsupported, "version %d of Opus files", b[8])
	}
	le := binary.LittleEndian
	d.channels = int(b[9])
	d.preSkip = int64(le.Uint16(b[10:]))
	// In 256ths of a decibel. It may make up for a recording that is much too low.
	d.gain = math.Pow(10, float64(int16(le.Uint16(b[16:])))/256/20)
	family := b[18]
	switch {
	case d.channels == 0:
		return faultf(ErrCorrupt, "an Opus header with 0 channels")
	case family != 0:
		return forFFmpeg{"Opus of " + itoa(d.channels) + " channels in several streams"}
	case d.channels > 2:
		return faultf(ErrCorrupt, "an Opus header with %d channels in one stream", d.channels)
	}
	d.pcm = make([]float32, maxOpusPacket*d.channels)
	return guard("Opus", func() (err error) {
		d.dec, err = gopus.NewDecoder(gopus.DecoderConfig{
			SampleRate:       opusRate,
			Channels:         d.channels,
			MaxPacketSamples: maxOpusPacket,
			MaxPacketBytes:   maxPacket,
		})
		return err
	})
}

func (d *opusDecoder) format() (encoding string, rate, channels int) {
	return "opus", opusRate, d.channels
}

func (d *opusDecoder) skip() int64 { return d.preSkip }

func (d *opusDecoder) decode(dst []float32, packet []byte) ([]float32, error) {
	if len(packet) == 0 {
		return dst, faultf(ErrCorrupt, "an empty Opus packet")
	}
	var n int
	err := guard("Opus", func() (err error) {
		n, err = d.dec.Decode(packet, d.pcm)
		return err
	})
	if err != nil {
		return dst, err
	}
	return mixInto(dst, d.pcm[:n*d.channels], d.channels, d.gain), nil
}

// mixInto appends the mean over interleaved channels, times gain.
func mixInto(dst, pcm []float32, channels int, gain float64) []float32 {
	gain /= float64(channels)
	for ; len(pcm) >= channels; pcm = pcm[channels:] {
		var sum float64
		for _, x := range pcm[:channels] {
			sum += float64(x)
		}
		dst = append(dst, float32(sum*gain))
	}
	return dst
}
