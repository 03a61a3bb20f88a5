package audio

import (
	"encoding/binary"
	"math"
)

// wavFile builds WAV files, sound ones and others.
type wavFile struct {
	order                binary.AppendByteOrder
	id                   string // RIFF unless set
	tag                  uint16
	channels, rate, bits int
	extensible           bool
	valid                int // bits, of extensible
	align                int // the right one unless set
	before               [][]byte
	data                 []byte
	dataSize             *uint32 // what the header says instead of the truth
	riffSize             *uint32
	after                []byte
}

var littleEndian binary.AppendByteOrder = binary.LittleEndian

func u32(x uint32) *uint32 { return &x }

func (f wavFile) chunk(id string, body []byte) []byte {
	b := f.order.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func (f wavFile) formatChunk() []byte {
	width := (f.bits + 7) / 8
	align := f.align
	if align == 0 {
		align = f.channels * width
	}
	tag := f.tag
	if f.extensible {
		tag = wavExtensible
	}
	b := f.order.AppendUint16(nil, tag)
	b = f.order.AppendUint16(b, uint16(f.channels))
	b = f.order.AppendUint32(b, uint32(f.rate))
	b = f.order.AppendUint32(b, uint32(f.rate*align))
	b = f.order.AppendUint16(b, uint16(align))
	b = f.order.AppendUint16(b, uint16(f.bits))
	if f.extensible {
		b = f.order.AppendUint16(b, 22)
		b = f.order.AppendUint16(b, uint16(f.valid))
		b = f.order.AppendUint32(b, 0) // speakers
		b = f.order.AppendUint16(b, f.tag)
		b = append(b, mediaSubtype...)
	}
	return f.chunk("fmt ", b)
}

func (f wavFile) build() []byte {
	if f.order == nil {
		f.order = binary.LittleEndian
	}
	id := f.id
	if id == "" {
		id = "RIFF"
	}
	body := []byte("WAVE")
	for _, c := range f.before {
		body = append(body, c...)
	}
	body = append(body, f.formatChunk()...)
	data := f.chunk("data", f.data)
	if f.dataSize != nil {
		copy(data[4:], f.order.AppendUint32(nil, *f.dataSize))
	}
	body = append(body, data...)
	body = append(body, f.after...)
	size := uint32(len(body))
	if f.riffSize != nil {
		size = *f.riffSize
	}
	return append(f.order.AppendUint32([]byte(id), size), body...)
}

// encode stores integers of the given bytes, or floats.
func encodeInts(order binary.AppendByteOrder, width int, values ...int64) []byte {
	var b []byte
	for _, v := range values {
		word := order.AppendUint32(nil, uint32(v))
		switch {
		case width == 1:
			b = append(b, byte(v+128))
		case order == binary.AppendByteOrder(binary.LittleEndian):
			b = append(b, word[:width]...)
		default:
			b = append(b, word[4-width:]...)
		}
	}
	return b
}

func encodeFloats(order binary.AppendByteOrder, bits int, values ...float64) []byte {
	var b []byte
	for _, v := range values {
		if bits == 64 {
			b = order.AppendUint64(b, math.Float64bits(v))
		} else {
			b = order.AppendUint32(b, math.Float32bits(float32(v)))
		}
	}
	return b
}

// mono16 is a small sound file to be damaged.
func mono16(values ...int64) wavFile {
	return wavFile{tag: wavPCM, channels: 1, rate: 16000, bits: 16, data: encodeInts(binary.LittleEndian, 2, values...)}
}
