package extract

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// Arrays are the codes of an utterance, and what else its file has of what a decoder needs.
// Files are those that File writes, or others with arrays of the same names: what a language
// model made of codes, say.
type Arrays struct {
	Codes  facodec.Codes
	Timbre []float32 // nil for none
	// Of a .safetensors file of File; 0 and "" where a file does not tell.
	Samples   int
	Quantizer string // fingerprint of the quantizer
}

// IsArrays says by its name whether a file is one that ReadArrays reads.
func IsArrays(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".npz" || ext == ".safetensors"
}

// mostBooks is more than any codec has of a part.
const mostBooks = 64

// ReadArrays reads a file of arrays, .npz or .safetensors: codes_prosody, codes_content and
// codes_residual, integers of any type, [books, T] or [1, books, T], of which one is enough, and
// timbre, floats [latent] or [1, latent]. Errors name the file and the array.
func ReadArrays(path string) (*Arrays, error) {
	file, err := openArrays(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a, err := readArrays(file)
	if err != nil && !strings.HasPrefix(err.Error(), path+": ") { // as npz's are
		err = fmt.Errorf("%s: %w", path, err)
	}
	return a, err
}

// HasCodes says whether a file of arrays, which may be weights, has codes among them.
func HasCodes(path string) (bool, error) {
	file, err := openArrays(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	return slices.ContainsFunc(file.Names(), func(name string) bool { return strings.HasPrefix(name, codesPrefix) }), nil
}

// codesPrefix begins the names of arrays of codes.
const codesPrefix = "codes_"

func openArrays(path string) (arrayFile, error) {
	if strings.EqualFold(filepath.Ext(path), ".npz") {
		f, err := npz.Open(path)
		return npzArrays{f}, err
	}
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	if f.Format() != "safetensors" {
		f.Close()
		return nil, fmt.Errorf("%s: is no safetensors file, but %s", path, f.Format())
	}
	return tensorArrays{f}, nil
}

// An arrayFile has arrays by their names: values with a shape, integers or floats, nil for one
// that is not there.
type arrayFile interface {
	Names() []string
	Close() error
	read(name string) (*values, error)
	metadata() map[string]string
}

type values struct {
	shape    []int
	kind     string // in errors: int32
	ints     []int64
	unsigned bool // of 64 bits, so that the largest appear negative
	floats   []float32
}

func readArrays(file arrayFile) (*Arrays, error) {
	a := &Arrays{Quantizer: file.metadata()["quantizer"]}
	frames, first := 0, ""
	for part := range facodec.NumParts {
		name := codesPrefix + part.String()
		v, err := file.read(name)
		if v == nil && err == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		if a.Codes[part], err = v.books(); err != nil {
			return nil, fmt.Errorf("array %s: %w", name, err)
		}
		switch n := v.shape[len(v.shape)-1]; {
		case len(a.Codes[part]) == 0:
			a.Codes[part] = nil
		case n == 0:
			return nil, fmt.Errorf("array %s: 0 frames", name)
		case first == "":
			frames, first = n, name
		case n != frames:
			return nil, fmt.Errorf("array %s has %s, %s %d", name, plural.Of(n, "frame"), first, frames)
		}
	}
	if frames == 0 {
		return nil, errors.New("no codes in this file: want codes_prosody, codes_content or codes_residual, [books, frames]; facodec extract --what codes writes them")
	}
	v, err := file.read("timbre")
	if err != nil {
		return nil, err
	}
	if v != nil {
		if n := len(v.floats); v.floats == nil || len(v.shape) == 0 || v.shape[len(v.shape)-1] != n {
			return nil, fmt.Errorf("array timbre: %s %v, want floats [latent]", v.kind, v.shape)
		}
		a.Timbre = v.floats
	}
	if text := file.metadata()["samples"]; text != "" {
		if a.Samples, err = strconv.Atoi(text); err != nil || a.Samples < 1 {
			return nil, fmt.Errorf("metadata: samples is %q, want a number of samples", text)
		}
	}
	return a, nil
}

// books returns the rows of an array of codes.
func (v *values) books() ([][]int32, error) {
	shape := v.shape
	if len(shape) == 3 && shape[0] == 1 { // a batch of one
		shape = shape[1:]
	}
	if len(shape) != 2 || v.ints == nil {
		return nil, fmt.Errorf("%s %v, want integers [books, frames]", v.kind, v.shape)
	}
	books, frames := shape[0], shape[1]
	if books > mostBooks {
		return nil, fmt.Errorf("%s %v, which are %s; want integers [books, frames]", v.kind, v.shape, plural.Of(books, "book"))
	}
	rows := make([][]int32, books)
	for i := range rows {
		rows[i] = make([]int32, frames)
		for t, code := range v.ints[i*frames:][:frames] {
			switch {
			case code > math.MaxInt32 || code < 0 && v.unsigned:
				return nil, fmt.Errorf("book %d, frame %d: a code above %d", i, t, math.MaxInt32)
			case code < 0:
				return nil, fmt.Errorf("book %d, frame %d: %d is no code", i, t, code)
			}
			rows[i][t] = int32(code)
		}
	}
	return rows, nil
}

type npzArrays struct{ *npz.File }

func (f npzArrays) metadata() map[string]string { return nil }

func (f npzArrays) read(name string) (*values, error) {
	if !f.Has(name) {
		return nil, nil
	}
	a, err := f.Read(name)
	if err != nil {
		return nil, err
	}
	v := &values{shape: a.Shape, kind: a.DType.String(), ints: a.Int, unsigned: a.DType == npz.Uint64, floats: a.F32}
	if a.DType == npz.Bool {
		v.ints = nil
	}
	for _, x := range a.F64 {
		v.floats = append(v.floats, float32(x))
	}
	return v, nil
}

type tensorArrays struct{ *weights.File }

func (f tensorArrays) metadata() map[string]string { return f.Metadata() }

func (f tensorArrays) read(name string) (*values, error) {
	t, ok := f.Lookup(name)
	if !ok {
		return nil, nil
	}
	v := &values{shape: t.Shape, kind: t.DType.String()}
	switch t.DType {
	case weights.I64, weights.I32, weights.I16, weights.I8, weights.U8, weights.U64, weights.U32, weights.U16:
		exact, err := t.Float64() // codes are far below 2^53
		if err != nil {
			return nil, err
		}
		v.ints = make([]int64, len(exact))
		for i, x := range exact {
			v.ints[i] = int64(max(math.MinInt32, min(x, math.MaxInt32+1)))
		}
	default:
		view, err := t.Float32()
		if err != nil {
			return nil, err
		}
		v.floats = append(make([]float32, 0, len(view)), view...) // the file is closed
	}
	return v, nil
}

// Tokens returns what a decoder of codec c needs of the utterance. Codes that mean something else
// to the codec are facodec.ErrTokens.
func (a *Arrays) Tokens(c *facodec.Codec) (*facodec.Tokens, error) {
	quantizer, _, err := c.Fingerprints()
	if err != nil && !errors.Is(err, facodec.ErrNotLoaded) {
		return nil, err
	}
	if own := quantizer.String(); a.Quantizer != "" && a.Quantizer != own {
		return nil, fmt.Errorf("codes of another quantizer (fingerprint %s, this codec's is %s): %w", known.Label(a.Quantizer), known.Label(own), facodec.ErrTokens)
	}
	t := &facodec.Tokens{Codes: a.Codes, Timbre: a.Timbre, Samples: a.Samples}
	if t.Samples == 0 {
		t.Samples = a.Codes.Frames() * c.HopLength()
	}
	return t, nil
}
