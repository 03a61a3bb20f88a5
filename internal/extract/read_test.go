package extract

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestReadArrays: what File writes is read again, in both formats, and has all that a decoder
// needs; only .safetensors have the length and the model.
func TestReadArrays(t *testing.T) {
	c := smallCodec(t)
	samples := codectest.Vowel(4000, 24000)
	source, _ := codectest.WAV(t, "x.wav", samples)
	want, err := c.Encode(samples)
	if err != nil {
		t.Fatal(err)
	}
	for format, length := range map[string]int{".npz": c.HopLength() * want.Frames(), ".safetensors": len(samples)} {
		path := filepath.Join(t.TempDir(), "x"+format)
		if _, err := File(t.Context(), c, source, path, Options{What: What{Codes: true, Timbre: true}}); err != nil {
			t.Fatal(err)
		}
		a, err := ReadArrays(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Tokens(c)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Codes, want.Codes) || !slices.Equal(got.Timbre, want.Timbre) || got.Samples != length {
			t.Errorf("%s: other tokens: %d samples, want %d", format, got.Samples, length)
		}
		other := filepath.Join(t.TempDir(), "other.safetensors")
		options := convert.Options{Config: codectest.WriteFile(t, "c.json", codectest.Config)}
		if _, err := convert.Random(t.Context(), other, 6, false, options); err != nil {
			t.Fatal(err)
		}
		d, err := facodec.Open(other)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := a.Tokens(d); errors.Is(err, facodec.ErrTokens) != (format == ".safetensors") {
			t.Errorf("%s: another model: %v", format, err)
		}
	}
}

// TestReadArraysOfOthers: integers of any type, a part alone, and a timbre with an axis for a
// batch are read; what cannot be codes is an error that names file and array.
func TestReadArraysOfOthers(t *testing.T) {
	codes := []int64{1, 2, 3, 4, 5, 6}
	for name, arrays := range map[string][]array1{
		"codes": {{"codes_content", []int{2, 3}, codes}},
		"int32": {{"codes_prosody", []int{1, 6}, []int32{1, 2, 3, 4, 5, 6}}, {"timbre", []int{1, 2}, []float64{0.5, -1}}},
		"array codes_content: float32 [2 3], want integers [books, frames]": {{"codes_content", []int{2, 3}, make([]float32, 6)}},
		"array codes_content: int64 [6], want integers [books, frames]":     {{"codes_content", []int{6}, codes}},
		"batch": {{"codes_content", []int{1, 2, 3}, codes}},
		"array codes_content: int64 [2 1 3], want integers [books, frames]":                    {{"codes_content", []int{2, 1, 3}, codes}},
		"array codes_prosody: book 0, frame 1: -1 is no code":                                  {{"codes_prosody", []int{1, 2}, []int64{0, -1}}},
		"array codes_prosody: book 0, frame 1: a code above 2147483647":                        {{"codes_prosody", []int{1, 2}, []int64{0, 1 << 32}}},
		"array codes_residual has 3 frames, codes_content 2":                                   {{"codes_content", []int{3, 2}, codes}, {"codes_residual", []int{2, 3}, codes}},
		"array codes_content: int64 [65 1], which are 65 books; want integers [books, frames]": {{"codes_content", []int{65, 1}, make([]int64, 65)}},
		"no codes in this file":                             {{"timbre", []int{2}, []float32{1, 2}}},
		"array codes_content: 0 frames":                     {{"codes_content", []int{2, 0}, []int64{}}},
		"array timbre: int64 [6], want floats [latent]":     {{"codes_content", []int{2, 3}, codes}, {"timbre", []int{6}, codes}},
		"array timbre: float32 [3 2], want floats [latent]": {{"codes_content", []int{2, 3}, codes}, {"timbre", []int{3, 2}, make([]float32, 6)}},
	} {
		path := filepath.Join(t.TempDir(), "x.npz")
		if err := os.WriteFile(path, npzOf(t, arrays), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := ReadArrays(path)
		switch name {
		case "codes", "batch":
			if err != nil || !reflect.DeepEqual(a.Codes[facodec.Content], [][]int32{{1, 2, 3}, {4, 5, 6}}) || a.Timbre != nil {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
		case "int32":
			if err != nil || !reflect.DeepEqual(a.Codes[facodec.Prosody], [][]int32{{1, 2, 3, 4, 5, 6}}) || !slices.Equal(a.Timbre, []float32{0.5, -1}) {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
		default:
			if err == nil || !strings.HasPrefix(err.Error(), path+": "+name) {
				t.Errorf("%v, want %s", err, name)
			}
		}
	}
}

// array1 is an array of a test.
type array1 struct {
	name  string
	shape []int
	data  any
}

func npzOf(t testing.TB, arrays []array1) []byte {
	t.Helper()
	var b bytes.Buffer
	w := npz.NewWriter(&b)
	for _, a := range arrays {
		if err := w.Write(a.name, a.shape, a.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zeros fills an array with so many bytes.
func zeros(n int) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(make([]byte, n))
		return err
	}
}

// FuzzReadArrays: whatever a file holds, arrays are whole, or there is an error.
func FuzzReadArrays(f *testing.F) {
	f.Add(npzOf(f, []array1{{"codes_content", []int{2, 3}, make([]int64, 6)}, {"timbre", []int{1, 2}, make([]float32, 2)}}))
	var b bytes.Buffer
	for _, metadata := range []map[string]string{nil, {"samples": "3", "quantizer": "00"}} {
		b.Reset()
		err := weights.EncodeSafetensors(&b, []weights.Array{
			{Name: "codes_residual", Shape: []int{2, 1}, DType: weights.I32, Fill: zeros(8)},
			{Name: "timbre", Shape: []int{2}, DType: weights.F16, Fill: zeros(4)},
		}, metadata, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(b.Bytes()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, open := range []func() (arrayFile, error){
			func() (arrayFile, error) {
				file, err := npz.NewFile("x.npz", bytes.NewReader(data), int64(len(data)))
				return npzArrays{file}, err
			},
			func() (arrayFile, error) {
				file, err := weights.OpenBytes("x.safetensors", data)
				return tensorArrays{file}, err
			},
		} {
			file, err := open()
			if err != nil {
				continue
			}
			a, err := readArrays(file)
			if err != nil {
				continue
			}
			frames := a.Codes.Frames()
			if frames < 1 {
				t.Fatalf("%d frames", frames)
			}
			for _, books := range a.Codes {
				for _, book := range books {
					if len(book) != frames || slices.Min(book) < 0 {
						t.Fatalf("a book of %d for %d frames: %v", len(book), frames, book)
					}
				}
			}
		}
	})
}
