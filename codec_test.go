package facodec

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/weights"
)

// smallConfig is a codec of every layer that takes milliseconds.
const smallConfig = `{"model_params": {"latent_dim": 24, "codebook_size": 32, "codebook_dim": 4, "prosody_hidden_dim": 16,
	"prosody_layers": 2, "timbre_hidden_dim": 16, "DAC": {"encoder_dim": 2, "decoder_dim": 32}}}`

const smallRedecoder = `{"model_type": "redecoder", "model_params": {"latent_dim": 24, "codebook_size": 32, "wavenet_embed_dim": 12,
	"wavenet_layers": 3, "DAC": {"encoder_dim": 2, "decoder_dim": 32}}}`

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// smallCheckpoint writes a checkpoint of made-up weights.
func smallCheckpoint(t testing.TB, name, config string, redecoder bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if _, err := Synthesize(context.Background(), path, 5, redecoder, WeightsOptions{Config: writeFile(t, "c.json", config)}); err != nil {
		t.Fatal(err)
	}
	return path
}

func smallCodec(t testing.TB, opts ...Option) *Codec {
	t.Helper()
	c, err := Open(smallCheckpoint(t, "small.safetensors", smallConfig, false), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFormatsGiveTheSameCodec(t *testing.T) {
	x := vowel(5000, 24000)
	var want []float32
	for _, name := range []string{"small.safetensors", "small.pth"} {
		c, err := Open(smallCheckpoint(t, name, smallConfig, false))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Reconstruct(x)
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: other samples", name)
		}
	}
}

func TestUtteranceOfAnyLength(t *testing.T) {
	c := smallCodec(t)
	voice, err := c.Timbre(vowel(4000, 24000), vowel(700, 24000))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 299, 300, 301, 1025, 3001, 30000} {
		x := vowel(n, 24000)
		tokens, err := c.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		if want := (n + 299) / 300; tokens.Frames() != want || tokens.Samples != n {
			t.Fatalf("%d samples: %d frames of %d samples", n, tokens.Frames(), tokens.Samples)
		}
		decoded, err := c.Decode(tokens)
		if err != nil {
			t.Fatal(err)
		}
		reconstructed, err := c.Reconstruct(x)
		if err != nil {
			t.Fatal(err)
		}
		if len(decoded) != n || !slices.Equal(decoded, reconstructed) {
			t.Fatalf("%d samples decoded to %d, or not to what is reconstructed", n, len(decoded))
		}
		converted, err := c.Convert(x, voice)
		if err != nil {
			t.Fatal(err)
		}
		if len(converted) != n || n > 300 && slices.Equal(converted, reconstructed) {
			t.Fatalf("%d samples converted to %d, or to what is reconstructed", n, len(converted))
		}
	}
}

