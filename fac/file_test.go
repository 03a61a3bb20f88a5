package fac

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/recording"
	"github.com/facodec-go/facodec/internal/weights"
)

// wavOf writes samples as a float WAV of the codec's rate.
func wavOf(t testing.TB, samples []float32) (path string, data []byte) {
	t.Helper()
	return codectest.WAV(t, "x.wav", samples)
}

func heard(t testing.TB, wav []byte) []float32 {
	t.Helper()
	r, err := audio.NewReader(bytes.NewReader(wav), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []float32
	err = recording.ReadFrom(t.Context(), r, func(samples []float32) error {
		all = append(all, samples...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFacFiles: decode(encode(x)) is reconstruct(x) for any length, through files
// and through pipes that give a byte at a time.
func TestFacFiles(t *testing.T) {
	c := smallCodec(t)
	ctx := context.Background()
	for _, n := range []int{1, 299, 300, 301, 3000, 19200, 45001} {
		x := codectest.Vowel(n, 24000)
		source, wav := wavOf(t, x)
		dir := t.TempDir()
		fac, out, want := filepath.Join(dir, "x.fac"), filepath.Join(dir, "y.wav"), filepath.Join(dir, "want.wav")
		report, err := Encode(ctx, c, source, fac, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		file, _ := os.ReadFile(fac)
		if report.Samples != int64(n) || report.Frames != (n+299)/300 || report.Bytes != int64(len(file)) || report.Output != fac || report.Info.Encoding != "pcm_f32" {
			t.Errorf("encoded: %+v", report)
		}
		var pipe bytes.Buffer
		if _, err := Encode(ctx, c, "in", "out", EncodeOptions{In: iotest.OneByteReader(bytes.NewReader(wav)), Out: &pipe}); err != nil || !bytes.Equal(pipe.Bytes(), file) {
			t.Fatalf("%d samples through a pipe: error %v, or another file", n, err)
		}

		if _, err := c.ReconstructFile(ctx, source, want, facodec.FileOptions{SampleFormat: audio.F32}); err != nil {
			t.Fatal(err)
		}
		wanted, _ := os.ReadFile(want)
		report, err = Decode(ctx, c, fac, out, DecodeOptions{SampleFormat: audio.F32})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(out); !bytes.Equal(got, wanted) {
			t.Errorf("%d samples: decoded to another file than reconstructed", n)
		}
		if report.Samples != int64(n) || report.Frames != (n+299)/300 || report.Source != fac || report.Output != out || report.Warnings != nil {
			t.Errorf("decoded: %+v", report)
		}
		var decoded bytes.Buffer
		pipe.Reset()
		if _, err := Encode(ctx, c, source, "out", EncodeOptions{EntropyCoding: true, Out: &pipe}); err != nil || bytes.Equal(pipe.Bytes(), file) {
			t.Fatalf("%d samples entropy coded: error %v, or the same file", n, err)
		}
		_, err = Decode(ctx, c, "in", "out", DecodeOptions{SampleFormat: audio.F32, In: iotest.OneByteReader(&pipe), Out: &decoded})
		if err != nil || !bytes.Equal(decoded.Bytes(), wanted) {
			t.Errorf("%d samples through a pipe: error %v, or another file than reconstructed", n, err)
		}
	}
}

// TestFacChoices: fewer books, some parts, another voice are what the library
// makes of the tokens.
func TestFacChoices(t *testing.T) {
	c := smallCodec(t)
	ctx := context.Background()
	x := codectest.Vowel(25000, 24000)
	source, _ := wavOf(t, x)
	voice, err := c.Timbre(codectest.Vowel(3000, 24000), x[:5000])
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := c.Encode(x)
	with := func(timbre []float32, prosody, content bool, residual int) []float32 {
		codes := tokens.Codes
		codes[facodec.Residual] = codes[facodec.Residual][:residual]
		if !prosody {
			codes[facodec.Prosody] = nil
		}
		if !content {
			codes[facodec.Content] = nil
		}
		y, err := c.Decode(&facodec.Tokens{Codes: codes, Timbre: timbre, Samples: len(x)})
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	own := tokens.Timbre
	converted, _ := c.Convert(x, voice)
	var seen [][]float32
	sizes := map[int]int{}
	for _, k := range []struct {
		drop   int
		timbre []float32
		parts  []facodec.Part
		want   []float32
	}{
		{0, nil, []facodec.Part{facodec.Prosody, facodec.Content, facodec.Residual}, with(own, true, true, 3)},
		{1, nil, nil, with(own, true, true, 2)},
		{2, nil, nil, with(own, true, true, 1)},
		{3, nil, nil, with(own, true, true, 0)},
		{0, nil, []facodec.Part{facodec.Prosody}, with(own, true, false, 0)},
		{0, nil, []facodec.Part{facodec.Content}, with(own, false, true, 0)},
		{0, nil, []facodec.Part{facodec.Residual}, with(own, false, false, 3)},
		{1, nil, []facodec.Part{facodec.Residual, facodec.Prosody}, with(own, true, false, 2)},
		{0, voice, nil, converted},
		{0, voice, []facodec.Part{facodec.Prosody, facodec.Content, facodec.Residual}, with(voice, true, true, 3)},
	} {
		var fac, wav bytes.Buffer
		report, err := Encode(ctx, c, source, "out", EncodeOptions{DropResidual: k.drop, Out: &fac})
		if err != nil {
			t.Fatal(err)
		}
		sizes[k.drop] = int(report.Bytes)
		o := DecodeOptions{SampleFormat: audio.F32, Parts: k.parts, In: &fac, Out: &wav}
		if k.timbre != nil {
			o.Decoder = decoderOf(t, c, k.timbre)
		}
		if _, err := Decode(ctx, c, "in", "out", o); err != nil {
			t.Fatal(err)
		}
		got := heard(t, wav.Bytes())
		if !slices.Equal(got, k.want) {
			t.Errorf("%d books fewer, %v, other voice %v: %d other samples", k.drop, k.parts, k.timbre != nil, len(got))
		}
		for _, other := range seen {
			if slices.Equal(got, other) {
				t.Errorf("%d books fewer, %v, other voice %v: nothing changes", k.drop, k.parts, k.timbre != nil)
			}
		}
		seen = append(seen, got)
	}
	// 84 frames in two blocks, 5 bits for each of 3 to 6 books.
	for drop := range 4 {
		if want := sizes[3] + (3-drop)*(40+12) + (3-drop)/2 + (3-drop)%2; sizes[drop] > want || sizes[drop] < want-2 {
			t.Errorf("%d books fewer: %d bytes, about %d wanted", drop, sizes[drop], want)
		}
	}

	var fac bytes.Buffer
	Encode(ctx, c, source, "out", EncodeOptions{DropResidual: 3, Out: &fac})
	_, err = Decode(ctx, c, "in", "out", DecodeOptions{Parts: []facodec.Part{facodec.Residual}, In: &fac, Out: io.Discard})
	if !errors.Is(err, facodec.ErrTokens) || !strings.Contains(err.Error(), "in: holds no residual codes") {
		t.Errorf("a part that is not there: %v", err)
	}
	for _, drop := range []int{-1, 4} {
		if _, err := Encode(ctx, c, source, "out", EncodeOptions{DropResidual: drop, Out: io.Discard}); !errors.Is(err, facodec.ErrTokens) {
			t.Errorf("%d books fewer: %v", drop, err)
		}
	}
	without := smallCodec(t, facodec.WithoutDecoder())
	if _, err := Encode(ctx, without, source, "out", EncodeOptions{Out: io.Discard}); !errors.Is(err, facodec.ErrNotLoaded) {
		t.Errorf("without the decoder and its fingerprint: %v", err)
	}
}

func decoderOf(t *testing.T, c *facodec.Codec, timbre []float32) *facodec.Decoder {
	d, err := c.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFacArrives: codes leave while the utterance goes on, and with a voice given
// so do samples.
func TestFacArrives(t *testing.T) {
	c := smallCodec(t)
	ctx := context.Background()
	x := codectest.Vowel(60000, 24000)
	_, wav := wavOf(t, x)
	voice, _ := c.Timbre(x)
	inVoice := decoderOf(t, c, voice)
	facIn, facOut := io.Pipe()
	wavIn, wavOut := io.Pipe()
	soundIn, soundOut := io.Pipe()
	errs := make(chan error, 2)
	go func() {
		_, err := Encode(ctx, c, "in", "fac", EncodeOptions{In: wavIn, Out: facOut})
		facOut.CloseWithError(err)
		errs <- err
	}()
	go func() {
		_, err := Decode(ctx, c, "fac", "out", DecodeOptions{SampleFormat: audio.F32, Decoder: inVoice, In: facIn, Out: soundOut})
		soundOut.CloseWithError(err)
		errs <- err
	}()
	go func() {
		wavOut.Write(wav[:len(wav)-4000]) // and then waits
	}()
	// More than a second must come out before the end goes in.
	head := make([]byte, 58+4*24000)
	if _, err := io.ReadFull(soundIn, head); err != nil {
		t.Fatal(err)
	}
	go func() {
		wavOut.Write(wav[len(wav)-4000:])
		wavOut.Close()
	}()
	rest, err := io.ReadAll(soundIn)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := c.Convert(x, voice)
	if got := heard(t, append(head, rest...)); !slices.Equal(got, want) {
		t.Errorf("%d other samples than Convert gives", len(got))
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestFacFileFaults: the error names the file, and nothing is left.
func TestFacFileFaults(t *testing.T) {
	c := smallCodec(t)
	ctx := context.Background()
	source, _ := wavOf(t, codectest.Vowel(20000, 24000))
	var fac bytes.Buffer
	if _, err := Encode(ctx, c, source, "fac", EncodeOptions{Out: &fac}); err != nil {
		t.Fatal(err)
	}
	file := fac.Bytes()
	flipped := bytes.Clone(file)
	flipped[len(file)-1] ^= 1 // the very last byte
	dir := t.TempDir()
	out := filepath.Join(dir, "y.wav")
	voice, _ := c.Timbre(codectest.Vowel(3000, 24000))
	for what, k := range map[string]struct {
		data []byte
		want error
	}{"cut": {file[:len(file)-1], ErrTruncated}, "flipped": {flipped, ErrCorrupt}, "empty": {nil, ErrTruncated}, "text": {[]byte("hello"), ErrFormat}} {
		path := codectest.WriteFile(t, "bad.fac", string(k.data))
		_, err := Decode(ctx, c, path, out, DecodeOptions{})
		if !errors.Is(err, k.want) || !strings.Contains(err.Error(), "read "+path+": ") {
			t.Errorf("%s: %v", what, err)
		}
		var wav bytes.Buffer
		if _, err = Decode(ctx, c, "in", "out", DecodeOptions{In: bytes.NewReader(k.data), Out: &wav}); !errors.Is(err, k.want) || wav.Len() > 0 {
			t.Errorf("%s from a pipe: %v, %d bytes out", what, err, wav.Len())
		}
		if _, err = Decode(ctx, c, "in", out, DecodeOptions{In: bytes.NewReader(k.data), Decoder: decoderOf(t, c, voice)}); !errors.Is(err, k.want) {
			t.Errorf("%s as it comes: %v", what, err)
		}
	}
	if _, err := Decode(ctx, c, filepath.Join(dir, "missing.fac"), out, DecodeOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Decode(ctx, c, dir, out, DecodeOptions{}); err == nil || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("a folder: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Decode(canceled, c, "in", out, DecodeOptions{In: bytes.NewReader(file)}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	// An interrupt that ends the pipe: what came is no whole utterance.
	ctx2, cancel2 := context.WithCancel(ctx)
	var late bytes.Buffer
	_, wav := wavOf(t, codectest.Vowel(20000, 24000))
	_, err := Encode(ctx2, c, "in", "out", EncodeOptions{Progress: func(float64) { cancel2() }, In: bytes.NewReader(wav), Out: &late})
	if _, _, readErr := ReadTokens(&late); !errors.Is(err, context.Canceled) || !errors.Is(readErr, ErrTruncated) {
		t.Errorf("interrupted: %v, and what is left reads as %v", err, readErr)
	}
	text := codectest.WriteFile(t, "notes.wav", "no sound")
	if _, err := Encode(ctx, c, text, filepath.Join(dir, "x.fac"), EncodeOptions{}); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("no sound: %v", err)
	}
	failing := io.MultiWriter(iotest.TruncateWriter(io.Discard, 0), failWriter{})
	if _, err := Encode(ctx, c, source, "standard output", EncodeOptions{Out: failing}); !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "write standard output: ") {
		t.Errorf("a closed pipe: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

type failWriter struct{}

func (failWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestFacOfOtherCodecs: another quantizer is an error, another decoder a warning.
func TestFacOfOtherCodecs(t *testing.T) {
	c := smallCodec(t)
	ctx := context.Background()
	tokens, own, _ := smallTokens(t, c, 5000)
	decode := func(change func(*Header)) (facodec.FileReport, error) {
		h := own
		change(&h)
		short := *tokens
		short.Timbre = slices.Repeat(tokens.Timbre, 2)[:h.TimbreLen]
		return Decode(ctx, c, "x.fac", "out", DecodeOptions{In: bytes.NewReader(facBytes(t, h, &short)), Out: io.Discard})
	}
	report, err := decode(func(h *Header) { h.Decoder[3] ^= 1 })
	if err != nil || len(report.Warnings) != 1 || !strings.HasPrefix(report.Warnings[0], "x.fac: encoded with another decoder") {
		t.Errorf("another decoder: %v, warnings %q", err, report.Warnings)
	}
	for what, k := range map[string]struct {
		change func(*Header)
		want   string
	}{
		"quantizer": {func(h *Header) { h.Quantizer[3] ^= 1 }, "another quantizer (fingerprint "},
		"rate":      {func(h *Header) { h.SampleRate = 16000 }, "16000 Hz, hop 300"},
		"entries":   {func(h *Header) { h.CodebookSize = 64 }, "of 64 entries"},
		"books":     {func(h *Header) { h.Books[facodec.Content] = 1 }, "1+1+3 books"},
		"timbre":    {func(h *Header) { h.TimbreLen = 25 }, "a timbre of 25"},
	} {
		_, err := decode(k.change)
		if !errors.Is(err, facodec.ErrTokens) || !strings.Contains(err.Error(), k.want) || !strings.Contains(err.Error(), "read x.fac: ") {
			t.Errorf("another %s: %v", what, err)
		}
	}

	// With real weights: a tensor of each kind changed.
	for tensor, fails := range map[string]bool{
		"quantizer.content_quantizer.quantizers.1.codebook.weight": true,
		"quantizer.residual_quantizer.quantizers.0.out_proj.bias":  true,
		"decoder.model.0.conv.conv.bias":                           false,
	} {
		q, d := own.Quantizer, own.Decoder
		otherQ, otherD := fingerprintsWith(t, tensor)
		if (q != otherQ) != fails || (d != otherD) == fails {
			t.Errorf("%s changed: the quantizer's fingerprint changes: %v, the decoder's: %v", tensor, q != otherQ, d != otherD)
		}
	}
}

// fingerprintsWith returns those of the small codec with one value of a tensor
// changed in its last bit.
func fingerprintsWith(t *testing.T, tensor string) (quantizer, decoder facodec.Fingerprint) {
	t.Helper()
	f, err := weights.Open(codectest.Checkpoint(t, "small.safetensors", codectest.Config))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	arrays := weights.ArraysOf(f)
	i := slices.IndexFunc(arrays, func(a weights.Array) bool { return a.Name == tensor })
	if i < 0 {
		t.Fatalf("no tensor %s", tensor)
	}
	values := arrays[i].Values
	arrays[i].Values = func() ([]float32, error) {
		v, err := values()
		v = slices.Clone(v)
		last := &v[len(v)-1]
		*last = math.Float32frombits(math.Float32bits(*last) ^ 1)
		return v, err
	}
	path := filepath.Join(t.TempDir(), "changed.safetensors")
	if err := weights.WriteSafetensors(path, arrays, nil, nil); err != nil {
		t.Fatal(err)
	}
	c, err := facodec.Open(path, facodec.WithConfig(codectest.WriteFile(t, "c.json", codectest.Config)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if quantizer, decoder, err = c.Fingerprints(); err != nil {
		t.Fatal(err)
	}
	return quantizer, decoder
}

func heardFile(t testing.TB, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return heard(t, data)
}

// TestDecodeTokens: codes from elsewhere are decoded as those of a compressed file; of a part the
// first books are enough, and in another voice no timbre is needed.
func TestDecodeTokens(t *testing.T) {
	c := smallCodec(t)
	ctx := t.Context()
	dir := t.TempDir()
	source, _ := wavOf(t, codectest.Vowel(30_001, 24000))
	file, want := filepath.Join(dir, "x.fac"), filepath.Join(dir, "want.wav")
	report, err := Encode(ctx, c, source, file, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	tokens, _, err := ReadTokens(opened)
	if err != nil {
		t.Fatal(err)
	}
	voice, err := c.NewDecoder(make([]float32, c.TimbreLen()))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []DecodeOptions{{}, {Parts: []facodec.Part{facodec.Content}}, {Decoder: voice}} {
		o.SampleFormat = audio.F32
		want, got := filepath.Join(dir, "want.wav"), filepath.Join(dir, "got.wav")
		if _, err := Decode(ctx, c, file, want, o); err != nil {
			t.Fatal(err)
		}
		r, err := DecodeTokens(ctx, c, tokens, "codes", got, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Samples != report.Samples || r.Frames != report.Frames || r.Source != "codes" || r.Output != got {
			t.Errorf("%+v, of a file %+v", r, report)
		}
		if !slices.Equal(heardFile(t, got), heardFile(t, want)) {
			t.Errorf("%+v: other samples than those of the file", o)
		}
	}
	// Some of the books, as the codec's own decoder has them.
	some := *tokens
	some.Codes = facodec.Codes{facodec.Content: tokens.Codes[facodec.Content][:1]}
	d, err := c.NewDecoder(tokens.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := d.Push(some.Codes)
	if err != nil {
		t.Fatal(err)
	}
	last, err := d.Flush()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeTokens(ctx, c, &some, "codes", want, DecodeOptions{SampleFormat: audio.F32}); err != nil {
		t.Fatal(err)
	}
	if got := heardFile(t, want); !slices.Equal(got, append(samples, last...)[:some.Samples]) {
		t.Error("the first book of content is decoded otherwise than by the decoder")
	}
	if _, err := DecodeTokens(ctx, c, nil, "codes", want, DecodeOptions{}); !errors.Is(err, facodec.ErrTokens) {
		t.Errorf("no tokens: %v", err)
	}
	for message, change := range map[string]func(t *facodec.Tokens, o *DecodeOptions){
		"codes: content book 0, frame 2: code 1000000 of a codebook of": func(t *facodec.Tokens, _ *DecodeOptions) {
			t.Codes = facodec.Codes{facodec.Content: {{1, 2, 1_000_000}}}
		},
		"codes: 30001 samples for 3 frames, want 601 to 900: not codes of this codec": func(t *facodec.Tokens, _ *DecodeOptions) {
			t.Codes = facodec.Codes{facodec.Content: {{1, 2, 3}}}
		},
		"codes: 0 samples for 0 frames": func(t *facodec.Tokens, _ *DecodeOptions) { t.Codes, t.Samples = facodec.Codes{}, 0 },
		"codes: no part to decode":      func(_ *facodec.Tokens, o *DecodeOptions) { o.Parts = []facodec.Part{} },
		"codes: holds no residual codes": func(t *facodec.Tokens, o *DecodeOptions) {
			t.Codes[facodec.Residual], o.Parts = nil, []facodec.Part{facodec.Residual}
		},
		"codes: holds residual codes alone": func(t *facodec.Tokens, o *DecodeOptions) {
			t.Codes, o.Decoder = facodec.Codes{facodec.Residual: t.Codes[facodec.Residual]}, voice
		},
		"codes: timbre of 0 values": func(t *facodec.Tokens, _ *DecodeOptions) { t.Timbre = nil },
	} {
		changed, o := *tokens, DecodeOptions{}
		change(&changed, &o)
		out := filepath.Join(dir, "none.wav")
		_, err := DecodeTokens(ctx, c, &changed, "codes", out, o)
		if err == nil || !strings.HasPrefix(err.Error(), message) {
			t.Errorf("%v, want %s", err, message)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: an output is left", message)
		}
	}
}
