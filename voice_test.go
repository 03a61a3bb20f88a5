package facodec

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/model"
)

// clipFile writes a clip of a voice as a WAV file.
func clipFile(t *testing.T, name string, samples []float32) string {
	t.Helper()
	path, _ := codectest.WAV(t, name, samples)
	return path
}

func enroll(t *testing.T, c *Codec, paths ...string) *Voice {
	t.Helper()
	v, err := c.EnrollFiles(t.Context(), paths, EnrollOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sameVoice(a, b *Voice) bool {
	return slices.Equal(a.Timbre, b.Timbre) && a.Seconds == b.Seconds && a.Model == b.Model &&
		reflect.DeepEqual(a.Frames, b.Frames) && a.Quantizer == b.Quantizer && slices.Equal(a.Spectrum, b.Spectrum) && a.Decoder == b.Decoder
}

func TestVoiceIsKept(t *testing.T) {
	c := smallCodec(t)
	a, b := clipFile(t, "a.wav", codectest.Vowel(30000, 24000)), clipFile(t, "b.wav", codectest.Vowel(12000, 24000))
	v := enroll(t, c, a, b)
	want, err := c.Timbre(codectest.Vowel(30000, 24000), codectest.Vowel(12000, 24000))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(v.Timbre, want) || v.Seconds != 1.75 {
		t.Fatalf("not the timbre of its files, or %v seconds", v.Seconds)
	}
	path := filepath.Join(t.TempDir(), "alice.voice")
	if err := v.Save(path); err != nil {
		t.Fatal(err)
	}
	read, err := LoadVoice(path)
	if err != nil {
		t.Fatal(err)
	}
	if !sameVoice(v, read) || !sameVoice(v, enroll(t, c, path)) {
		t.Fatal("another voice came back")
	}
}

// TestVoicesMix: an enrolled voice and a clip are the mean over the frames of
// both, which enrolling all clips at once is.
func TestVoicesMix(t *testing.T) {
	c := smallCodec(t)
	clip := codectest.Vowel(72000, 24000)
	a, b := clipFile(t, "a.wav", clip[:24000]), clipFile(t, "b.wav", clip[24000:])
	path := filepath.Join(t.TempDir(), "a.voice")
	if err := enroll(t, c, a).Save(path); err != nil {
		t.Fatal(err)
	}
	mixed, both := enroll(t, c, path, b), enroll(t, c, a, b)
	if mixed.Seconds != both.Seconds {
		t.Fatalf("%v seconds, want %v", mixed.Seconds, both.Seconds)
	}
	peak := 0.0
	for _, x := range both.Timbre {
		peak = max(peak, math.Abs(float64(x)))
	}
	for i, x := range mixed.Timbre {
		if d := math.Abs(float64(x - both.Timbre[i])); d > 2e-3*peak {
			t.Fatalf("value %d is %v, of both at once %v", i, x, both.Timbre[i])
		}
	}
	// The weights count: a plain mean is further away.
	plain := 0.0
	va, vb := enroll(t, c, a), enroll(t, c, b)
	for i := range both.Timbre {
		plain = max(plain, math.Abs(float64((va.Timbre[i]+vb.Timbre[i])/2-both.Timbre[i])))
	}
	if plain < 2e-3*peak {
		t.Fatalf("the clips are too alike to tell: %v of %v", plain, peak)
	}
}

// TestSilentClipsLeftOut: silence beside clips of a voice changes neither its timbre nor its
// seconds, nor an enrolled voice's, and is told.
func TestSilentClipsLeftOut(t *testing.T) {
	c := smallCodec(t)
	clip := codectest.Vowel(30000, 24000)
	late := clipFile(t, "late.wav", append(make([]float32, 40000), clip...)) // is heard after more than a piece
	a, silent := clipFile(t, "a.wav", clip), clipFile(t, "silent.wav", make([]float32, 60000))
	voice := filepath.Join(t.TempDir(), "a.voice")
	if err := enroll(t, c, a).Save(voice); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ with, without []string }{
		{[]string{a, silent}, []string{a}},
		{[]string{silent, a}, []string{a}},
		{[]string{late, silent, a, silent}, []string{late, a}},
		{[]string{voice, silent}, []string{voice}},
	} {
		for _, normalize := range []bool{false, true} {
			want, err := c.EnrollFiles(t.Context(), test.without, EnrollOptions{Normalize: normalize})
			if err != nil || want.Warnings != nil {
				t.Fatal(err, want.Warnings)
			}
			v, err := c.EnrollFiles(t.Context(), test.with, EnrollOptions{Normalize: normalize})
			if err != nil {
				t.Fatal(err)
			}
			if !sameVoice(v, want) {
				t.Errorf("%v, normalize %v: silence counts, %v seconds and not %v", test.with, normalize, v.Seconds, want.Seconds)
			}
			if len(v.Warnings) != len(test.with)-len(test.without) {
				t.Errorf("%v: %v", test.with, v.Warnings)
			}
			for _, w := range v.Warnings {
				if !errors.Is(w, ErrSilent) || w.Error() != silent+": nothing is heard; left out" {
					t.Errorf("%v: %v", test.with, w)
				}
			}
		}
	}
	if v, err := c.Timbre(append(make([]float32, 40000), clip...)); err != nil || !slices.Equal(v, enroll(t, c, late).Timbre) {
		t.Errorf("the silence that a clip begins with is left out: %v", err)
	}
}

func TestVoiceOfAnotherModel(t *testing.T) {
	c := smallCodec(t)
	other, err := OpenRandom(6, WithConfig(codectest.WriteFile(t, "c.json", codectest.Config)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	clip := clipFile(t, "a.wav", codectest.Vowel(9000, 24000))
	v, w := enroll(t, c, clip), enroll(t, other, clip)
	for _, err := range []error{
		other.CheckVoice(v),
		second(MixVoices(v, w)),
		second(v.Cosine(w)),
	} {
		if !errors.Is(err, ErrVoice) {
			t.Errorf("another model's voice is used: %v", err)
		}
	}
	// The same tensors in another container are the same model.
	pth, err := Open(codectest.Checkpoint(t, "small.pth", codectest.Config))
	if err != nil {
		t.Fatal(err)
	}
	defer pth.Close()
	if err := pth.CheckVoice(v); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestVoiceCosine(t *testing.T) {
	voice := func(timbre ...float32) *Voice { return &Voice{Timbre: timbre, Seconds: 1} }
	for _, test := range []struct {
		v, w *Voice
		want float64
	}{
		{voice(3, 4), voice(6, 8), 1},
		{voice(3, 4), voice(-3, -4), -1},
		{voice(1, 0), voice(0, 2), 0},
		{voice(1, 0), voice(1, 1), math.Sqrt(0.5)},
	} {
		if got, err := test.v.Cosine(test.w); err != nil || math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%v and %v: %v, %v, want %v", test.v.Timbre, test.w.Timbre, got, err, test.want)
		}
	}
	for _, bad := range []*Voice{voice(0, 0), voice(1), voice(), voice(float32(math.NaN()), 1), {Timbre: []float32{1, 1}}} {
		if _, err := voice(1, 1).Cosine(bad); err == nil {
			t.Errorf("%v has a cosine", bad)
		}
	}
}

func TestVoiceCorruptAtEveryByte(t *testing.T) {
	for _, v := range []*Voice{
		{Timbre: []float32{0.5, -1, 2}, Seconds: 3, Model: Fingerprint{1, 2, 3}},
		{Timbre: []float32{0.5, -1}, Seconds: 3, Model: Fingerprint{1}, Quantizer: Fingerprint{4, 5},
			Frames: Codes{Prosody: {{1, 2}}, Content: {{3, 400}, {5, 6}}, Residual: {{65535, 0}}}},
	} {
		corrupt(t, v)
	}
}

func corrupt(t *testing.T, v *Voice) {
	good, err := v.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Voice
	if err := back.UnmarshalBinary(good); err != nil || !sameVoice(v, &back) {
		t.Fatalf("came back as %+v, %v", back, err)
	}
	refused := func(b []byte, what string, at int) {
		t.Helper()
		read := Voice{Seconds: 7}
		if err := read.UnmarshalBinary(b); !errors.Is(err, ErrVoice) {
			t.Errorf("%s at %d: %v", what, at, err)
		}
		if read.Seconds != 7 {
			t.Errorf("%s at %d changed the voice", what, at)
		}
	}
	for i := range good {
		for bit := range 8 {
			bad := slices.Clone(good)
			bad[i] ^= 1 << bit
			refused(bad, "flipped", i)
		}
		refused(good[:i], "cut", i)
	}
	refused(append(slices.Clone(good), 0), "longer", len(good))
	path := codectest.WriteFile(t, "long.voice", string(append(good, make([]byte, 2<<20)...)))
	if _, err := LoadVoice(path); !errors.Is(err, ErrVoice) {
		t.Errorf("a long file: %v", err)
	}
}

// TestEnrollVoices: of voice files alone, too, nothing is made after the end, and frames are there only where they are asked for.
func TestEnrollVoices(t *testing.T) {
	c, err := OpenRandom(3, WithConfig(codectest.WriteFile(t, "c.json", sourceFilterConfig)))
	if err != nil {
		t.Fatal(err)
	}
	framed, err := c.EnrollFiles(t.Context(), []string{clipFile(t, "a.wav", codectest.Vowel(30000, 24000))}, EnrollOptions{Frames: true})
	if err != nil || framed.Frames.Frames() == 0 {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.voice")
	if err := framed.Save(path); err != nil {
		t.Fatal(err)
	}
	if v, err := c.EnrollFiles(t.Context(), []string{path}, EnrollOptions{Frames: true}); err != nil || !sameVoice(v, framed) {
		t.Errorf("with frames: %v", err)
	}
	if v, err := c.EnrollFiles(t.Context(), []string{path}, EnrollOptions{}); err != nil || v.Frames.Frames() > 0 || v.Quantizer != (Fingerprint{}) || !slices.Equal(v.Spectrum, framed.Spectrum) {
		t.Errorf("without: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.EnrollFiles(canceled, []string{path}, EnrollOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	c.Close()
	if _, err := c.EnrollFiles(t.Context(), []string{path}, EnrollOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestNoVoice: where there is none an error says so.
func TestNoVoice(t *testing.T) {
	v := &Voice{Timbre: []float32{1, 2}, Seconds: 1}
	for name, f := range map[string]func() error{
		"mixed alone":   func() error { _, err := MixVoices(nil); return err },
		"mixed":         func() error { _, err := MixVoices(v, nil); return err },
		"mixed first":   func() error { _, err := MixVoices(nil, v); return err },
		"compared":      func() error { _, err := v.Cosine(nil); return err },
		"compared with": func() error { _, err := (*Voice)(nil).Cosine(v); return err },
		"saved":         func() error { return (*Voice)(nil).Save(filepath.Join(t.TempDir(), "a.voice")) },
	} {
		if err := f(); !errors.Is(err, ErrVoice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVoiceNotSaved(t *testing.T) {
	path := codectest.WriteFile(t, "old.voice", "old")
	for _, seconds := range []float64{0, -1, math.NaN(), math.Inf(1), 1e300, 5e-324} { // sums of voices would overflow, or be rounded
		if err := (&Voice{Timbre: []float32{1}, Seconds: seconds}).Save(path); !errors.Is(err, ErrVoice) {
			t.Errorf("saved: %v", err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the file is now %q", b)
	}
}

func FuzzVoice(f *testing.F) {
	for _, v := range []*Voice{
		{Timbre: []float32{0.5, -1}, Seconds: 3, Model: Fingerprint{1}},
		{Timbre: make([]float32, 40), Seconds: 0.001},
		{Timbre: []float32{1}, Seconds: 1, Frames: Codes{{{7, 8, 9}}, {{1, 2, 3}, {4, 5, 6}}, {{0, 0, 1}}}},
		{Timbre: []float32{1}, Seconds: 1, Spectrum: []float32{-7, 1.5, 3}, Decoder: Fingerprint{2}},
		{Timbre: []float32{1}, Seconds: 1, Spectrum: []float32{-7}, Frames: Codes{{{7}}, {{1}}, {{0}}}},
	} {
		b, err := v.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= voiceHeader+4 { // or no input would get past the checksum
			b = slices.Clone(b)
			binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], voiceTable))
		}
		var v Voice
		if v.UnmarshalBinary(b) != nil {
			return
		}
		again, err := v.MarshalBinary()
		if err != nil || !slices.Equal(again, b) {
			t.Fatalf("read %x, wrote %x, %v", b, again, err)
		}
	})
}

// TestTimbreOfEndedClips: what goes on does not count, and without a clip that has
// ended there is no timbre.
func TestTimbreOfEndedClips(t *testing.T) {
	c := smallCodec(t)
	x := codectest.Vowel(9000, 24000)
	v := c.NewVoiceEncoder()
	refused := func(when string) {
		t.Helper()
		if timbre, err := v.Timbre(); !errors.Is(err, ErrEmpty) || timbre != nil {
			t.Errorf("%s: timbre of %d values, %v", when, len(timbre), err)
		}
		if _, err := v.Voice(); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: a voice, %v", when, err)
		}
	}
	refused("no samples")
	if err := v.Push(x); err != nil {
		t.Fatal(err)
	}
	refused("before EndClip")
	v.EndClip()
	if err := v.Push(x[:500]); err != nil {
		t.Fatal(err)
	}
	want, _ := c.Timbre(x)
	voice, err := v.Voice()
	if err != nil || !slices.Equal(voice.Timbre, want) || voice.Seconds != 0.375 {
		t.Errorf("while another clip goes on: %v, %v seconds", err, voice.Seconds)
	}
}

// sourceFilterConfig is a codec whose decoder tells the pitch of frames.
const sourceFilterConfig = `{"model_params": {"latent_dim": 24, "codebook_size": 32, "codebook_dim": 4, "prosody_hidden_dim": 16,
	"prosody_layers": 2, "timbre_hidden_dim": 16, "causal": true, "encoder_type": "stft", "decoder_type": "source_filter",
	"convnext": {"window": 1200, "phase_bins": 20, "dim": 16, "hidden_dim": 24, "encoder_blocks": 1, "decoder_blocks": 1}}}`

// TestVoiceFrames: a voice has the codes of its clips where the codec can use them, as many as are
// kept, whatever is enrolled after it; and is refused by a codec of another quantizer.
func TestVoiceFrames(t *testing.T) {
	c, err := OpenRandom(3, WithConfig(codectest.WriteFile(t, "c.json", sourceFilterConfig)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, b := codectest.Vowel(30000, 24000), codectest.Vowel(12100, 24000)
	want, err := c.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	more, err := c.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	v := c.newVoiceEncoder(wantFrames)
	for _, piece := range [][]float32{a[:1], a[1:7000], a[7000:]} {
		if err := v.Push(piece); err != nil {
			t.Fatal(err)
		}
	}
	v.EndClip()
	first, err := v.Voice()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first.Frames, want.Codes) {
		t.Errorf("%d frames, and other codes than those of the clip, %d", first.Frames.Frames(), want.Frames())
	}
	v.Push(b)
	if open, err := v.Voice(); err != nil || open.Frames.Frames() != 0 {
		t.Errorf("while a clip goes on: %d frames, %v", open.Frames.Frames(), err)
	}
	v.EndClip()
	both, err := v.Voice()
	if err != nil {
		t.Fatal(err)
	}
	whole := Codes{}
	whole.Append(want.Codes)
	whole.Append(more.Codes)
	if !reflect.DeepEqual(both.Frames, whole) || !reflect.DeepEqual(first.Frames, want.Codes) {
		t.Errorf("%d frames of both clips; the first voice now has %d", both.Frames.Frames(), first.Frames.Frames())
	}
	for range MaxVoiceFrames/100 + 1 {
		v.Push(a)
		v.EndClip()
	}
	if long, err := v.Voice(); err != nil || long.Frames.Frames() != MaxVoiceFrames || c.CheckVoice(long) != nil {
		t.Errorf("more than are kept: %d frames, %v, %v", long.Frames.Frames(), err, c.CheckVoice(long))
	}
	if plain := enroll(t, c, clipFile(t, "a.wav", a)); plain.Frames.Frames() != 0 {
		t.Error("EnrollFiles keeps frames")
	}
	if mixed, err := MixVoices(first, both); err != nil || mixed.Frames.Frames() != 0 {
		t.Errorf("a mix has frames, or %v", err)
	}

	other := *first
	other.Quantizer[0]++
	if _, err := c.NewVoiceDecoder(&other, 0.5); !errors.Is(err, ErrVoice) {
		t.Errorf("of another quantizer: %v", err)
	}
	other = *first
	other.Frames = Codes{}
	other.Frames.Append(first.Frames)
	other.Frames[Content][0][3] = int32(c.CodebookSize())
	if _, err := c.NewVoiceDecoder(&other, 0.5); !errors.Is(err, ErrVoice) {
		t.Errorf("a code beyond the codebook: %v", err)
	}
	if _, err := c.NewVoiceDecoder(nil, 0.5); !errors.Is(err, ErrVoice) {
		t.Errorf("no voice: %v", err)
	}
	for _, match := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := c.NewVoiceDecoder(first, match); err == nil {
			t.Errorf("a match of %g", match)
		}
	}

	// A codec whose decoder tells no pitch, with the same encoder and quantizer, goes by the timbre.
	without, err := OpenRandom(3, WithConfig(codectest.WriteFile(t, "d.json", strings.Replace(sourceFilterConfig, "source_filter", "istft", 1))))
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close()
	if err := without.CheckVoice(first); err != nil {
		t.Fatalf("not the same encoder and quantizer: %v", err)
	}
	y, err := without.ConvertTo(b, first, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := without.Convert(b, first.Timbre); err != nil || !slices.Equal(y, plain) {
		t.Errorf("without pitches: not the conversion by the timbre, %v", err)
	}
}

// TestVoiceSpectrum: voices have the mean spectrum of their clips where the codec's decoder predicts
// some, conversions go by it, and it is kept, mixed, and left alone by a codec of another decoder.
func TestVoiceSpectrum(t *testing.T) {
	config := codectest.WriteFile(t, "c.json", sourceFilterConfig)
	c, err := OpenRandom(3, WithConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, b := codectest.Vowel(30000, 24000), codectest.Vowel(48000, 24000)[36000:]
	pathA, pathB := clipFile(t, "a.wav", a), clipFile(t, "b.wav", b)
	v, w := enroll(t, c, pathA), enroll(t, c, pathB)
	tokens, err := c.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	timbre, _ := c.Timbre(a)
	if want := c.model.Spectrum(timbre, model.Codes(tokens.Codes)); len(want) != 601 || !slices.Equal(v.Spectrum, want) {
		t.Errorf("%d magnitudes, and other than those of the clip, %d", len(v.Spectrum), len(want))
	}
	frames, err := c.EnrollFiles(t.Context(), []string{pathA}, EnrollOptions{Frames: true})
	if err != nil || !slices.Equal(frames.Spectrum, v.Spectrum) || frames.Decoder != v.Decoder {
		t.Errorf("with frames it has another spectrum, %v", err)
	}

	converted, err := c.ConvertTo(a, w, 0)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := c.Convert(a, w.Timbre)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(converted, plain) {
		t.Error("the spectrum changes nothing")
	}
	if bare := (&Voice{Timbre: w.Timbre, Seconds: 1, Model: w.Model}); !slices.Equal(must(c.ConvertTo(a, bare, 0)), plain) {
		t.Error("without a spectrum it is not the conversion by the timbre")
	}

	for name, v := range map[string]*Voice{"spectrum": v, "spectrum and frames": frames} {
		path := filepath.Join(t.TempDir(), "a.voice")
		if err := v.Save(path); err != nil {
			t.Fatal(err)
		}
		if read, err := LoadVoice(path); err != nil || !sameVoice(v, read) {
			t.Errorf("%s: another voice came back, %v", name, err)
		}
	}
	corrupt(t, &Voice{Timbre: []float32{1}, Seconds: 1, Spectrum: []float32{-7, 2}, Decoder: Fingerprint{2}})
	for _, x := range []float32{float32(math.NaN()), float32(math.Inf(-1)), 101} {
		if _, err := (&Voice{Timbre: []float32{1}, Seconds: 1, Spectrum: []float32{1, x}}).MarshalBinary(); !errors.Is(err, ErrVoice) {
			t.Errorf("a log magnitude of %g: %v", x, err)
		}
	}

	if err := (&Voice{Timbre: []float32{1, -2e9}, Seconds: 1}).Save(filepath.Join(t.TempDir(), "x.voice")); !errors.Is(err, ErrVoice) {
		t.Errorf("a timbre that nothing can be computed with: %v", err)
	}

	mixed, err := MixVoices(v, w)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range mixed.Spectrum {
		want := (v.Seconds*float64(v.Spectrum[i]) + w.Seconds*float64(w.Spectrum[i])) / (v.Seconds + w.Seconds)
		if math.Abs(float64(x)-want) > 1e-5*(1+math.Abs(want)) {
			t.Fatalf("mixed magnitude %d is %g, want %g", i, x, want)
		}
	}
	if len(mixed.Spectrum) != len(v.Spectrum) || mixed.Decoder != v.Decoder {
		t.Error("a mix has no spectrum, or names another decoder")
	}
	if mixed, err := MixVoices(v, &Voice{Timbre: w.Timbre, Seconds: 1, Model: w.Model}); err != nil || mixed.Spectrum != nil {
		t.Errorf("a mix with a voice that has no spectrum has one, %v", err)
	}

	other := *w
	other.Decoder[0]++
	if y, err := c.ConvertTo(a, &other, 0); err != nil || !slices.Equal(y, plain) {
		t.Errorf("the spectrum of another decoder: not the conversion by the timbre, %v", err)
	}
	other = *w
	other.Spectrum = w.Spectrum[1:]
	if _, err := c.ConvertTo(a, &other, 0); !errors.Is(err, ErrVoice) {
		t.Errorf("a spectrum of another length: %v", err)
	}
	for name, option := range map[string]Option{"encoder": WithoutEncoder(), "decoder": WithoutDecoder()} {
		part, err := OpenRandom(3, WithConfig(config), option)
		if err != nil {
			t.Fatal(err)
		}
		defer part.Close()
		if v := enroll(t, part, pathA); v.Spectrum != nil {
			t.Errorf("without the %s there is a spectrum", name)
		}
	}
}

// must returns what a call returned, which must not fail.
func must(x []float32, err error) []float32 {
	if err != nil {
		panic(err)
	}
	return x
}

// TestVoiceDecoderClosed: a codec can be closed while decoders are made.
func TestVoiceDecoderClosed(t *testing.T) {
	c, err := OpenRandom(3, WithConfig(codectest.WriteFile(t, "c.json", sourceFilterConfig)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Voice(codectest.Vowel(12000, 24000))
	if err != nil {
		t.Fatal(err)
	}
	made := make(chan error)
	go func() {
		for {
			if _, err := c.NewVoiceDecoder(v, 0.9); err != nil {
				made <- err
				return
			}
		}
	}()
	time.Sleep(10 * time.Millisecond)
	c.Close()
	if err := <-made; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
