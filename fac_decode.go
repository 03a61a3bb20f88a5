package facodec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/facodec-go/facodec/audio"
)

// partsOf returns the parts of a file's codes that are decoded, of which wanted are
// those asked for: nil for all that are there, or, in another voice, all but the
// residual. It refuses a part that is not there.
func partsOf(h FacHeader, wanted []Part, converted bool) ([]Part, error) {
	if wanted == nil {
		if converted {
			return []Part{Prosody, Content}, nil
		}
		return []Part{Prosody, Content, Residual}, nil
	}
	for _, part := range wanted {
		if part < 0 || part >= NumParts || h.Books[part] == 0 {
			return nil, fmt.Errorf("holds no %v codes: they were left out when it was encoded: %w", part, ErrTokens)
		}
	}
	return wanted, nil
}

// DecodeOptions are those of DecodeFile; Normalize has no effect.
type DecodeOptions struct {
	FileOptions
	// Parts are those to decode; nil for all that are there, or, in another voice,
	// all but the residual, as Convert does. Each goes through the norm and the timbre
	// as all together would, so that one alone can be heard.
	Parts []Part
	// Timbre, LatentDim values, is the voice to speak in instead of the file's own.
	Timbre []float32
	// In, if not nil, is read instead of the file source, which is then its name in
	// errors.
	In io.Reader
	// Out, if not nil, is written instead of the file output, which is then its
	// name in errors.
	Out io.Writer
}

// DecodeFile decodes a compressed file to a mono WAV file of as many samples as
// were encoded: the very ones that ReconstructFile gives where all parts are
// decoded. A file is checked from its first byte to its last before a sample is
// decoded, and no output is made of one that is damaged. After an error nothing is
// left of an output file.
//
// The timbre is known at the end of a compressed file, and files are read twice.
// From In the codes are kept until the end has come, 600 bytes for every second,
// unless Timbre is given: then samples come as the codes do, and an error may come
// after them.
func (c *Codec) DecodeFile(ctx context.Context, source, output string, o DecodeOptions) (FileReport, error) {
	start := time.Now()
	p := player{codec: c, ctx: ctx, source: source, output: output, options: o, samples: -1}
	report, err := p.play()
	if err != nil {
		return FileReport{}, err
	}
	report.Source, report.Output, report.Elapsed = source, output, time.Since(start)
	return report, nil
}

// A player decodes one compressed file.
type player struct {
	codec          *Codec
	ctx            context.Context
	source, output string
	options        DecodeOptions

	timbre  []float32
	samples int64 // of the utterance; -1 before the trailer was read
	w       *audio.Writer
	held    []float32 // may reach past the end of the utterance
}

func (p *player) play() (FileReport, error) {
	codes, err := p.open()
	if err != nil {
		return FileReport{}, err
	}
	if f, ok := codes.(io.Closer); ok && p.options.In == nil {
		defer f.Close()
	}
	defer func() {
		if p.w != nil {
			p.w.Discard()
		}
	}()
	report, err := p.speak(codes)
	if err != nil {
		return FileReport{}, err
	}
	if err := p.w.Commit(); err != nil {
		return FileReport{}, err
	}
	report.Clipped = p.w.Clipped()
	return report, nil
}

// open returns what to decode from, with timbre set. Where the file can be read
// twice or its own timbre is wanted, it has been checked whole.
func (p *player) open() (io.Reader, error) {
	p.timbre = p.options.Timbre
	in := p.options.In
	if in == nil {
		f, err := os.Open(p.source)
		if err != nil {
			return nil, p.fault(err)
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			err := p.scan(f)
			if err == nil {
				_, err = f.Seek(0, io.SeekStart)
			}
			if err != nil {
				f.Close()
				return nil, err
			}
			return f, nil
		}
		in = f // a pipe
	}
	if p.timbre != nil {
		return in, nil
	}
	var kept bytes.Buffer
	err := p.scan(io.TeeReader(in, &kept))
	if f, ok := in.(io.Closer); ok && p.options.In == nil {
		f.Close()
	}
	return &kept, err
}

