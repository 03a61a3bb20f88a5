package extract

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/float16"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/weights"
)

func smallCodec(t testing.TB, opts ...facodec.Option) *facodec.Codec {
	t.Helper()
	c, err := facodec.Open(codectest.Checkpoint(t, "small.safetensors", codectest.Config), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestParseWhat(t *testing.T) {
	for text, want := range map[string]What{
		"codes":                          {Codes: true},
		"timbre, codes":                  {Codes: true, Timbre: true},
		"float16,quantized":              {Quantized: true, Float16: true},
		"codes,timbre,quantized,float16": {true, true, true, true},
	} {
		got, err := ParseWhat(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseWhat(got.String()); err != nil || again != got {
			t.Errorf("%s comes back as %s", text, got)
		}
	}
	for _, text := range []string{"", "codex", "codes,", "float16", "codes,float16"} {
		if w, err := ParseWhat(text); err == nil {
			t.Errorf("%q is %+v", text, w)
		}
	}
}

// halves are what float16 keeps of numbers.
func halves(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float16.ToFloat32(float16.FromFloat32(v))
	}
	return y
}

// TestExtractFormats: the arrays of safetensors and of half precision are those
// of the .npz, which TestArrays compares with the codec.
func TestExtractFormats(t *testing.T) {
	c := smallCodec(t)
	source, dir := filepath.Join("..", "..", "testdata", "speech", "en.flac"), t.TempDir()
	all := What{Codes: true, Timbre: true, Quantized: true}
	half := all
	half.Float16 = true
	reports := map[string]Report{}
	for name, what := range map[string]What{"full.npz": all, "full.safetensors": all, "half.npz": half, "half.SafeTensors": half} {
		r, err := File(t.Context(), c, source, filepath.Join(dir, name), Options{What: what})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(r.Output)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); r.Bytes != int64(len(data)) || r.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %d bytes, %s", name, r.Bytes, r.SHA256)
		}
		reports[name] = r
	}
	full, err := npz.Open(filepath.Join(dir, "full.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	halfNPZ, err := npz.Open(filepath.Join(dir, "half.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer halfNPZ.Close()
	for name, half := range map[string]bool{"full.safetensors": false, "half.SafeTensors": true} {
		f, err := weights.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if len(f.Names()) != 7 || len(full.Names()) != 7 {
			t.Errorf("%s holds %v", name, f.Names())
		}
		for _, name := range full.Names() {
			checkTensor(t, f, full, halfNPZ, name, half)
		}
		m := f.Metadata()
		if m["samples"] != "49884" || m["sample_rate"] != "24000" || m["hop_length"] != "300" || m["model"] != c.TokensFingerprint().String() {
			t.Errorf("%s: metadata %v", name, m)
		}
	}
	if a, b := reports["full.npz"].Bytes, reports["half.npz"].Bytes; b > a*3/5 {
		t.Errorf("half precision takes %d bytes, full %d", b, a)
	}
	if _, err := File(t.Context(), c, source, filepath.Join(dir, "x.npy"), Options{What: all}); err == nil || !strings.Contains(err.Error(), ".npz or .safetensors") {
		t.Errorf("another ending: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("left behind: %v", entries)
	}
}

// checkTensor compares one array in three files.
func checkTensor(t *testing.T, f *weights.File, full, halfNPZ *npz.File, name string, half bool) {
	t.Helper()
	x, ok := f.Lookup(name)
	a, err := full.Read(name)
	h, err2 := halfNPZ.Read(name)
	if !ok || err != nil || err2 != nil {
		t.Errorf("%s: in safetensors %v; %v, %v", name, ok, err, err2)
		return
	}
	got, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	want, dtype := a.F32, weights.F32
	switch {
	case strings.HasPrefix(name, "codes_"):
		dtype, want = weights.I32, nil
		for _, v := range a.Int {
			want = append(want, float32(v))
		}
		if h.DType != npz.Int32 || !slices.Equal(h.Int, a.Int) {
			t.Errorf("%s: float16 changes codes", name)
		}
	case half:
		dtype, want = weights.F16, halves(a.F32)
		if h.DType != npz.Float16 || !slices.Equal(h.F32, want) {
			t.Errorf("%s: %v in half.npz, or other values", name, h.DType)
		}
	}
	if x.DType != dtype || !slices.Equal(x.Shape, a.Shape) || !slices.Equal(got, want) {
		t.Errorf("%s: %v %v in safetensors, %v %v in .npz, or other values", name, x.DType, x.Shape, a.DType, a.Shape)
	}
}

func TestExtractLine(t *testing.T) {
	c := smallCodec(t)
	source := filepath.Join("..", "..", "testdata", "speech", "es.flac")
	x, err := audio.ReadFile(source, 24000)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Encode(x)
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Path       string    `json:"path"`
		Samples    int       `json:"samples"`
		SampleRate int       `json:"sample_rate"`
		Frames     int       `json:"frames"`
		Prosody    [][]int32 `json:"codes_prosody"`
		Content    [][]int32 `json:"codes_content"`
		Residual   [][]int32 `json:"codes_residual"`
		Timbre     []float32 `json:"timbre"`
	}
	for _, what := range []What{{Codes: true, Timbre: true}, {Timbre: true, Float16: true}, {Codes: true}} {
		b, r, err := Line(t.Context(), c, source, "a \"b\"/c\n.wav", Options{What: what})
		if err != nil {
			t.Fatal(err)
		}
		want := line{"a \"b\"/c\n.wav", len(x), 24000, tokens.Frames(), tokens.Codes[facodec.Prosody], tokens.Codes[facodec.Content], tokens.Codes[facodec.Residual], tokens.Timbre}
		if !what.Codes {
			want.Prosody, want.Content, want.Residual = nil, nil, nil
		}
		if !what.Timbre {
			want.Timbre = nil
		} else if what.Float16 {
			want.Timbre = halves(want.Timbre)
		}
		var got line
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if what.Float16 {
			got.Timbre = halves(got.Timbre) // five digits stand for the half
		}
		if g, w := mustJSON(t, got), mustJSON(t, want); g != w {
			t.Errorf("%v: %s\nwant %s", what, g, w)
		}
		sum := sha256.Sum256(b)
		if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' || r.Bytes != int64(len(b)) || r.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%d bytes, report %+v", len(b), r)
		}
	}
	if _, _, err := Line(t.Context(), c, source, "x", Options{What: What{Quantized: true}}); !errors.Is(err, errQuantizedLine) {
		t.Errorf("quantized frames in a line: %v", err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHalfText: any half comes back from its text.
func TestHalfText(t *testing.T) {
	for h := range uint16(0x7c00) { // all finite ones
		text := string(appendFloat16(nil, float16.ToFloat32(h)))
		var v float32
		if err := json.Unmarshal([]byte(text), &v); err != nil || float16.FromFloat32(v) != h || len(text) > 11 {
			t.Fatalf("%#x is written %s: %v", h, text, err)
		}
	}
	if got := string(appendFloat16(nil, -1e6)); got != "-65504" {
		t.Errorf("too large: %s", got)
	}
}

// TestArrays: those of a file are what the codec gives.
func TestArrays(t *testing.T) {
	c := smallCodec(t)
	source, dir := filepath.Join("..", "..", "testdata", "speech", "en.flac"), t.TempDir()
	x, err := audio.ReadFile(source, 24000)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.npz")
	if _, err := File(t.Context(), c, source, out, Options{What: What{Codes: true, Timbre: true, Quantized: true}}); err != nil {
		t.Fatal(err)
	}
	checkArrays(t, c, out, x)
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func checkArrays(t *testing.T, c *facodec.Codec, path string, x []float32) {
	t.Helper()
	tokens, _ := c.Encode(x)
	f, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := make([]float32, c.LatentDim()*tokens.Frames())
	for i, books := range tokens.Codes {
		a, err := f.Read("codes_" + facodec.Part(i).String())
		if err != nil {
			t.Fatal(err)
		}
		if a.DType != npz.Int32 || !slices.Equal(a.Shape, []int{len(books), tokens.Frames()}) {
			t.Errorf("%s codes: %v %v", facodec.Part(i), a.DType, a.Shape)
		}
		for j, code := range slices.Concat(books...) {
			if a.Int[j] != int64(code) {
				t.Fatalf("%s code %d is %d, want %d", facodec.Part(i), j, a.Int[j], code)
			}
		}
		q, err := f.Read("quantized_" + facodec.Part(i).String())
		if err != nil {
			t.Fatal(err)
		}
		if q.DType != npz.Float32 || !slices.Equal(q.Shape, []int{c.LatentDim(), tokens.Frames()}) {
			t.Errorf("%s quantized: %v %v", facodec.Part(i), q.DType, q.Shape)
		}
		for j, v := range q.F32 {
			sum[j] += v
		}
	}
	a, err := f.Read("timbre")
	if err != nil || !slices.Equal(a.F32, tokens.Timbre) {
		t.Errorf("timbre: %v", err)
	}
	// The parts add up to what the decoder's norm sees, bit for bit.
	if want := codectest.DecoderInput(t, model.Codes(tokens.Codes)); !slices.Equal(sum, want) {
		t.Error("the quantized parts do not add up to what is decoded")
	}
}
