package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// TestNormalizeSilence: nothing to scale is no error, and no infinity.
func TestNormalizeSilence(t *testing.T) {
	for _, level := range []float32{0, 0x1p-140} {
		path := filepath.Join(t.TempDir(), "x.wav")
		w, err := audio.Create(path, 24000, audio.F32)
		if err != nil {
			t.Fatal(err)
		}
		samples := make([]float32, 2000)
		samples[7] = -level
		if err := w.Write(samples); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), path, 24000, true)
		if err != nil || r.Gain != 1 {
			t.Errorf("level %g: gain %v, %v", level, r.Gain, err)
		}
	}
	nan := float32(0)
	nan /= nan
	if g := GainFor([]float32{1, nan, 2}); g != 1 {
		t.Errorf("with a NaN: gain %v", g)
	}
	if g := GainFor([]float32{0.25, -0.5}); g != 2 {
		t.Errorf("peak 0.5: gain %v", g)
	}
}

// TestReadEnds: a reader may stop early, and an error of its own ends the reading.
func TestReadEnds(t *testing.T) {
	r, err := Open(t.Context(), filepath.Join("..", "..", "testdata", "speech", "en.flac"), 24000, false)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	info, err := r.Read(t.Context(), func(samples []float32) error {
		total += len(samples)
		return nil
	})
	if err != nil || total != 49884 || info.SampleRate != 16000 {
		t.Errorf("%d samples, %+v, %v", total, info, err)
	}
	for _, end := range []error{ErrStop, fs.ErrInvalid} {
		pieces := 0
		_, err := r.Read(t.Context(), func([]float32) error {
			pieces++
			return end
		})
		if pieces != 1 || end == ErrStop && err != nil || end != ErrStop && !errors.Is(err, end) {
			t.Errorf("%v after the first of %d pieces: %v", end, pieces, err)
		}
	}
	if _, err := Open(t.Context(), "missing.wav", 24000, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
