package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/extract"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
)

// A tokensDescription is what info says of a compressed file, which it reads whole:
// it is sound.
type tokensDescription struct {
	File       string  `json:"file"`
	Kind       string  `json:"kind"` // "fac"
	Bytes      int64   `json:"bytes"`
	Seconds    float64 `json:"seconds"`
	Samples    int64   `json:"samples"`
	SampleRate int     `json:"sample_rate"`
	Frames     int64   `json:"frames"`
	FrameRate  float64 `json:"frame_rate"`
	model.BookCounts
	CodebookSize int     `json:"codebook_size"`
	EntropyCoded bool    `json:"entropy_coded"`
	Bitrate      float64 `json:"bitrate"` // bits a second of all that is in the file
	TimbreLen    int     `json:"timbre_len"`
	Quantizer    string  `json:"quantizer"`
	Decoder      string  `json:"decoder"`
	Precision    string  `json:"precision,omitempty"` // of encoding, where it is known and not fast

	Family   string         `json:"family"`
	Distinct map[string]int `json:"distinct_entries"` // that each book uses
	uses     []bookUse
	books    [facodec.NumParts]int
}

// A bookUse is how many entries a book of codes used.
type bookUse struct {
	name  string
	usage metric.Usage
}

// bookUses count the entries that codes use, book by book.
type bookUses struct {
	names []string
	uses  []*metric.CodebookUse
}

func newBookUses(books [facodec.NumParts]int, size int) *bookUses {
	u := &bookUses{names: model.BookNames(books)}
	for range u.names {
		u.uses = append(u.uses, metric.NewCodebookUse(size))
	}
	return u
}

func (u *bookUses) add(codes facodec.Codes) error {
	for i, book := range model.Codes(codes).Books() {
		if err := u.uses[i].Add(book); err != nil {
			return err
		}
	}
	return nil
}

func (u *bookUses) list() (uses []bookUse) {
	for i, use := range u.uses {
		uses = append(uses, bookUse{u.names[i], use.Usage()})
	}
	return uses
}

// printUses prints how many entries books used, and says where they have collapsed.
func printUses(line func(string, ...any), what string, uses []bookUse) {
	var counts, collapsed []string
	for _, u := range uses {
		counts = append(counts, fmt.Sprintf("%s %d", u.name, u.usage.Distinct))
		if u.usage.Collapsed() {
			collapsed = append(collapsed, u.name)
		}
	}
	line("  entries used   %s%s", strings.Join(counts, ", "), what)
	if collapsed != nil {
		line("  COLLAPSED      %s: no more than two entries. Silence, or a codec with the wrong weights", strings.Join(collapsed, ", "))
	}
}

