package audio

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/thesyncim/gopus"

	"github.com/facodec-go/facodec/internal/plural"
)

// Opus is decoded at 48 kHz, whatever was recorded; a packet has at most 120 ms.
const (
	opusRate      = 48000
	maxOpusPacket = opusRate * 120 / 1000
)

// opusDecoder decodes Opus (RFC 6716) as it is put into Ogg (RFC 7845) and WebM. Of
// the decoders tried, gopus v0.1.1 differs from libopus by rounding only (133 dB and
// more, bit for bit in speech mode), pion/opus v0.1.0 by 42 to 121 dB. The one fault of
// gopus, see findings/gopus_mono_packets.sh, is worked around in decodePacket.
type opusDecoder struct {
	dec      *gopus.Decoder
	mono     *gopus.Decoder // of a stream of two channels; nil where it is not needed
	channels int
	mapping  [2]byte // the decoded channel that is each of the stream's; 255: silence
	preSkip  int64
	gain     float64
	headers  int
	since    int // packets since the last with two channels
	pcm      []float32
	monoPCM  []float32
}

// header takes OpusHead and then OpusTags.
func (d *opusDecoder) header(packet []byte) (bool, error) {
	d.headers++
	if d.headers == 2 {
		if packet != nil && !bytes.HasPrefix(packet, []byte("OpusTags")) {
			return false, faultf(ErrCorrupt, "the Opus tags are missing")
		}
		return true, nil
	}
	return false, d.readHead(packet)
}

// readHead reads OpusHead (RFC 7845, section 5.1).
func (d *opusDecoder) readHead(b []byte) error {
	if len(b) < 19 || string(b[:8]) != "OpusHead" {
		return faultf(ErrCorrupt, "an Opus header of %s", plural.Of(len(b), "byte"))
	}
	if b[8]>>4 != 0 {
		return faultf(ErrUnsupported, "version %d of Opus files", b[8])
	}
	le := binary.LittleEndian
	d.channels = int(b[9])
	d.preSkip = int64(le.Uint16(b[10:]))
	// In 256ths of a decibel. It may make up for a recording that is much too low.
	d.gain = math.Pow(10, float64(int16(le.Uint16(b[16:])))/256/20)
	d.mapping = [2]byte{0, 1}
	family := b[18]
	switch {
	case d.channels == 0:
		return faultf(ErrCorrupt, "an Opus header with 0 channels")
	case family != 0:
		if err := d.readMapping(b[19:]); err != nil {
			return err
		}
	case d.channels > 2:
		return faultf(ErrCorrupt, "an Opus header with %s in one stream", plural.Of(d.channels, "channel"))
	}
	var err error
	if d.dec, err = newGopus(d.channels); err == nil && d.channels == 2 {
		d.mono, err = newGopus(1)
		d.since = monoSettles
	}
	d.pcm = make([]float32, maxOpusPacket*d.channels)
	return err
}

// readMapping reads the table of channels of a family other than 0 (section 5.1.1). One
// or two channels in one stream are decoded here.
func (d *opusDecoder) readMapping(b []byte) error {
	several := forFFmpeg{"Opus of " + itoa(d.channels) + " channels in several streams"}
	if d.channels > 2 || len(b) >= 2 && b[0] != 1 {
		return several
	}
	if len(b) < 2+d.channels {
		return faultf(ErrCorrupt, "an Opus header without its table of channels")
	}
	decoded := 1 + int(b[1]) // b[1] of the streams are of two channels
	copy(d.mapping[:], b[2:2+d.channels])
	for _, c := range d.mapping[:d.channels] {
		if decoded > 2 || int(c) >= decoded && c != 255 {
			return faultf(ErrCorrupt, "an Opus header with a wrong table of channels")
		}
	}
	if decoded != d.channels || d.channels == 1 && d.mapping[0] == 255 {
		return several // in one, but not one to one
	}
	return nil
}

func newGopus(channels int) (dec *gopus.Decoder, err error) {
	err = guard("Opus", func() (err error) {
		dec, err = gopus.NewDecoder(gopus.DecoderConfig{
			SampleRate:       opusRate,
			Channels:         channels,
			MaxPacketSamples: maxOpusPacket,
			MaxPacketBytes:   maxPacket,
		})
		return err
	})
	return dec, err
}

func (d *opusDecoder) format() (encoding string, rate, channels int) {
	return "opus", opusRate, d.channels
}

func (d *opusDecoder) skip() int64 { return d.preSkip }

func (d *opusDecoder) decode(dst []float32, packet []byte, width int) ([]float32, error) {
	if len(packet) == 0 {
		return dst, faultf(ErrCorrupt, "an empty Opus packet")
	}
	n, err := d.decodePacket(packet)
	if err != nil {
		return dst, err
	}
	pcm := d.pcm[:n*d.channels]
	if d.mapping != [2]byte{0, 1} && d.channels == 2 {
		for i := 0; i < len(pcm); i += 2 {
			pair := [2]float32(pcm[i:])
			for c, from := range d.mapping {
				if pcm[i+c] = 0; from != 255 {
					pcm[i+c] = pair[from]
				}
			}
		}
	}
	return mixInto(dst, pcm, d.channels, width, d.gain), nil
}

const (
	// monoSettles is how many packets with one channel the decoder for two is used
	// behind one with two: what overlaps is of two channels still.
	monoSettles = 3
	// stereoRate is the bitrate above which encoders no longer send packets with one
	// channel in a stream of two; libopus's thresholds are at 17 to 19 kbit/s.
	stereoRate = 40000
)

// decodePacket decodes into d.pcm and returns the samples of each channel. A decoder of
// two channels gets packets with one wrong: it loses the history of their energies, by
// which noise is filled in. What both channels must be is then that of a decoder of one
// channel, which has decoded all packets, too.
func (d *opusDecoder) decodePacket(packet []byte) (n int, err error) {
	err = guard("Opus", func() (err error) {
		n, err = d.dec.Decode(packet, d.pcm)
		return err
	})
	if err != nil || d.mono == nil {
		return n, err
	}
	if twoChannels := packet[0]&4 != 0; twoChannels {
		d.since = 0
		if n > 0 && 8*len(packet)*opusRate/n > stereoRate {
			d.mono, d.monoPCM = nil, nil
			return n, nil
		}
	} else {
		d.since++
	}
	if d.monoPCM == nil {
		d.monoPCM = make([]float32, maxOpusPacket)
	}
	var m int
	err = guard("Opus", func() (err error) {
		m, err = d.mono.Decode(packet, d.monoPCM)
		return err
	})
	if err == nil && d.since > monoSettles && m == n {
		for i, x := range d.monoPCM[:n] {
			d.pcm[2*i], d.pcm[2*i+1] = x, x
		}
	}
	return n, err
}

// mixInto appends interleaved channels, times gain: their mean, or all of them where as
// many are wanted. One channel stands for both of two.
func mixInto(dst, pcm []float32, channels, width int, gain float64) []float32 {
	if width == channels {
		for _, x := range pcm {
			dst = append(dst, float32(float64(x)*gain))
		}
		return dst
	}
	gain /= float64(channels)
	for ; len(pcm) >= channels; pcm = pcm[channels:] {
		var sum float64
		for _, x := range pcm[:channels] {
			sum += float64(x)
		}
		mean := float32(sum * gain)
		for range width {
			dst = append(dst, mean)
		}
	}
	return dst
}
