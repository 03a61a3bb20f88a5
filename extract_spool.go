package facodec

import (
	"io"
	"os"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A spool keeps the quantized frames of a file on disk: arrays are written
// channel by channel, while frames come one after the other.
type spool struct {
	codec  *Codec
	run    *op.Run
	files  [NumParts]*os.File
	frames int // in all
	done   int
	half   bool
	row    []byte
}

func (c *Codec) newSpool(dir string, frames int, half bool) (*spool, error) {
	s := &spool{codec: c, run: op.NewRun(c.pool), frames: frames, half: half}
	s.run.Last = true // each piece stands for itself: looking up codes has no memory
	for i := range s.files {
		f, err := os.CreateTemp(dir, ".facodec-quantized-*")
		if err != nil {
			s.Close()
			return nil, err
		}
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

// add appends the frames that codes stand for.
func (s *spool) add(codes Codes) error {
	for i, part := range s.codec.model.Quantizer.DecodeParts(s.run, model.Codes(codes)) {
		if err := s.addPart(s.files[i], part); err != nil {
			return err
		}
		s.run.Free(part)
	}
	s.done += codes.Frames()
	return nil
}

func (s *spool) addPart(f *os.File, x tensor.Tensor) error {
	for channel := range x.C {
		s.row = s.row[:0]
		for t := range x.T {
			s.row = appendFloat(s.row, x.Row(0, t)[channel], s.half)
		}
		at := int64(channel)*int64(s.frames) + int64(s.done)
		if _, err := f.WriteAt(s.row, at*int64(floatType(s.half).Size())); err != nil {
			return err
		}
	}
	return nil
}

// copy writes a part, [latent, T].
func (s *spool) copy(out io.Writer, part Part) error {
	f := s.files[part]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(out, f)
	return err
}
