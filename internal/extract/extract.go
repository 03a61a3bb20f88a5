// Package extract writes the codes, timbres and quantized frames of recordings, as data
// to train other models on.
package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/recording"
)

// Options are what File and Line have in common.
type Options struct {
	What
	// Normalize brings each recording to peak 1, as the model was trained on.
	Normalize bool
	// Strict takes for an error what is odd about a file (audio.Options).
	Strict bool
	// Key and Speaker, where they are not "", go into lines.
	Key, Speaker string
	// Opener, if not nil, opens the recording, which is then no file (recording.Options).
	Opener recording.Opener
	// Progress, if not nil, is called regularly with the seconds done.
	Progress func(seconds float64)
}

// A Report says what was extracted.
type Report struct {
	facodec.FileReport
	SHA256 string // of the file, or line, in hexadecimal
}

// File encodes an audio file and writes the arrays that o names, in the format that
// the extension of output sets: .npz, which numpy.load opens, or .safetensors, whose
// metadata have the samples, the rates and the model too. T = ceil(samples/HopLength)
// frames. Memory holds the codes but not the quantized frames, which wait on disk
// beside the output. After an error nothing is left of the output.
func File(ctx context.Context, c *facodec.Codec, source, output string, o Options) (Report, error) {
	write := writeNPZ
	switch ext := strings.ToLower(filepath.Ext(output)); ext {
	case ".npz":
	case ".safetensors":
		write = writeSafetensors
	default:
		return Report{}, fmt.Errorf("%s: the file extension sets the format: give .npz or .safetensors", output)
	}
	u, err := measure(ctx, c, source, o)
	if err != nil {
		return Report{}, err
	}
	f, err := atomicfile.Create(output)
	if err != nil {
		return Report{}, err
	}
	defer f.Discard()
	var quantized *spool
	if o.Quantized {
		if quantized, err = newSpool(c, filepath.Dir(output), u.frames, o.Float16); err != nil {
			return Report{}, fileerr.Write(output, err)
		}
		defer quantized.Close()
	}
	report, err := u.encode(ctx, func(codes facodec.Codes) error {
		if quantized == nil {
			return nil
		}
		if err := quantized.add(codes); err != nil {
			return fileerr.Write(output, err)
		}
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	hash := sha256.New()
	if err := write(io.MultiWriter(f, hash), c, arraysOf(o.What, u.codes, u.timbre, c.LatentDim(), quantized.copy), report); err != nil {
		return Report{}, fileerr.Write(output, err)
	}
	if report.Bytes, err = f.Seek(0, io.SeekCurrent); err != nil {
		return Report{}, fileerr.Write(output, err)
	}
	if err := f.Commit(); err != nil {
		return Report{}, err
	}
	report.Output, report.Elapsed = output, time.Since(u.start)
	return Report{report, hex.EncodeToString(hash.Sum(nil))}, nil
}

// An utterance is a recording on its way to its arrays.
type utterance struct {
	codec   *facodec.Codec
	options Options
	start   time.Time
	in      recording.Recording

	frames int // as a first reading found, like the timbre
	timbre []float32
	codes  facodec.Codes
}

// measure finds the length and the timbre of a recording.
func measure(ctx context.Context, c *facodec.Codec, source string, o Options) (*utterance, error) {
	u := &utterance{codec: c, options: o, start: time.Now()}
	var err error
	if u.in, err = recording.Open(ctx, source, recording.Options{Rate: c.SampleRate(), Normalize: o.Normalize, Strict: o.Strict, Opener: o.Opener}); err != nil {
		return nil, err
	}
	v := c.NewVoiceEncoder()
	samples := 0
	_, err = u.in.Read(ctx, func(piece []float32) error {
		samples += len(piece)
		return v.Push(piece)
	})
	if err != nil {
		return nil, err
	}
	v.EndClip()
	u.frames = (samples + c.HopLength() - 1) / c.HopLength()
	u.timbre, err = v.Timbre()
	return u, err
}

// encode finds the codes. It calls add, too, with pieces of at least a frame as they
// come.
func (u *utterance) encode(ctx context.Context, add func(facodec.Codes) error) (facodec.FileReport, error) {
	e := u.codec.NewEncoder()
	take := func(codes facodec.Codes) error {
		u.codes.Append(codes)
		if u.codes.Frames() > u.frames {
			return fmt.Errorf("%s: grew while it was read", u.in.Path)
		}
		if codes.Frames() == 0 {
			return nil
		}
		return add(codes)
	}
	rate := float64(u.codec.SampleRate())
	total := int64(0)
	result, err := u.in.Read(ctx, func(samples []float32) error {
		codes, err := e.Push(samples)
		if err != nil {
			return err
		}
		total += int64(len(samples))
		if u.options.Progress != nil {
			u.options.Progress(float64(total) / rate)
		}
		return take(codes)
	})
	if err != nil {
		return facodec.FileReport{}, err
	}
	last, err := e.Flush()
	if err == nil {
		err = take(last)
	}
	if err != nil {
		return facodec.FileReport{}, err
	}
	if u.codes.Frames() != u.frames {
		return facodec.FileReport{}, fmt.Errorf("%s: shrank while it was read", u.in.Path)
	}
	return facodec.FileReport{
		Source: u.in.Path, Info: result.Info, Notices: result.Notices, Samples: total, Seconds: float64(total) / rate, Frames: u.frames,
	}, nil
}