// TestConcurrentUse runs utterances side by side on one codec; each must give
// what it gives alone.
func TestConcurrentUse(t *testing.T) {
	c := smallCodec(t, WithThreads(3))
	want := map[int][]float32{}
	for n := 1000; n <= 6000; n += 1000 {
		want[n], _ = c.Reconstruct(vowel(n, 24000))
	}
	var wg sync.WaitGroup
	for range 3 {
		for n, samples := range want {
			wg.Go(func() {
				if got, err := c.Reconstruct(vowel(n, 24000)); err != nil || !slices.Equal(got, samples) {
					t.Errorf("%d samples beside others: error %v, or other samples", n, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestFilesAreUtterances(t *testing.T) {
	c := smallCodec(t)
	ctx := context.Background()
	source := filepath.Join("testdata", "speech", "en.flac")
	x, err := audio.ReadFile(source, 24000)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "out.wav")
	report, err := c.ReconstructFile(ctx, source, out, FileOptions{SampleFormat: audio.F32})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := c.Reconstruct(x)
	got, err := audio.ReadFile(out, 24000)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the reconstructed file is not the reconstruction (error %v)", err)
	}
	if report.Samples != int64(len(x)) || report.Frames != (len(x)+299)/300 || report.Output != out {
		t.Errorf("report %+v", report)
	}

	timbre, err := c.TimbreOfFiles(ctx, source)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the decoder is left ready for another file
		if _, err := c.ConvertFile(ctx, source, out, d, FileOptions{SampleFormat: audio.F32}); err != nil {
			t.Fatal(err)
		}
		want, _ = c.Convert(x, timbre)
		if got, err := audio.ReadFile(out, 24000); err != nil || !slices.Equal(got, want) {
			t.Errorf("the converted file is not the conversion (error %v)", err)
		}
	}

	out = filepath.Join(dir, "out.npz")
	if _, err := c.ExtractFile(ctx, source, out, What{Codes: true, Timbre: true, Quantized: true}, FileOptions{}); err != nil {
		t.Fatal(err)
	}
	checkArrays(t, c, out, x)

	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func checkArrays(t *testing.T, c *Codec, path string, x []float32) {
	t.Helper()
	tokens, _ := c.Encode(x)
	f, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := make([]float32, c.LatentDim()*tokens.Frames())
	for i, books := range tokens.Codes {
		a, err := f.Read("codes_" + Part(i).String())
		if err != nil {
			t.Fatal(err)
		}
		if a.DType != npz.Int32 || !slices.Equal(a.Shape, []int{len(books), tokens.Frames()}) {
			t.Errorf("%s codes: %v %v", Part(i), a.DType, a.Shape)
		}
		for j, code := range slices.Concat(books...) {
			if a.Int[j] != int64(code) {
				t.Fatalf("%s code %d is %d, want %d", Part(i), j, a.Int[j], code)
			}
		}
		q, err := f.Read("quantized_" + Part(i).String())
		if err != nil {
			t.Fatal(err)
		}
		if q.DType != npz.Float32 || !slices.Equal(q.Shape, []int{c.LatentDim(), tokens.Frames()}) {
			t.Errorf("%s quantized: %v %v", Part(i), q.DType, q.Shape)
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
	r := op.NewRun(c.pool)
	want := c.model.Quantizer.Decode(r, model.Codes(tokens.Codes)).ToBCT()
	if !slices.Equal(sum, want) {
		t.Error("the quantized parts do not add up to what is decoded")
	}
}

// TestExtractIsWhatTheDecoderSees adds the parts up.
func TestExtractIsWhatTheDecoderSees(t *testing.T) {
	c := smallCodec(t)
	x := vowel(2000, 24000)
	f, err := c.Extract(x)
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := c.Encode(x)
	if !reflect.DeepEqual(f.Tokens, *tokens) {
		t.Error("other tokens than Encode's")
	}
	r := op.NewRun(c.pool)
	for i, want := range c.model.Quantizer.Decode(r, model.Codes(tokens.Codes)).ToBCT() {
		if got := f.Quantized[Prosody][i] + f.Quantized[Content][i] + f.Quantized[Residual][i]; got != want {
			t.Fatalf("value %d is %v, want %v", i, got, want)
		}
	}
	q, err := c.Quantized(Codes{Content: tokens.Codes[Content][:1]})
	if err != nil || q[0] != nil || q[2] != nil || len(q[1]) != c.LatentDim()*tokens.Frames() {
		t.Errorf("the first content book alone: %d, %d and %d values, error %v", len(q[0]), len(q[1]), len(q[2]), err)
	}
	if _, err := c.Quantized(Codes{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("no codes: %v", err)
	}
}

func TestRedecoderConverts(t *testing.T) {
	c := smallCodec(t)
	r, err := c.OpenRedecoder(smallCheckpoint(t, "re.safetensors", smallRedecoder, true))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := vowel(8000, 24000)
	timbre, _ := c.Timbre(x)
	d, err := r.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := c.Encode(x)
	whole, err := d.Push(tokens.Codes)
	if err != nil {
		t.Fatal(err)
	}
	whole = append(whole, d.Flush()...)
	if len(whole) != tokens.Frames()*c.HopLength() {
		t.Fatalf("%d samples for %d frames", len(whole), tokens.Frames())
	}
	var pieces []float32
	for at := range tokens.Frames() {
		y, err := d.Push(tokens.Slice(at, at+1))
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, y...)
	}
	if pieces = append(pieces, d.Flush()...); !slices.Equal(pieces, whole) {
		t.Error("frame by frame gives other samples")
	}
	if _, err := d.Push(Codes{Prosody: tokens.Codes[Prosody]}); !errors.Is(err, ErrTokens) {
		t.Errorf("without content: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	c := smallCodec(t)
	x := vowel(1000, 24000)
	tokens, _ := c.Encode(x)
	with := func(change func(*Tokens)) error {
		bad := Tokens{Timbre: slices.Clone(tokens.Timbre), Samples: tokens.Samples}
		bad.Codes.Append(tokens.Codes)
		change(&bad)
		_, err := c.Decode(&bad)
		return err
	}
	nan := float32(math.NaN())
	_, emptyErr := c.Encode(nil)
	_, nanErr := c.Encode([]float32{0, nan})
	_, infErr := c.Convert([]float32{0, float32(math.Inf(1))}, tokens.Timbre)
	_, noClip := c.Timbre()
	_, threadsErr := OpenSynthetic(0, WithThreads(0))
	for what, e := range map[string]struct{ got, want error }{
		"no samples":        {emptyErr, ErrEmpty},
		"NaN":               {nanErr, ErrNotFinite},
		"Inf":               {infErr, ErrNotFinite},
		"no clip":           {noClip, ErrEmpty},
		"code too large":    {with(func(b *Tokens) { b.Codes[Content][1][0] = 32 }), ErrTokens},
		"code negative":     {with(func(b *Tokens) { b.Codes[Residual][2][3] = -1 }), ErrTokens},
		"a book too many":   {with(func(b *Tokens) { b.Codes[Prosody] = append(b.Codes[Prosody], b.Codes[Prosody][0]) }), ErrTokens},
		"uneven books":      {with(func(b *Tokens) { b.Codes[Content][0] = b.Codes[Content][0][1:] }), ErrTokens},
		"no frames":         {with(func(b *Tokens) { b.Codes = Codes{} }), ErrEmpty},
		"too many samples":  {with(func(b *Tokens) { b.Samples += 300 }), ErrTokens},
		"too few samples":   {with(func(b *Tokens) { b.Samples -= 300 }), ErrTokens},
		"short timbre":      {with(func(b *Tokens) { b.Timbre = b.Timbre[1:] }), ErrTokens},
		"timbre with a NaN": {with(func(b *Tokens) { b.Timbre[3] = nan }), ErrNotFinite},
	} {
		if !errors.Is(e.got, e.want) {
			t.Errorf("%s: %v, want %v", what, e.got, e.want)
		}
	}
	if threadsErr == nil {
		t.Error("no threads were accepted")
	}
	if again, err := c.Encode(x); err != nil || !reflect.DeepEqual(again, tokens) {
		t.Errorf("after refusals the codec gives other tokens (error %v)", err)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	redecoder := smallCheckpoint(t, "re.safetensors", smallRedecoder, true)
	if _, err := Open(redecoder); !errors.Is(err, ErrKind) {
		t.Errorf("a redecoder as a codec: %v", err)
	}
	codec := smallCheckpoint(t, "c.safetensors", smallConfig, false)
	if _, err := smallCodec(t).OpenRedecoder(codec); !errors.Is(err, ErrKind) {
		t.Errorf("a codec as a redecoder: %v", err)
	}
	standard := writeFile(t, "standard.json", `{"model_params": {}}`)
	if _, err := Open(codec, WithConfig(standard)); !errors.Is(err, ErrTensors) {
		t.Errorf("tensors of another shape: %v", err)
	}
	other := writeFile(t, "other.json", smallConfig)
	if _, err := Open(redecoder, WithConfig(other)); !errors.Is(err, ErrTensors) {
		t.Errorf("tensors of another network: %v", err)
	}
}

func TestInterruptedFileLeavesNothing(t *testing.T) {
	c := smallCodec(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err := c.ReconstructFile(ctx, filepath.Join("testdata", "speech", "en.flac"), filepath.Join(dir, "x.wav"),
		FileOptions{Progress: func(float64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestOpenFromAnywhere opens the same checkpoint from disk, memory and a file
// system, with its configuration inside or beside it.
func TestOpenFromAnywhere(t *testing.T) {
	path := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(filepath.Dir(path), "bare.pth")
	if _, err := ConvertWeights(context.Background(), path, bare, WeightsOptions{}); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{
		"models/small.safetensors": {Data: data},
		"bare/small.safetensors":   {Data: withoutConfig(t, path)},
		"bare/config.yml":          {Data: []byte(smallConfig)},
		"alone/small.safetensors":  {Data: withoutConfig(t, path)},
	}
	x := vowel(3000, 24000)
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := c.Reconstruct(x)
	c.Close()
	for what, open := range map[string]func() (*Codec, error){
		"bytes":            func() (*Codec, error) { return OpenBytes("m", data) },
		"PyTorch":          func() (*Codec, error) { return Open(bare) },
		"file system":      func() (*Codec, error) { return OpenFS(files, "models/small.safetensors") },
		"config beside it": func() (*Codec, error) { return OpenFS(files, "bare/small.safetensors") },
		"config as options": func() (*Codec, error) {
			return OpenBytes("m", withoutConfig(t, path), WithConfig(writeFile(t, "c.json", smallConfig)))
		},
	} {
		c, err := open()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if got, err := c.Reconstruct(x); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: other samples (error %v)", what, err)
		}
		c.Close()
	}
	if _, err := OpenFS(files, "alone/small.safetensors"); !errors.Is(err, ErrNoConfig) {
		t.Errorf("without a configuration: %v", err)
	}
	if _, err := OpenBytes("m", withoutConfig(t, path)); !errors.Is(err, ErrNoConfig) {
		t.Errorf("bytes without a configuration: %v", err)
	}
	if _, err := OpenFS(files, "nowhere.pth"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// withoutConfig returns a checkpoint's file without what it says of itself.
func withoutConfig(t *testing.T, path string) []byte { return without(t, path, "nothing.") }

// without returns a checkpoint's file without what it says of itself and without
// the tensors below a prefix.
func without(t *testing.T, path, prefix string) []byte {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bare := filepath.Join(t.TempDir(), "bare.safetensors")
	arrays := slices.DeleteFunc(weights.ArraysOf(f), func(a weights.Array) bool { return strings.HasPrefix(a.Name, prefix) })
	if err := weights.WriteSafetensors(bare, arrays, nil, nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(bare)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestNetworksThatAreNotNeeded opens codecs without a decoder and without an
// encoder, from checkpoints that have none.
func TestNetworksThatAreNotNeeded(t *testing.T) {
	path := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	whole, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	x := vowel(4000, 24000)
	want, _ := whole.Encode(x)
	samples, _ := whole.Decode(want)

	config := WithConfig(writeFile(t, "c.json", smallConfig))
	encoder, err := OpenBytes("m", without(t, path, "decoder."), config, WithoutDecoder())
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	if got, err := encoder.Encode(x); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("without a decoder: other tokens (error %v)", err)
	}
	if _, err := encoder.Decode(want); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("decoding without a decoder: %v", err)
	}
	decoder, err := OpenBytes("m", without(t, path, "encoder."), config, WithoutEncoder())
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	if got, err := decoder.Decode(want); err != nil || !slices.Equal(got, samples) {
		t.Errorf("without an encoder: other samples (error %v)", err)
	}
	if _, err := decoder.Encode(x); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("encoding without an encoder: %v", err)
	}
	if _, err := OpenBytes("m", without(t, path, "encoder."), config); !errors.Is(err, ErrTensors) {
		t.Errorf("an encoder that is missing: %v", err)
	}
}
