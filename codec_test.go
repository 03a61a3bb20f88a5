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
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/weights"
)

func smallCodec(t testing.TB, opts ...Option) *Codec {
	t.Helper()
	c, err := Open(codectest.Checkpoint(t, "small.safetensors", codectest.Config), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFormatsGiveTheSameCodec(t *testing.T) {
	x := codectest.Vowel(5000, 24000)
	var want []float32
	for _, name := range []string{"small.safetensors", "small.pth"} {
		c, err := Open(codectest.Checkpoint(t, name, codectest.Config))
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
	voice, err := c.Timbre(codectest.Vowel(4000, 24000), codectest.Vowel(700, 24000))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 299, 300, 301, 1025, 3001, 30000} {
		x := codectest.Vowel(n, 24000)
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
		want[n], _ = c.Reconstruct(codectest.Vowel(n, 24000))
	}
	var wg sync.WaitGroup
	for range 3 {
		for n, samples := range want {
			wg.Go(func() {
				if got, err := c.Reconstruct(codectest.Vowel(n, 24000)); err != nil || !slices.Equal(got, samples) {
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

	voice, err := c.EnrollFiles(ctx, []string{source}, EnrollOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.NewDecoder(voice.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the decoder is left ready for another file
		if _, err := c.ConvertFile(ctx, source, out, d, FileOptions{SampleFormat: audio.F32}); err != nil {
			t.Fatal(err)
		}
		want, _ = c.Convert(x, voice.Timbre)
		if got, err := audio.ReadFile(out, 24000); err != nil || !slices.Equal(got, want) {
			t.Errorf("the converted file is not the conversion (error %v)", err)
		}
	}

	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestExtractIsWhatTheDecoderSees adds the parts up.
func TestExtractIsWhatTheDecoderSees(t *testing.T) {
	c := smallCodec(t)
	x := codectest.Vowel(2000, 24000)
	f, err := c.Extract(x)
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := c.Encode(x)
	if !reflect.DeepEqual(f.Tokens, *tokens) {
		t.Error("other tokens than Encode's")
	}
	for i, want := range codectest.DecoderInput(t, model.Codes(tokens.Codes)) {
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
	r, err := c.OpenRedecoder(codectest.Checkpoint(t, "re.safetensors", codectest.RedecoderConfig))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := codectest.Vowel(8000, 24000)
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
	last, err := d.Flush()
	if err != nil {
		t.Fatal(err)
	}
	whole = append(whole, last...)
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
	if last, err = d.Flush(); err != nil {
		t.Fatal(err)
	}
	if pieces = append(pieces, last...); !slices.Equal(pieces, whole) {
		t.Error("frame by frame gives other samples")
	}
	if _, err := d.Push(Codes{Prosody: tokens.Codes[Prosody]}); !errors.Is(err, ErrTokens) {
		t.Errorf("without content: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	c := smallCodec(t)
	x := codectest.Vowel(1000, 24000)
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
	_, threadsErr := OpenRandom(0, WithThreads(0))
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
	redecoder := codectest.Checkpoint(t, "re.safetensors", codectest.RedecoderConfig)
	if _, err := Open(redecoder); !errors.Is(err, ErrKind) {
		t.Errorf("a redecoder as a codec: %v", err)
	}
	codec := codectest.Checkpoint(t, "c.safetensors", codectest.Config)
	if _, err := smallCodec(t).OpenRedecoder(codec); !errors.Is(err, ErrKind) {
		t.Errorf("a codec as a redecoder: %v", err)
	}
	standard := codectest.WriteFile(t, "standard.json", `{"model_params": {}}`)
	if _, err := Open(codec, WithConfig(standard)); !errors.Is(err, ErrTensors) {
		t.Errorf("tensors of another shape: %v", err)
	}
	other := codectest.WriteFile(t, "other.json", codectest.Config)
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
	path := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(filepath.Dir(path), "bare.pth")
	if _, err := convert.Convert(context.Background(), path, bare, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{
		"models/small.safetensors": {Data: data},
		"bare/small.safetensors":   {Data: withoutConfig(t, path)},
		"bare/config.yml":          {Data: []byte(codectest.Config)},
		"alone/small.safetensors":  {Data: withoutConfig(t, path)},
	}
	x := codectest.Vowel(3000, 24000)
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
			return OpenBytes("m", withoutConfig(t, path), WithConfig(codectest.WriteFile(t, "c.json", codectest.Config)))
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
func withoutConfig(t *testing.T, path string) []byte { return withoutTensors(t, path, "nothing.") }

// withoutTensors returns a checkpoint's file without what it says of itself and without
// the tensors below a prefix.
func withoutTensors(t *testing.T, path, prefix string) []byte {
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
	path := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	whole, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	x := codectest.Vowel(4000, 24000)
	want, _ := whole.Encode(x)
	samples, _ := whole.Decode(want)

	config := WithConfig(codectest.WriteFile(t, "c.json", codectest.Config))
	encoder, err := OpenBytes("m", withoutTensors(t, path, "decoder."), config, WithoutDecoder())
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
	decoder, err := OpenBytes("m", withoutTensors(t, path, "encoder."), config, WithoutEncoder())
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
	if _, err := OpenBytes("m", withoutTensors(t, path, "encoder."), config); !errors.Is(err, ErrTensors) {
		t.Errorf("an encoder that is missing: %v", err)
	}
}

func TestFingerprints(t *testing.T) {
	a, err := Open(codectest.Checkpoint(t, "a.safetensors", codectest.Config))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Open(codectest.Checkpoint(t, "b.pth", codectest.Config))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	qa, da, errA := a.Fingerprints()
	if qb, db, errB := b.Fingerprints(); errA != nil || errB != nil || qa != qb || da != db || qa == da || qa == (Fingerprint{}) {
		t.Errorf("quantizer %v and %v, decoder %v and %v", qa, qb, da, db)
	}
	if len(qa.String()) != 32 || strings.Trim(qa.String(), "0123456789abcdef") != "" {
		t.Errorf("fingerprint %q", qa)
	}
}

// TestTokensFingerprint: that of the tensors alone, and of those that matter.
func TestTokensFingerprint(t *testing.T) {
	path := codectest.Checkpoint(t, "a.safetensors", codectest.Config)
	full, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	partial, err := Open(path, WithoutDecoder(), WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer partial.Close()
	other, err := OpenRandom(6, WithConfig(codectest.WriteFile(t, "c.json", codectest.Config)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if q, _, err := partial.Fingerprints(); !errors.Is(err, ErrNotLoaded) || q == (Fingerprint{}) {
		t.Errorf("without its decoder: quantizer %v, %v", q, err)
	}
	if full.TokensFingerprint() != partial.TokensFingerprint() || full.TokensFingerprint() == other.TokensFingerprint() {
		t.Errorf("%v with decoder, %v without, %v with other weights", full.TokensFingerprint(), partial.TokensFingerprint(), other.TokensFingerprint())
	}
}

func TestParsePart(t *testing.T) {
	for part := range NumParts {
		if got, err := ParsePart(part.String()); err != nil || got != part {
			t.Errorf("%v is read as %v, %v", part, got, err)
		}
	}
	if _, err := ParsePart("noise"); err == nil {
		t.Error("noise is a part")
	}
}
