package audio

import (
	"errors"
	"io"
)

// wavDecoder decodes the samples behind a WAV header.
type wavDecoder struct {
	src    *source
	format wavFormat
	frames int64 // declared; -1: up to the end of the stream
	known  int64 // what Info says: as frames, or from the length of the file
	done   int64
	peak   float32 // of float samples
	buf    []byte
}

// loudPeak is the peak, of full scale 1, beyond which float samples are hardly meant as they
// are: 12 dB, more than mixing and filters leave.
const loudPeak = 4

func newWAV(src *source) (*wavDecoder, error) {
	h, err := readWAVHeader(src)
	if err != nil {
		return nil, err
	}
	d := &wavDecoder{src: src, format: h.format, frames: -1, known: -1}
	align := int64(h.format.blockAlign)
	switch {
	case h.dataSize >= 0:
		d.frames = h.dataSize / align
		d.known = d.frames
	case src.size >= 0:
		d.known = (src.size - h.offset) / align
	}
	// At least one frame, which is at most 64 KiB.
	d.buf = make([]byte, max(1, (64<<10)/h.format.blockAlign)*h.format.blockAlign)
	return d, nil
}

func (d *wavDecoder) info() Info {
	return Info{
		Format:     "wav",
		Encoding:   d.format.encoding,
		SampleRate: d.format.rate,
		Channels:   d.format.channels,
		Frames:     d.known,
	}
}

func (d *wavDecoder) read(dst []float32) (int, error) {
	n, err := d.readFrames(dst)
	if d.format.float {
		for _, x := range dst[:n] {
			d.peak = max(d.peak, x, -x)
		}
		if err == io.EOF && d.peak > loudPeak {
			if odd := d.src.odd(ErrCorrupt, "its peak is %.6g of full scale 1, as of integers that were written as floats; scale it to 1", d.peak); odd != nil {
				return 0, odd
			}
		}
	}
	return n, err
}

func (d *wavDecoder) readFrames(dst []float32) (int, error) {
	align := d.format.blockAlign
	width := d.src.width(d.format.channels)
	want := int64(min(len(dst)/width, len(d.buf)/align))
	if d.frames >= 0 {
		want = min(want, d.frames-d.done)
	}
	if want == 0 {
		return 0, io.EOF
	}
	n, err := io.ReadFull(d.src.br, d.buf[:int(want)*align])
	whole := n / align
	d.mix(dst[:whole*width], d.buf)
	d.done += int64(whole)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		if part := int64(n % align); part != 0 && (d.frames < 0 || d.frames-d.done == 1) {
			d.frames = d.done
			if err := d.src.oddTail(part, int64(align)); err != nil {
				return 0, err
			}
		}
		switch {
		case whole > 0 && (n%align == 0 || d.frames == d.done):
			return whole * width, nil // the next call finds the end
		case d.frames > d.done:
			return 0, missingSamples(d.frames, d.done)
		}
		return 0, io.EOF
	}
	if err != nil {
		return 0, err
	}
	return whole * width, nil
}

// mix decodes frames and takes the mean over their channels, or keeps them.
func (d *wavDecoder) mix(dst []float32, b []byte) {
	channels, width := d.format.channels, d.format.width
	if d.src.keep {
		channels = 1
	}
	for i := range dst {
		var sum float64
		for range channels {
			sum += d.format.sample(b)
			b = b[width:]
		}
		dst[i] = float32(sum / float64(channels))
	}
}

func (d *wavDecoder) close() error { return d.src.close() }
