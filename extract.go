package facodec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/atomicfile"
)

// What says which arrays of a recording are written.
type What struct {
	Codes     bool // int32 codes_prosody, codes_content, codes_residual [books, T]
	Timbre    bool // float32 timbre [latent]
	Quantized bool // float32 quantized_prosody, quantized_content, quantized_residual [latent, T]
	Float16   bool // timbre and quantized in half precision, rounded to nearest
}

// ParseWhat reads a list such as "codes,timbre,quantized,float16".
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
		case "float16":
			w.Float16 = true
		default:
			return What{}, fmt.Errorf("%q is not one of codes, timbre, quantized, float16", word)
		}
	}
	if w.Float16 && !w.Timbre && !w.Quantized {
		return What{}, errors.New("float16 says how timbre and quantized are written, and neither is asked for")
	}
	return w, nil
}

// String returns the list that ParseWhat reads, in one order.
func (w What) String() string {
	var words []string
	for _, word := range []struct {
		is   bool
		name string
	}{{w.Codes, "codes"}, {w.Timbre, "timbre"}, {w.Quantized, "quantized"}, {w.Float16, "float16"}} {
		if word.is {
			words = append(words, word.name)
		}
	}
	return strings.Join(words, ",")
}

// ExtractFile encodes an audio file and writes the arrays that w names, in the
// format that the ending of output says: .npz, which numpy.load opens, or
// .safetensors, whose metadata have the samples, the rates and the model too.
// T = ceil(samples/HopLength) frames. Memory holds the codes but not the quantized
// frames, which wait on disk beside the output. After an error nothing is left of
// the output.
func (c *Codec) ExtractFile(ctx context.Context, source, output string, w What, o FileOptions) (FileReport, error) {
	start := time.Now()
	write := writeNPZ
	switch ext := strings.ToLower(filepath.Ext(output)); ext {
	case ".npz":
	case ".safetensors":
		write = c.writeSafetensors
	default:
		return FileReport{}, fmt.Errorf("%s: the ending says the format: .npz or .safetensors", output)
	}
	clip, err := c.measureFile(ctx, source, o)
	if err != nil {
		return FileReport{}, err
	}
	f, err := atomicfile.Create(output)
	if err != nil {
		return FileReport{}, err
	}
	defer f.Discard()
	var quantized *spool
	if w.Quantized {
		if quantized, err = c.newSpool(filepath.Dir(output), clip.frames, w.Float16); err != nil {
			return FileReport{}, writeFault(output, err)
		}
		defer quantized.Close()
	}
	codes, report, err := c.codesOfFile(ctx, source, clip, o, func(codes Codes) error {
		if quantized == nil {
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
	hash := sha256.New()
	if err := write(io.MultiWriter(f, hash), arraysOf(w, codes, clip.timbre, quantized), report); err != nil {
		return FileReport{}, writeFault(output, err)
	}
	if report.Bytes, err = f.Seek(0, io.SeekCurrent); err != nil {
		return FileReport{}, writeFault(output, err)
	}
	if err := f.Commit(); err != nil {
		return FileReport{}, err
	}
	report.Output, report.Elapsed = output, time.Since(start)
	report.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return report, nil
}

// TokensFingerprint returns that of all tensors that turn a recording into codes
// and a timbre: recordings extracted by two codecs go together if theirs are
// equal. A decoder that was trained further, or left out, does not change it.
func (c *Codec) TokensFingerprint() Fingerprint { return c.model.TokensFingerprint() }

// writeFault names the output, and not the files that help to make it.
func writeFault(output string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("write %s: %w", output, err)
}

// A measure is what a first reading of a file tells.
type measure struct {
	frames int
	timbre []float32
	gain   float32
}

// measureFile returns the length and the timbre of a file.
func (c *Codec) measureFile(ctx context.Context, source string, o FileOptions) (measure, error) {
	gain, err := c.gainOf(ctx, source, o)
	if err != nil {
		return measure{}, err
	}
	v := c.NewVoiceEncoder()
	if _, err := c.readFile(ctx, source, scaled(gain, v.Push)); err != nil {
		return measure{}, err
	}
	v.EndClip()
	timbre, err := v.Timbre()
	return measure{frames: (v.total + c.HopLength() - 1) / c.HopLength(), timbre: timbre, gain: gain}, err
}

// codesOfFile returns the codes of a file that was measured. It calls add, too,
// with pieces of at least a frame as they come.
func (c *Codec) codesOfFile(ctx context.Context, source string, clip measure, o FileOptions, add func(Codes) error) (Codes, FileReport, error) {
	var all Codes
	report, err := c.encodeFile(ctx, source, clip.gain, o.Progress, func(codes Codes, _ int64) error {
		all.Append(codes)
		if all.Frames() > clip.frames {
			return fmt.Errorf("%s: grew while it was read", source)
		}
		if codes.Frames() == 0 {
			return nil
		}
		return add(codes)
	})
	if err == nil && all.Frames() != clip.frames {
		err = fmt.Errorf("%s: shrank while it was read", source)
	}
	return all, report, err
}
