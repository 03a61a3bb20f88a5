package extract

import (
	"io"
	"os"

	facodec "github.com/facodec-go/facodec"
)

// A spool keeps the quantized frames of a file on disk: arrays are written
// channel by channel, while frames come one after the other.
type spool struct {
	codec  *facodec.Codec
	files  [facodec.NumParts]*os.File
	frames int // in all
	done   int
	half   bool
	row    []byte
}

func newSpool(c *facodec.Codec, dir string, frames int, half bool) (*spool, error) {
	s := &spool{codec: c, frames: frames, half: half}
	for i := range s.files {
		f, err := os.CreateTemp(dir, ".facodec-quantized-*")
		if err != nil {
			s.Close()
			return nil, err
		}
		// Nobody else needs its name. Where an open file keeps it, Close removes it.
		os.Remove(f.Name())
		s.files[i] = f
	}
	return s, nil
}

// Close removes the files.
func (s *spool) Close() {
	for _, f := range s.files {
		if f != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}
}

// add appends the quantized frames of codes.
func (s *spool) add(codes facodec.Codes) error {
	parts, err := s.codec.Quantized(codes)
	if err != nil {
		return err
	}
	for part, rows := range parts {
		if err := s.addPart(s.files[part], rows, codes.Frames()); err != nil {
			return err
		}
	}
	s.done += codes.Frames()
	return nil
}

// addPart appends rows [latent][frames] of one part.
func (s *spool) addPart(f *os.File, rows []float32, frames int) error {
	size := int64(floatType(s.half).Size())
	for channel := range len(rows) / frames {
		s.row = s.row[:0]
		for _, v := range rows[channel*frames:][:frames] {
			s.row = appendFloat(s.row, v, s.half)
		}
		at := int64(channel)*int64(s.frames) + int64(s.done)
		if _, err := f.WriteAt(s.row, at*size); err != nil {
			return err
		}
	}
	return nil
}

// copy writes a part, [latent, T].
func (s *spool) copy(out io.Writer, part facodec.Part) error {
	f := s.files[part]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(out, f)
	return err
}
