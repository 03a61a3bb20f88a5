package facodec_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/convert"
)

// The versions of the family.
const v1, v2 = facodec.NaturalSpeech3V1, facodec.NaturalSpeech3V2

func openNS3(t testing.TB, path string, options ...facodec.Option) *facodec.Codec {
	t.Helper()
	c, err := facodec.Open(path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestNS3Open: files of the family are found beside each other, whichever is named.
func TestNS3Open(t *testing.T) {
	folder := codectest.NS3(t)
	file := func(name string) string { return filepath.Join(folder, name) }
	for _, test := range []struct {
		path           string
		asked, version facodec.Family
	}{
		{folder, "", v1}, {folder, v1, v1}, {folder, v2, v2},
		{file("ns3_facodec_encoder.bin"), "", v1}, {file("ns3_facodec_decoder.bin"), "", v1},
		{file("ns3_facodec_encoder_v2.bin"), "", v2}, {file("ns3_facodec_decoder_v2.bin"), v2, v2},
	} {
		var options []facodec.Option
		if test.asked != "" {
			options = append(options, facodec.WithFamily(test.asked))
		}
		c := openNS3(t, test.path, options...)
		if c.Family() != test.version || c.SampleRate() != 16000 ||
			c.HopLength() != 200 || c.TimbreLen() != 16 || c.Notices() != nil {
			t.Errorf("%s, %q: %s", test.path, test.asked, c.Family())
		}
	}
	fsys := os.DirFS(folder)
	for _, name := range []string{".", "ns3_facodec_decoder.bin"} {
		if c, err := facodec.OpenFS(fsys, name); err != nil || c.Family() != v1 {
			t.Errorf("OpenFS %s: %v", name, err)
		}
	}
	one, err := os.ReadFile(file("ns3_facodec_decoder.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := facodec.OpenBytes("decoder", one, facodec.WithoutEncoder()); err != nil || c.Family() != v1 {
		t.Errorf("OpenBytes of a decoder alone: %v", err)
	}

	alone := t.TempDir()
	if err := os.WriteFile(filepath.Join(alone, "mine.bin"), one, 0o644); err != nil {
		t.Fatal(err)
	}
	first := codectest.Checkpoint(t, "first.safetensors", codectest.Config)
	for name, fault := range map[string]struct {
		open func() error
		want string
	}{
		"another version": {func() error {
			_, err := facodec.Open(file("ns3_facodec_encoder.bin"), facodec.WithFamily(v2))
			return err
		}, "version v2 is asked for"},
		"no version":     {func() error { _, err := facodec.Open(folder, facodec.WithFamily("NaturalSpeech 3 v3")); return err }, "NaturalSpeech 3 with version v1 or v2"},
		"a redecoder":    {func() error { _, err := facodec.Open(file("ns3_facodec_redecoder.bin")); return err }, "a codec is needed here"},
		"no encoder":     {func() error { _, err := facodec.Open(filepath.Join(alone, "mine.bin")); return err }, "no encoder, which is published as ns3_facodec_encoder.bin"},
		"in memory":      {func() error { _, err := facodec.OpenBytes("decoder", one); return err }, "the decoder alone"},
		"first family":   {func() error { _, err := facodec.Open(first, facodec.WithFamily(v1)); return err }, "no checkpoint of the family NaturalSpeech 3"},
		"another family": {func() error { _, err := facodec.Open(folder, facodec.WithFamily(facodec.FAcodec)); return err }, "a codec of the family NaturalSpeech 3"},
		"no family":      {func() error { _, err := facodec.Open(folder, facodec.WithFamily("x")); return err }, `family "x"`},
	} {
		if err := fault.open(); err == nil || !strings.Contains(err.Error(), fault.want) || strings.Contains(err.Error(), "--") {
			t.Errorf("%s: %v, want %q", name, err, fault.want)
		}
	}

	// Its own folder, with files of other names, converted ones beside them.
	moved := t.TempDir()
	for _, name := range []string{"ns3_facodec_encoder.bin", "ns3_facodec_decoder.bin"} {
		data, err := os.ReadFile(file(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(moved, strings.Replace(name, "ns3_facodec", "my", 1)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := openNS3(t, moved)
	converted := filepath.Join(moved, "my_decoder.safetensors")
	if r, err := convert.Convert(t.Context(), filepath.Join(moved, "my_decoder.bin"), converted, convert.Options{}); err != nil || r.Config {
		t.Fatal(r, err)
	}
	back := filepath.Join(t.TempDir(), "ns3_facodec_decoder.bin")
	if _, err := convert.Convert(t.Context(), converted, back, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	after := openNS3(t, filepath.Join(moved, "my_encoder.bin"))
	q1, d1, _ := before.Fingerprints()
	q2, d2, err := after.Fingerprints()
	if err != nil || q1 != q2 || d1 != d2 {
		t.Errorf("converted: %v %v, were %v %v, %v", q2, d2, q1, d1, err)
	}
	small := filepath.Join(t.TempDir(), "small_decoder.bin")
	r, err := convert.Export(t.Context(), back, small, convert.Options{})
	if err != nil || !slices.Equal(r.LeftOut, []string{"phone_predictor"}) {
		t.Errorf("exported: %+v, %v", r, err)
	}
}

// TestNS3Utterance: whole utterances, streams and files agree, and files know their codec.
func TestNS3Utterance(t *testing.T) {
	folder := codectest.NS3(t)
	source := filepath.Join("testdata", "speech", "en.flac")
	for _, version := range []facodec.Family{v1, v2} {
		t.Run(string(version), func(t *testing.T) {
			c := openNS3(t, folder, facodec.WithFamily(version))
			wave, err := audio.ReadFile(source, c.SampleRate())
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := c.Encode(wave)
			if err != nil {
				t.Fatal(err)
			}
			timbre, err := c.Timbre(wave)
			if err != nil || !slices.Equal(timbre, tokens.Timbre) {
				t.Errorf("the timbre of a voice is not that of its tokens: %v", err)
			}
			want, err := c.Decode(tokens)
			if err != nil || len(want) != len(wave) {
				t.Fatalf("%d samples of %d, %v", len(want), len(wave), err)
			}
			out := filepath.Join(t.TempDir(), "out.wav")
			report, err := c.ReconstructFile(t.Context(), source, out, facodec.FileOptions{SampleFormat: audio.F32})
			if err != nil || report.Frames != tokens.Frames() {
				t.Fatalf("%+v, %v", report, err)
			}
			got, err := audio.ReadFile(out, c.SampleRate())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("a file's reconstruction is not the utterance's: %d and %d samples, %v", len(got), len(want), err)
			}

			compressed := filepath.Join(t.TempDir(), "en.fac")
			if _, err := fac.Encode(t.Context(), c, source, compressed, fac.EncodeOptions{}); err != nil {
				t.Fatal(err)
			}
			decoder := openNS3(t, folder, facodec.WithFamily(version), facodec.WithoutEncoder())
			if _, err := fac.Decode(t.Context(), decoder, compressed, out, fac.DecodeOptions{SampleFormat: audio.F32}); err != nil {
				t.Fatal(err)
			}
			if got, err = audio.ReadFile(out, c.SampleRate()); err != nil || !slices.Equal(got, want) {
				t.Errorf("a compressed file decodes to something else: %v", err)
			}

			converted, err := c.Convert(wave, timbre)
			if err != nil || len(converted) != len(wave) || slices.Equal(converted, want) {
				t.Errorf("a conversion: %d samples, %v", len(converted), err)
			}
			other := openNS3(t, folder, facodec.WithFamily(map[facodec.Family]facodec.Family{v1: v2, v2: v1}[version]))
			if _, err := fac.Decode(t.Context(), other, compressed, out, fac.DecodeOptions{}); !errors.Is(err, facodec.ErrTokens) {
				t.Errorf("the other version decodes it: %v", err)
			}
		})
	}
}

// TestNS3Redecoder: the redecoder takes codes of version 1 alone.
func TestNS3Redecoder(t *testing.T) {
	folder := codectest.NS3(t)
	file := filepath.Join(folder, "ns3_facodec_redecoder.bin")
	c := openNS3(t, folder, facodec.WithoutDecoder())
	wave := codectest.Vowel(c.SampleRate(), c.SampleRate())
	tokens, err := c.Encode(wave)
	if err != nil {
		t.Fatal(err)
	}
	var first []float32
	for _, path := range []string{folder, file} {
		r, err := c.OpenRedecoder(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		d, err := r.NewDecoder(tokens.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		samples, err := d.Push(tokens.Only(facodec.Prosody, facodec.Content))
		last, flushErr := d.Flush()
		samples = append(samples, last...)
		if err != nil || flushErr != nil || len(samples) != tokens.Frames()*c.HopLength() {
			t.Errorf("%d samples, %v", len(samples), err)
		}
		if first == nil {
			first = samples
		}
		if !slices.Equal(first, samples) {
			t.Errorf("%s: other samples", path)
		}
	}
	for name, fault := range map[string]struct {
		codec *facodec.Codec
		path  string
	}{
		"version 2":       {openNS3(t, folder, facodec.WithFamily(v2)), file},
		"a codec":         {c, filepath.Join(folder, "ns3_facodec_decoder.bin")},
		"first family's":  {c, codectest.Checkpoint(t, "r.safetensors", codectest.RedecoderConfig)},
		"for first codec": {openNS3(t, codectest.Checkpoint(t, "c.safetensors", codectest.Config)), file},
	} {
		if _, err := fault.codec.OpenRedecoder(fault.path); !errors.Is(err, facodec.ErrKind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNS3WithoutEncoder: a decoder's file alone decodes, and says why it finds no timbre.
func TestNS3WithoutEncoder(t *testing.T) {
	folder := codectest.NS3(t)
	alone := t.TempDir()
	if err := os.Rename(filepath.Join(folder, "ns3_facodec_decoder.bin"), filepath.Join(alone, "decoder.bin")); err != nil {
		t.Fatal(err)
	}
	c := openNS3(t, alone, facodec.WithoutEncoder())
	if _, err := c.Timbre(make([]float32, 400)); !errors.Is(err, facodec.ErrNotLoaded) {
		t.Errorf("a timbre: %v", err)
	}
	if _, err := c.NewDecoder(make([]float32, 16)); err != nil {
		t.Error(err)
	}
}

// TestNS3RandomTimbre: a random codec of the family without its encoder still has timbres,
// as one that is read from files.
func TestNS3RandomTimbre(t *testing.T) {
	c, err := facodec.OpenRandom(1, facodec.WithFamily(facodec.NaturalSpeech3), facodec.WithoutEncoder(), facodec.WithoutDecoder())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if timbre, err := c.Timbre(make([]float32, 8000)); err != nil || len(timbre) != c.TimbreLen() {
		t.Errorf("%d values, %v", len(timbre), err)
	}
}
