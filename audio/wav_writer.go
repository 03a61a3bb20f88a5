package audio

import (
	"bufio"
	"encoding/binary"
	"math"
)

// wavEncoder writes WAV.
type wavEncoder struct {
	file     outFile
	buf      *bufio.Writer
	rate     int
	channels int
	format   SampleFormat
	frames   int64
	comment  []byte // the chunk behind the samples; nil for none
	maxBytes int64  // of samples in a plain RIFF file; above it, RF64
	stream   bool   // not a file, but what NewWriter was given
	promised int64  // frames in a stream's header; -1: none
}

// newWAVEncoder begins a file, with a place for the header, which is known at the end.
func newWAVEncoder(f outFile, o WriteOptions) *wavEncoder {
	e := &wavEncoder{
		file:     f,
		buf:      bufio.NewWriterSize(f, 64<<10),
		rate:     o.FileRate,
		channels: o.Channels,
		format:   o.Format,
		comment:  wavComment(o.Comment),
		maxBytes: math.MaxUint32 - 1<<10,
	}
	e.buf.Write(make([]byte, len(e.header())))
	return e
}

func (e *wavEncoder) encode(samples []float32) (clipped int64, err error) {
	for rest := samples; len(rest) > 0; {
		n := min(len(rest), e.buf.Available()/e.format.width())
		if n == 0 {
			if err := e.buf.Flush(); err != nil {
				return clipped, err
			}
			continue
		}
		clipped += e.append(rest[:n])
		rest = rest[n:]
	}
	e.frames += int64(len(samples) / e.channels)
	if e.stream {
		return clipped, e.buf.Flush()
	}
	return clipped, nil
}

// append writes samples for which the buffer has room.
func (e *wavEncoder) append(samples []float32) (clipped int64) {
	b := e.buf.AvailableBuffer()
	for _, x := range samples {
		if e.format == F32 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			continue
		}
		s, over := integer(x, 8*e.format.width())
		if over {
			clipped++
		}
		if b = binary.LittleEndian.AppendUint16(b, uint16(s)); e.format == S24 {
			b = append(b, byte(s>>16))
		}
	}
	e.buf.Write(b) // fits, so it cannot fail
	return clipped
}

func (e *wavEncoder) discard() {}
