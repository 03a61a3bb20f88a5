package facodec

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/facodec-go/facodec/internal/codectest"
)

// TestClosed: whatever computes gives ErrClosed after Close, and what was begun before
// is no exception.
func TestClosed(t *testing.T) {
	x := codectest.Vowel(3000, 24000)
	c := smallCodec(t)
	redecoder, err := c.OpenRedecoder(codectest.Checkpoint(t, "r.safetensors", codectest.RedecoderConfig))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Encode(x)
	if err != nil {
		t.Fatal(err)
	}
	timbre := tokens.Timbre
	encoder, analyzer, voice := c.NewEncoder(), c.NewAnalyzer(), c.NewVoiceEncoder()
	decoder, err := c.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	other, err := redecoder.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	another, err := redecoder.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	stream := c.NewStream(another, Prosody, Content)
	for _, err := range []error{stream.Write(x), voice.Push(x)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []*Encoder{encoder, analyzer} {
		if _, err := e.Push(x); err != nil {
			t.Fatal(err)
		}
	}

	redecoder.Close()
	redecoder.Close()
	if _, err := other.Push(tokens.Codes); !errors.Is(err, ErrClosed) {
		t.Errorf("a redecoder's decoder: %v", err)
	}
	if _, err := redecoder.NewDecoder(timbre); !errors.Is(err, ErrClosed) {
		t.Errorf("NewDecoder of a redecoder: %v", err)
	}
	if _, err := decoder.Push(tokens.Codes); err != nil {
		t.Errorf("the codec is open: %v", err)
	}
	c.Close()
	c.Close()
	dir := t.TempDir()
	for name, do := range map[string]func() error{
		"Reconstruct": func() error { _, err := c.Reconstruct(x); return err },
		"Encode":      func() error { _, err := c.Encode(x); return err },
		"Decode":      func() error { _, err := c.Decode(tokens); return err },
		"Convert":     func() error { _, err := c.Convert(x, timbre); return err },
		"Extract":     func() error { _, err := c.Extract(x); return err },
		"Quantized":   func() error { _, err := c.Quantized(tokens.Codes); return err },
		"Timbre":      func() error { _, err := c.Timbre(x); return err },
		"NewDecoder":  func() error { _, err := c.NewDecoder(timbre); return err },
		"OpenRedecoder": func() error {
			_, err := c.OpenRedecoder(codectest.Checkpoint(t, "r.safetensors", codectest.RedecoderConfig))
			return err
		},
		"NewEncoder":      func() error { _, err := c.NewEncoder().Push(x); return err },
		"NewVoiceEncoder": func() error { return c.NewVoiceEncoder().Push(x) },
		"Encoder.Push":    func() error { _, err := encoder.Push(x); return err },
		"Encoder.Flush":   func() error { _, err := encoder.Flush(); return err },
		"Analyzer.Flush":  func() error { _, err := analyzer.Flush(); return err },
		"Decoder.Push":    func() error { _, err := decoder.Push(tokens.Codes); return err },
		"Decoder.Flush":   func() error { _, err := decoder.Flush(); return err },
		"Stream.Write":    func() error { return stream.Write(x) },
		"Stream.Flush":    func() error { return stream.Flush() },
		"VoiceEncoder":    func() error { return voice.Push(x) },
		"EndClip":         func() error { voice.EndClip(); _, err := voice.Timbre(); return err },
		"EnrollFiles": func() error {
			_, err := c.EnrollFiles(t.Context(), []string{clipPath("en.flac")}, EnrollOptions{})
			return err
		},
		"ReconstructFile": func() error {
			_, err := c.ReconstructFile(t.Context(), clipPath("en.flac"), filepath.Join(dir, "x.wav"), FileOptions{})
			return err
		},
		"ConvertFile": func() error {
			_, err := c.ConvertFile(t.Context(), clipPath("en.flac"), filepath.Join(dir, "x.wav"), decoder, FileOptions{})
			return err
		},
	} {
		if err := do(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, reset := range []func(){encoder.Reset, decoder.Reset, stream.Reset} {
		reset()
	}
	if c.SampleRate() != 24000 || c.TimbreLen() != len(timbre) {
		t.Error("a closed codec does not know itself")
	}
}

func clipPath(name string) string { return filepath.Join("testdata", "speech", name) }

// TestCloseWaits: calls that go on while Close is called end well, or with ErrClosed.
func TestCloseWaits(t *testing.T) {
	x := codectest.Vowel(6000, 24000)
	c := smallCodec(t)
	want, err := c.Reconstruct(x)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	started := make(chan bool, 4)
	for range cap(started) {
		all.Go(func() {
			for n := 0; ; n++ {
				got, err := c.Reconstruct(x)
				if n == 0 {
					started <- true
				}
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil || len(got) != len(want) || got[100] != want[100] {
					t.Errorf("%d samples, %v", len(got), err)
					return
				}
			}
		})
	}
	for range cap(started) {
		<-started
	}
	c.Close()
	all.Wait()
}
