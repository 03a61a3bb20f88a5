package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// A tokensDescription is what info says of a compressed file, which it reads whole:
// it is sound.
type tokensDescription struct {
	File          string  `json:"file"`
	Kind          string  `json:"kind"` // "fac"
	Bytes         int64   `json:"bytes"`
	Seconds       float64 `json:"seconds"`
	Samples       int64   `json:"samples"`
	SampleRate    int     `json:"sample_rate"`
	Frames        int64   `json:"frames"`
	FrameRate     float64 `json:"frame_rate"`
	ProsodyBooks  int     `json:"prosody_books"`
	ContentBooks  int     `json:"content_books"`
	ResidualBooks int     `json:"residual_books"`
	CodebookSize  int     `json:"codebook_size"`
	EntropyCoded  bool    `json:"entropy_coded"`
	Bitrate       float64 `json:"bitrate"` // bits a second of all that is in the file
	TimbreLen     int     `json:"timbre_len"`
	Quantizer     string  `json:"quantizer"`
	Decoder       string  `json:"decoder"`
}

// A voiceDescription is what info says of a voice.
type voiceDescription struct {
	File      string  `json:"file"`
	Kind      string  `json:"kind"` // "voice"
	Bytes     int64   `json:"bytes"`
	Seconds   float64 `json:"seconds"`
	TimbreLen int     `json:"timbre_len"`
	Model     string  `json:"model"`
}

// describeTokens reads a compressed file to its end.
func describeTokens(path string) (*tokensDescription, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileerr.Read(path, err)
	}
	defer f.Close()
	read := &countingReader{r: bufio.NewReader(f)}
	r, err := fac.NewReader(read)
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, io.EOF) {
		return nil, fileerr.Read(path, err)
	}
	h := r.Header()
	d := &tokensDescription{
		File: path, Kind: "fac", Bytes: read.n, Samples: r.Samples(), SampleRate: h.SampleRate,
		Seconds: float64(r.Samples()) / float64(h.SampleRate),
		Frames:  r.Frames(), FrameRate: float64(h.SampleRate) / float64(h.HopLength),
		ProsodyBooks: h.Books[facodec.Prosody], ContentBooks: h.Books[facodec.Content], ResidualBooks: h.Books[facodec.Residual], CodebookSize: h.CodebookSize,
		EntropyCoded: h.EntropyCoded, TimbreLen: h.TimbreLen, Quantizer: h.Quantizer.String(), Decoder: h.Decoder.String(),
	}
	d.Bitrate = 8 * float64(d.Bytes) / d.Seconds
	return d, nil
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (d *tokensDescription) print(out io.Writer) {
	line := func(format string, args ...any) { fmt.Fprintln(out, oneLine(fmt.Sprintf(format, args...))) }
	line("%s: compressed recording, %s", d.File, megabytes(d.Bytes))
	line("  sound          %s s: %s samples of %d Hz", trim(d.Seconds), grouped(d.Samples), d.SampleRate)
	line("  frames         %s, %s a second", grouped(d.Frames), trim(d.FrameRate))
	line("  books          %d prosody, %d content, %d residual, of %d entries", d.ProsodyBooks, d.ContentBooks, d.ResidualBooks, d.CodebookSize)
	coded := ""
	if d.EntropyCoded {
		coded = ", entropy coded"
	}
	line("  bitrate        %s kbit/s with timbre and checksums%s", trim(d.Bitrate/1000), coded)
	line("  timbre         %d values", d.TimbreLen)
	line("  quantizer      %s", d.Quantizer)
	line("  decoder        %s", d.Decoder)
}

// describeVoice reads a voice.
func describeVoice(path string) (*voiceDescription, error) {
	v, err := facodec.LoadVoice(path)
	if err != nil {
		return nil, err
	}
	b, err := v.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &voiceDescription{File: path, Kind: "voice", Bytes: int64(len(b)), Seconds: v.Seconds, TimbreLen: len(v.Timbre), Model: v.Model.String()}, nil
}

func (d *voiceDescription) print(out io.Writer) {
	line := func(format string, args ...any) { fmt.Fprintln(out, oneLine(fmt.Sprintf(format, args...))) }
	line("%s: voice, %s", d.File, megabytes(d.Bytes))
	line("  enrolled from  %s s of speech", trim(d.Seconds))
	line("  timbre         %d values", d.TimbreLen)
	line("  model          %s", d.Model)
}

// describeOutput describes what facodec itself makes of recordings; nil for anything
// else.
func describeOutput(path string) (d interface{ print(io.Writer) }, err error) {
	switch {
	case fac.IsFile(path):
		return describeTokens(path)
	case facodec.IsVoiceFile(path):
		return describeVoice(path)
	}
	return nil, nil
}