// scan reads a file to its end for its timbre and length.
func (p *player) scan(in io.Reader) error {
	r, err := NewFacReader(in)
	if err != nil {
		return p.fault(err)
	}
	// Before the rest: it is no use to wait for what cannot be decoded.
	if _, err := p.codec.CheckFac(r.Header()); err != nil {
		return p.fault(err)
	}
	for {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		_, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.fault(err)
		}
	}
	if p.timbre == nil {
		p.timbre = r.Timbre()
	}
	p.samples = r.Samples()
	return nil
}

// fault names the file. What a cancelled read gives stays what it is.
func (p *player) fault(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("read %s: %w", p.source, err)
}

// speak decodes.
func (p *player) speak(in io.Reader) (FileReport, error) {
	c := p.codec
	r, err := NewFacReader(in)
	if err != nil {
		return FileReport{}, p.fault(err)
	}
	h := r.Header()
	sameDecoder, err := c.CheckFac(h)
	if err != nil {
		return FileReport{}, p.fault(err)
	}
	parts, err := partsOf(h, p.options.Parts, p.options.Timbre != nil)
	if err != nil {
		return FileReport{}, fmt.Errorf("%s: %w", p.source, err)
	}
	d, err := c.NewDecoder(p.timbre)
	if err != nil {
		return FileReport{}, fmt.Errorf("%s: %w", p.source, err)
	}
	for {
		if err := p.ctx.Err(); err != nil {
			return FileReport{}, err
		}
		codes, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return FileReport{}, p.fault(err)
		}
		samples, err := d.Push(codes.only(parts))
		if err == nil {
			err = p.write(samples, h.HopLength)
		}
		if err != nil {
			return FileReport{}, err
		}
		if p.options.Progress != nil {
			p.options.Progress(float64(r.Frames()) / c.FrameRate())
		}
	}
	if p.samples >= 0 && p.samples != r.Samples() {
		return FileReport{}, fmt.Errorf("%s: changed while it was read", p.source)
	}
	p.samples = r.Samples()
	if err := p.write(d.Flush(), 0); err != nil {
		return FileReport{}, err
	}
	report := FileReport{
		Info:    audio.Info{Format: "fac", Encoding: fmt.Sprintf("%d books", h.AllBooks()), SampleRate: h.SampleRate, Channels: 1, Frames: r.Samples()},
		Samples: r.Samples(), Seconds: float64(r.Samples()) / float64(h.SampleRate), Frames: int(r.Frames()),
	}
	if !sameDecoder {
		report.Warnings = append(report.Warnings, p.source+": encoded with another decoder beside the same quantizer, a fine-tuned one perhaps; it sounds otherwise here than there")
	}
	return report, nil
}

// write passes samples on but for the last hold: how many of the last frame's
// belong to the utterance, its end tells.
func (p *player) write(samples []float32, hold int) (err error) {
	p.held = append(p.held, samples...)
	n := max(0, len(p.held)-hold)
	if p.w == nil && (n > 0 || hold == 0) {
		rate, format := p.codec.SampleRate(), p.options.SampleFormat
		if p.options.Out != nil {
			p.w, err = audio.NewWriter(p.options.Out, p.output, rate, format, p.samples)
		} else {
			p.w, err = audio.Create(p.output, rate, format)
		}
		if err != nil {
			return err
		}
	}
	if hold == 0 {
		n = int(min(int64(n), p.samples-p.w.Samples()))
	}
	if n == 0 {
		return nil
	}
	err = p.w.Write(p.held[:n])
	p.held = append(p.held[:0], p.held[n:]...)
	return err
}

// only returns the codes of some parts.
func (c Codes) only(parts []Part) (some Codes) {
	for _, part := range parts {
		some[part] = c[part]
	}
	return some
}