// A voiceDescription is what info says of a voice.
type voiceDescription struct {
	File      string  `json:"file"`
	Kind      string  `json:"kind"` // "voice"
	Bytes     int64   `json:"bytes"`
	Seconds   float64 `json:"seconds"`
	TimbreLen int     `json:"timbre_len"`
	Frames    int     `json:"frames,omitempty"` // codes of the recordings
	Spectrum  int     `json:"spectrum_len,omitempty"`
	Decoder   string  `json:"decoder,omitempty"` // of the spectrum
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
	var uses *bookUses
	for err == nil {
		if uses == nil {
			uses = newBookUses(r.Header().Books, r.Header().CodebookSize)
		}
		var codes facodec.Codes
		if codes, err = r.Next(); err == nil {
			err = uses.add(codes)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, fileerr.Read(path, err)
	}
	h := r.Header()
	d := &tokensDescription{
		File: path, Kind: "fac", Bytes: read.n, Samples: r.Samples(), SampleRate: h.SampleRate,
		Seconds: float64(r.Samples()) / float64(h.SampleRate),
		Frames:  r.Frames(), FrameRate: float64(h.SampleRate) / float64(h.HopLength),
		BookCounts: model.CountsOf(h.Books), books: h.Books, CodebookSize: h.CodebookSize,
		EntropyCoded: h.EntropyCoded, TimbreLen: h.TimbreLen, Quantizer: h.Quantizer.String(), Decoder: h.Decoder.String(),
		Precision: h.Precision,
	}
	d.Family, d.uses, d.Distinct = string(h.Family), uses.list(), map[string]int{}
	for _, u := range d.uses {
		d.Distinct[u.name] = u.usage.Distinct
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
	line("  family         %s", d.Family)
	line("  sound          %s s: %s samples of %d Hz", trim(d.Seconds), grouped(d.Samples), d.SampleRate)
	line("  frames         %s, %s a second", grouped(d.Frames), trim(d.FrameRate))
	line("  books          %s, of %s", model.DescribeBooks(d.books), plural.Of(d.CodebookSize, "entry"))
	printUses(line, "", d.uses)
	coded := ""
	if d.EntropyCoded {
		coded = ", entropy coded"
	}
	line("  bitrate        %s kbit/s with timbre and checksums%s", trim(d.Bitrate/1000), coded)
	line("  timbre         %s", plural.Of(d.TimbreLen, "value"))
	line("  quantizer      %s", known.Label(d.Quantizer))
	line("  decoder        %s", known.Label(d.Decoder))
	if d.Precision != "" {
		line("  precision      %s", d.Precision)
	}
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
	d := &voiceDescription{File: path, Kind: "voice", Bytes: int64(len(b)), Seconds: v.Seconds, TimbreLen: len(v.Timbre), Frames: v.Frames.Frames(), Spectrum: len(v.Spectrum), Model: v.Model.String()}
	if d.Spectrum > 0 {
		d.Decoder = v.Decoder.String()
	}
	return d, nil
}

func (d *voiceDescription) print(out io.Writer) {
	line := func(format string, args ...any) { fmt.Fprintln(out, oneLine(fmt.Sprintf(format, args...))) }
	line("%s: voice, %s", d.File, megabytes(d.Bytes))
	line("  enrolled from  %s s of speech", trim(d.Seconds))
	line("  timbre         %s", plural.Of(d.TimbreLen, "value"))
	if d.Spectrum > 0 {
		line("  spectrum       %s, of decoder %s", plural.Of(d.Spectrum, "magnitude"), known.Label(d.Decoder))
	}
	if d.Frames > 0 {
		line("  frames         %d, codes of the recordings (--match)", d.Frames)
	}
	line("  model          %s", known.Label(d.Model))
}

// describeOutput describes what facodec itself makes of recordings; nil for anything
// else.
func describeOutput(path string) (d interface{ print(io.Writer) }, err error) {
	switch {
	case fac.IsFile(path):
		return describeTokens(path)
	case facodec.IsVoiceFile(path):
		return describeVoice(path)
	case strings.EqualFold(filepath.Ext(path), ".npz"):
		return describeArrays(path)
	case strings.EqualFold(filepath.Ext(path), ".safetensors"): // of weights more often
		if has, err := extract.HasCodes(path); err == nil && has {
			return describeArrays(path)
		}
	}
	return nil, nil
}

// An arraysDescription is what info says of codes in arrays.
type arraysDescription struct {
	File    string `json:"file"`
	Kind    string `json:"kind"` // "codes"
	Bytes   int64  `json:"bytes"`
	Samples int    `json:"samples,omitempty"` // where the file tells
	Frames  int    `json:"frames"`
	model.BookCounts
	TimbreLen int            `json:"timbre_len,omitempty"`
	Quantizer string         `json:"quantizer,omitempty"`
	Distinct  map[string]int `json:"distinct_entries"` // that each book uses
	Largest   map[string]int `json:"largest_code"`     // of each book
	books     [facodec.NumParts]int
	names     []string
}

// describeArrays reads a file of arrays.
func describeArrays(path string) (*arraysDescription, error) {
	a, err := extract.ReadArrays(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileerr.Read(path, err)
	}
	d := &arraysDescription{File: path, Kind: "codes", Bytes: info.Size(), Samples: a.Samples, Frames: a.Codes.Frames(),
		TimbreLen: len(a.Timbre), Quantizer: a.Quantizer, Distinct: map[string]int{}, Largest: map[string]int{}}
	for part, books := range a.Codes {
		d.books[part] = len(books)
	}
	d.BookCounts, d.names = model.CountsOf(d.books), model.BookNames(d.books)
	for i, book := range model.Codes(a.Codes).Books() {
		seen := map[int32]bool{}
		for _, code := range book {
			seen[code] = true
		}
		d.Distinct[d.names[i]], d.Largest[d.names[i]] = len(seen), int(slices.Max(book))
	}
	return d, nil
}

func (d *arraysDescription) print(out io.Writer) {
	line := func(format string, args ...any) { fmt.Fprintln(out, oneLine(fmt.Sprintf(format, args...))) }
	line("%s: codes in arrays, %s; facodec decode makes sound of them", d.File, megabytes(d.Bytes))
	line("  frames         %s, %s s at 80 a second", grouped(int64(d.Frames)), trim(float64(d.Frames)/standardFrameRate))
	if d.Samples > 0 {
		line("  samples        %s", grouped(int64(d.Samples)))
	}
	line("  books          %s", model.DescribeBooks(d.books))
	var used, largest []string
	for _, name := range d.names {
		used = append(used, fmt.Sprintf("%s %d", name, d.Distinct[name]))
		largest = append(largest, fmt.Sprintf("%s %d", name, d.Largest[name]))
	}
	line("  entries used   %s", strings.Join(used, ", "))
	line("  largest code   %s", strings.Join(largest, ", "))
	timbre := "none: decode --reference gives a voice"
	if d.TimbreLen > 0 {
		timbre = plural.Of(d.TimbreLen, "value")
	}
	line("  timbre         %s", timbre)
	if d.Quantizer != "" {
		line("  quantizer      %s", known.Label(d.Quantizer))
	} else {
		line("  quantizer      not told")
	}
}
