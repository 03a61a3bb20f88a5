package audio

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/plural"
)

// The format tags of WAV that this package reads.
const (
	wavPCM        = 0x0001
	wavFloat      = 0x0003
	wavALaw       = 0x0006
	wavMuLaw      = 0x0007
	wavExtensible = 0xFFFE
)

// wavFormat is a fmt chunk, checked.
type wavFormat struct {
	encoding   string
	channels   int
	rate       int
	blockAlign int                    // bytes of a frame
	wrongAlign bool                   // the header says otherwise, impossibly
	width      int                    // bytes of a sample
	float      bool                   // samples are, and may be beyond full scale
	sample     func(b []byte) float64 // decodes width bytes
}

// mediaSubtype is what follows the 16-bit format tag in a subformat GUID.
var mediaSubtype = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71"

func parseWAVFormat(body []byte, order binary.ByteOrder) (wavFormat, error) {
	var f wavFormat
	if len(body) < 16 {
		return f, faultf(ErrCorrupt, "a fmt chunk of %s", plural.Of(len(body), "byte"))
	}
	tag := order.Uint16(body)
	f.channels = int(order.Uint16(body[2:]))
	rate := order.Uint32(body[4:])
	f.blockAlign = int(order.Uint16(body[12:]))
	bits := int(order.Uint16(body[14:]))
	valid := bits
	if tag == wavExtensible {
		if len(body) < 40 {
			return f, faultf(ErrCorrupt, "an extensible fmt chunk of %s", plural.Of(len(body), "byte"))
		}
		if v := int(order.Uint16(body[18:])); v != 0 {
			valid = v
		}
		tag = order.Uint16(body[24:])
		if string(body[26:40]) != mediaSubtype {
			return f, forFFmpeg{fmt.Sprintf("WAV subformat %x", body[24:40])}
		}
		if bits%8 != 0 {
			return f, faultf(ErrCorrupt, "samples in containers of %s", plural.Of(bits, "bit"))
		}
	}
	switch {
	case f.channels == 0:
		return f, faultf(ErrCorrupt, "0 channels")
	case rate > math.MaxInt32:
		return f, faultf(ErrCorrupt, "a sample rate of %d Hz", rate)
	}
	f.rate = int(rate)
	if err := f.setEncoding(tag, bits, order); err != nil {
		return f, err
	}
	switch {
	case valid > 8*f.width:
		return f, faultf(ErrCorrupt, "%d valid bits in samples of %s", valid, plural.Of(8*f.width, "bit"))
	case f.blockAlign > f.channels*f.width && f.blockAlign%f.channels == 0:
		// Programs differ in where in the bytes the bits are, and whether they are a
		// float: no reader can know.
		return f, faultf(ErrUnsupported, "%d-bit samples in %s each", bits, plural.Of(f.blockAlign/f.channels, "byte"))
	case f.blockAlign != f.channels*f.width && f.blockAlign > 0 && f.blockAlign != f.width:
		return f, faultf(ErrCorrupt, "frames of %s for %s of %s", plural.Of(f.blockAlign, "byte"), plural.Of(f.channels, "channel"), plural.Of(bits, "bit"))
	case f.blockAlign != f.channels*f.width:
		// Left out, or that of one channel: what it must be is known.
		f.wrongAlign, f.blockAlign = true, f.channels*f.width
	}
	return f, nil
}

// setEncoding chooses the decoder of one sample. Integers of fewer bits than their
// bytes hold are aligned to the left, so full scale is that of the bytes.
func (f *wavFormat) setEncoding(tag uint16, bits int, order binary.ByteOrder) error {
	f.width, f.float = (bits+7)/8, tag == wavFloat
	switch {
	case tag == wavPCM && f.width == 1:
		f.encoding = "pcm_u8"
		f.sample = func(b []byte) float64 { return (float64(b[0]) - 128) / 128 }
	case tag == wavPCM && f.width == 2:
		f.encoding = "pcm_s16"
		f.sample = func(b []byte) float64 { return float64(int16(order.Uint16(b))) / (1 << 15) }
	case tag == wavPCM && f.width == 3:
		f.encoding = "pcm_s24"
		f.sample = func(b []byte) float64 { return float64(int24(b)) / (1 << 23) }
		if order == binary.BigEndian {
			f.sample = func(b []byte) float64 { return float64(int24([]byte{b[2], b[1], b[0]})) / (1 << 23) }
		}
	case tag == wavPCM && f.width == 4:
		f.encoding = "pcm_s32"
		f.sample = func(b []byte) float64 { return float64(int32(order.Uint32(b))) / (1 << 31) }
	case tag == wavFloat && bits == 32:
		f.encoding = "pcm_f32"
		f.sample = func(b []byte) float64 { return float64(math.Float32frombits(order.Uint32(b))) }
	case tag == wavFloat && bits == 64:
		f.encoding = "pcm_f64"
		f.sample = func(b []byte) float64 { return math.Float64frombits(order.Uint64(b)) }
	case tag == wavMuLaw && bits == 8:
		f.encoding = "pcm_mulaw"
		f.sample = func(b []byte) float64 { return float64(muLaw(b[0])) / (1 << 15) }
	case tag == wavALaw && bits == 8:
		f.encoding = "pcm_alaw"
		f.sample = func(b []byte) float64 { return float64(aLaw(b[0])) / (1 << 15) }
	case tag == wavPCM || tag == wavFloat || tag == wavMuLaw || tag == wavALaw:
		return faultf(ErrCorrupt, "%d-bit samples in WAV format %#x", bits, tag)
	default:
		return forFFmpeg{fmt.Sprintf("WAV format %#x; PCM, float, µ-law and A-law are read", tag)}
	}
	return nil
}

// int24 is a little-endian 24-bit integer.
func int24(b []byte) int32 {
	return int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8
}

// muLaw expands a byte of ITU-T G.711 µ-law to 16 bits.
func muLaw(b byte) int16 {
	b = ^b
	magnitude := (int16(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		return -magnitude
	}
	return magnitude
}

// aLaw expands a byte of ITU-T G.711 A-law to 16 bits.
func aLaw(b byte) int16 {
	b ^= 0x55
	magnitude := int16(b&0x0f)<<4 + 8
	if exponent := b >> 4 & 7; exponent > 0 {
		magnitude = (magnitude + 0x100) << (exponent - 1)
	}
	if b&0x80 == 0 {
		return -magnitude
	}
	return magnitude
}
