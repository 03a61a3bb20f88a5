package audio

import (
	"bytes"
	"encoding/binary"
)

// mp3Header is the header of an MPEG audio frame of layer III: 32 bits, among them
// eleven ones to find it by (ISO 11172-3, section 2.4.1.3).
type mp3Header struct {
	version   int // 1: MPEG-1, 2: MPEG-2, 25: MPEG-2.5
	rate      int // Hz
	size      int // of the frame in bytes; 0: free format, the header does not tell
	crc       bool
	mono      bool
	intensity bool // joint stereo with intensities
}

// mp3Bitrates of layer III in kbit/s: MPEG-1, and MPEG-2 with MPEG-2.5.
var mp3Bitrates = [2][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

var mp3Rates = [3]int{44100, 48000, 32000} // MPEG-1; half of it in MPEG-2, a quarter in 2.5

// parseMP3Header tells whether four bytes are such a header.
func parseMP3Header(b []byte) (h mp3Header, ok bool) {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE0 != 0xE0 {
		return h, false
	}
	const layerIII = 1
	bitrate, rate := int(b[2]>>4), int(b[2]>>2&3)
	if b[1]>>1&3 != layerIII || bitrate == 15 || rate == 3 || b[3]&3 == 2 {
		return h, false
	}
	switch b[1] >> 3 & 3 {
	case 3:
		h.version, h.rate = 1, mp3Rates[rate]
	case 2:
		h.version, h.rate = 2, mp3Rates[rate]/2
	case 0:
		h.version, h.rate = 25, mp3Rates[rate]/4
	default:
		return h, false
	}
	h.crc = b[1]&1 == 0
	mode := b[3] >> 6
	h.mono = mode == 3
	h.intensity = mode == 1 && b[3]&0x10 != 0
	if bitrate > 0 {
		h.size = h.samples()/8*1000*mp3Bitrates[min(h.version, 2)-1][bitrate]/h.rate + int(b[2]>>1&1)
	}
	return h, true
}

// samples returns how many samples per channel a frame has.
func (h mp3Header) samples() int {
	if h.version == 1 {
		return 1152
	}
	return 576
}

// sideInfo returns where the side information of the frame begins and ends.
func (h mp3Header) sideInfo() (from, to int) {
	from, to = 4, 4+17
	if h.crc {
		from += 2
		to += 2
	}
	switch {
	case h.version == 1 && !h.mono:
		to += 32 - 17
	case h.version != 1 && h.mono:
		to -= 17 - 9
	}
	return from, to
}

// mainBits returns how many bits of main data the granules of a frame have, by its side
// information (ISO 11172-3, section 2.4.1.7; 13818-3, section 2.4.1.7).
func (h mp3Header) mainBits(side []byte) (bits int) {
	channels, granules, at, each := 2, 2, 9+3+8, 59
	if h.mono {
		channels, at = 1, 9+5+4
	}
	if h.version != 1 {
		granules, at, each = 1, 8+channels, 63
	}
	for i := range granules * channels {
		for k := range 12 {
			bit := at + i*each + k
			bits += int(side[bit/8]>>(7-bit%8)&1) << (11 - k)
		}
	}
	return bits
}

// sameStream tells whether frames with these headers can follow each other.
func (h mp3Header) sameStream(other mp3Header) bool {
	return h.version == other.version && h.rate == other.rate
}

// unserved names what the decoder would get wrong: go-mp3 loses a byte of every
// padded frame at 22.05 kHz, knows nothing of MPEG-2.5, and scales the wrong
// channel where stereo is coded as intensities. It is "" for all else.
func (h mp3Header) unserved() string {
	switch {
	case h.version == 25:
		return "MPEG-2.5 audio"
	case h.rate == 22050:
		return "MP3 at 22050 Hz"
	case h.intensity:
		return "MP3 with intensity stereo"
	case h.size == 0:
		return "MP3 of free bitrate"
	}
	return ""
}

// mp3Tag is what encoders write into a first frame without sound.
type mp3Tag struct {
	frames  int64 // behind this one; 0: not told
	lame    bool  // delay and padding are told
	delay   int   // samples that the encoder put before the sound
	padding int   // and behind it
}

// parseMP3Tag finds the tag of Xing and LAME, or that of Fraunhofer (VBRI).
func parseMP3Tag(h mp3Header, frame []byte) (tag mp3Tag, ok bool) {
	if len(frame) > 36+18 && string(frame[36:40]) == "VBRI" {
		return mp3Tag{frames: int64(binary.BigEndian.Uint32(frame[36+14:]))}, true
	}
	h.crc = false // the tag is where it would be without one
	_, at := h.sideInfo()
	b := frame[min(at, len(frame)):]
	if len(b) < 8 || !bytes.HasPrefix(b, []byte("Xing")) && !bytes.HasPrefix(b, []byte("Info")) {
		return tag, false
	}
	flags := b[7]
	b = b[8:]
	for i, size := range []int{4, 4, 100, 4} { // frames, bytes, table of contents, quality
		if flags>>i&1 == 0 {
			continue
		}
		if len(b) < size {
			return tag, true
		}
		if i == 0 {
			tag.frames = int64(binary.BigEndian.Uint32(b))
		}
		b = b[size:]
	}
	if len(b) < 24 {
		return tag, true
	}
	switch string(b[:4]) {
	case "LAME", "Lavf", "Lavc":
		tag.lame = true
		tag.delay = int(b[21])<<4 | int(b[22])>>4
		tag.padding = int(b[22]&15)<<8 | int(b[23])
	}
	return tag, true
}
