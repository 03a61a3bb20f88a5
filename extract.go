package facodec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// What says which arrays ExtractFile writes.
type What struct {
	Codes     bool // int32 codes_prosody, codes_content, codes_residual [books, T]
	Timbre    bool // float32 timbre [latent]
	Quantized bool // float32 quantized_prosody, quantized_content, quantized_residual [latent, T]
}

// ParseWhat reads a list such as "codes,timbre,quantized".
func ParseWhat(s string) (What, error) {
	var w What
	for _, word := range strings.Split(s, ",") {
		switch strings.TrimSpace(word) {
		case "codes":
			w.Codes = true
		case "timbre":
			w.Timbre = true
		case "quantized":
			w.Quantized = true
		default:
			return What{}, fmt.Errorf("%q is not one of codes, timbre, quantized", word)
		}
	}
	return w, nil
}

// partNames are the parts in the order of DecodeParts, as arrays are named.
var partNames = [3]string{"prosody", "content", "residual"}

// ExtractFile encodes an audio file and writes the arrays that w names to a
// .npz file: T = ceil(samples/HopLength) frames. Memory holds the codes but not
// the quantized frames, which wait on disk beside the output. After an error
// nothing is left of the output.
func (c *Codec) ExtractFile(ctx context.Context, source, output string, w What, o FileOptions) (FileReport, error) {
	start := time.Now()
	samples, timbre, err := c.measureFile(ctx, source)
	if err != nil {
		return FileReport{}, err
	}
	frames := int((samples + int64(c.HopLength()) - 1) / int64(c.HopLength()))
	f, err := atomicfile.Create(output)
	if err != nil {
		return FileReport{}, err
	}
	defer f.Discard()
	var quantized *spool
	if w.Quantized {
		if quantized, err = c.newSpool(filepath.Dir(output), frames); err != nil {
			return FileReport{}, writeFault(output, err)
		}
		defer quantized.Close()
	}
	var all Codes
	report, err := c.encodeFile(ctx, source, o.Progress, func(codes Codes, _ int64) error {
		all.Append(codes)
		if all.Frames() > frames {
			return fmt.Errorf("%s: grew while it was read", source)
		}
		if quantized == nil || codes.Frames() == 0 {
			return nil
		}
		if err := quantized.add(codes); err != nil {
			return writeFault(output, err)
		}
		return nil
	})
	if err != nil {
		return FileReport{}, err
	}
	if all.Frames() != frames {
		return FileReport{}, fmt.Errorf("%s: shrank while it was read", source)
	}
	if err := writeArrays(f, w, all, timbre, quantized); err != nil {
		return FileReport{}, writeFault(output, err)
	}
	if err := f.Commit(); err != nil {
		return FileReport{}, err
	}
	report.Output, report.Elapsed = output, time.Since(start)
	return report, nil
}

// writeFault names the output, and not the files that help to make it.
func writeFault(output string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("write %s: %w", output, err)
}

// measureFile returns the length and the timbre of a file.
func (c *Codec) measureFile(ctx context.Context, source string) (int64, []float32, error) {
	v := c.NewVoiceEncoder()
	if _, err := c.readFile(ctx, source, v.Push); err != nil {
		return 0, nil, err
	}
	v.EndClip()
	timbre, err := v.Timbre()
	return int64(v.total), timbre, err
}

func writeArrays(f io.Writer, w What, codes Codes, timbre []float32, quantized *spool) error {
	z := npz.NewWriter(f)
	if w.Codes {
		for i, books := range [3][][]int32{codes.Prosody, codes.Content, codes.Residual} {
			var flat []int32
			for _, book := range books {
				flat = append(flat, book...)
			}
			if err := z.Write("codes_"+partNames[i], []int{len(books), codes.Frames()}, flat); err != nil {
				return err
			}
		}
	}
	if w.Timbre {
		if err := z.Write("timbre", []int{len(timbre)}, timbre); err != nil {
			return err
		}
	}
	if w.Quantized {
		if err := quantized.write(z); err != nil {
			return err
		}
	}
	return z.Close()
}

// A spool keeps the quantized frames of a file on disk: NumPy's arrays are
// channel by channel, while frames come one after the other.
type spool struct {
	codec  *Codec
	run    *op.Run
	files  [3]*os.File
	frames int // in all
	done   int
	row    []byte
}

func (c *Codec) newSpool(dir string, frames int) (*spool, error) {
	s := &spool{codec: c, run: op.NewRun(c.pool), frames: frames}
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
			s.row = binary.LittleEndian.AppendUint32(s.row, math.Float32bits(x.Row(0, t)[channel]))
		}
		if _, err := f.WriteAt(s.row, 4*(int64(channel)*int64(s.frames)+int64(s.done))); err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) write(z *npz.Writer) error {
	for i, f := range s.files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		err := z.WriteFunc("quantized_"+partNames[i], []int{s.codec.LatentDim(), s.frames}, npz.Float32, func(w io.Writer) error {
			_, err := io.Copy(w, f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
