package extract

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
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
// codes_residual, integers of any type, [books, T], of which one is enough, and timbre, floats
// [latent] or [1, latent]. Errors name the file and the array.
func ReadArrays(path string) (*Arrays, error) {
	var file arrayFile
	var close func() error
	if strings.EqualFold(filepath.Ext(path), ".npz") {
		f, err := npz.Open(path)
		if err != nil {
			return nil, err
		}
		file, close = npzArrays{f}, f.Close
	} else {
		f, err := weights.Open(path)
		if err != nil {
			return nil, err
		}
		file, close = tensorArrays{f}, f.Close
	}
	defer close()
	a, err := readArrays(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// An arrayFile has arrays by their names: values with a shape, integers or floats, nil for one
// that is not there.
type arrayFile interface {
	read(name string) (*values, error)
	metadata() map[string]string
}

type values struct {
	shape  []int
	kind   string // in errors: int32
	ints   []int64
	floats []float32
}

func readArrays(file arrayFile) (*Arrays, error) {
	a := &Arrays{Quantizer: file.metadata()["quantizer"]}
	frames, first := 0, ""
	for part := range facodec.NumParts {
		name := "codes_" + part.String()
		v, err := file.read(name)
		if v == nil && err == nil {
			continue
		}
		if err == nil {
			a.Codes[part], err = v.books()
		}
		if err != nil {
			return nil, fmt.Errorf("array %s: %w", name, err)
		}
		switch n := v.shape[1]; {
		case v.shape[0] == 0:
			a.Codes[part] = nil
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
	if v != nil && err == nil {
		if n := len(v.floats); v.floats == nil || len(v.shape) == 0 || v.shape[len(v.shape)-1] != n {
			err = fmt.Errorf("%s %v, want floats [latent]", v.kind, v.shape)
		}
		a.Timbre = v.floats
	}
	if err != nil {
		return nil, fmt.Errorf("array timbre: %w", err)
	}
	if text := file.metadata()["samples"]; text != "" {
		if a.Samples, err = strconv.Atoi(text); err != nil || a.Samples < 1 {
			return nil, fmt.Errorf("metadata: samples is %q", text)
		}
	}
	return a, nil
}

// books returns the rows of an array of codes.
func (v *values) books() ([][]int32, error) {
	if len(v.shape) != 2 || v.ints == nil {
		return nil, fmt.Errorf("%s %v, want integers [books, frames]", v.kind, v.shape)
	}
	books, frames := v.shape[0], v.shape[1]
	if books > mostBooks {
		return nil, fmt.Errorf("%s", plural.Of(books, "book"))
	}
	rows := make([][]int32, books)
	for i := range rows {
		rows[i] = make([]int32, frames)
		for t, code := range v.ints[i*frames:][:frames] {
			if code < 0 || code > math.MaxInt32 {
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
	v := &values{shape: a.Shape, kind: a.DType.String(), ints: a.Int, floats: a.F32}
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
			v.ints[i] = int64(max(-1, min(x, math.MaxInt32+1)))
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
