package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
		r, err := Open(t.Context(), path, Options{Rate: 24000, Normalize: true})
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
	r, err := Open(t.Context(), filepath.Join("..", "..", "testdata", "speech", "en.flac"), Options{Rate: 24000})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	info, err := r.Read(t.Context(), func(samples []float32) error {
		total += len(samples)
		return nil
	})
	if err != nil || total != 49884 || info.Info.SampleRate != 16000 {
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
	if _, err := Open(t.Context(), "missing.wav", Options{Rate: 24000, Normalize: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestReplaced: a file that another takes the place of between two readings, or that is
// written to, is noticed, also one of the same length.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	write := func(path string, level float32) {
		w, err := audio.Create(path, 24000, audio.F32)
		if err != nil {
			t.Fatal(err)
		}
		samples := make([]float32, 2000)
		samples[7] = level
		if err := w.Write(samples); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "x.wav")
	for name, change := range map[string]func() error{
		"replaced": func() error { write(path, 0.25); return nil },
		"removed":  func() error { return os.Remove(path) },
		"touched":  func() error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
	} {
		write(path, 0.5)
		r, err := Open(t.Context(), path, Options{Rate: 24000})
		if err != nil {
			t.Fatal(err)
		}
		changed := false
		_, err = r.Read(t.Context(), func([]float32) error {
			if !changed {
				changed = true
				return change()
			}
			return nil
		})
		if !errors.Is(err, audio.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeepChannels: the channels come interleaved.
func TestKeepChannels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := audio.CreateWith(path, audio.WriteOptions{Rate: 24000, Channels: 2, Format: audio.F32})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]float32{0.5, -0.25, 0.5, -0.25}); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), path, Options{Rate: 24000, KeepChannels: true, Normalize: true})
	if err != nil || r.Channels != 2 {
		t.Fatalf("%d channels, %v", r.Channels, err)
	}
	var got []float32
	if _, err := r.Read(t.Context(), func(samples []float32) error {
		got = append(got, samples...)
		return nil
	}); err != nil || !slices.Equal(got, []float32{1, -0.5, 1, -0.5}) {
		t.Errorf("%v, %v", got, err)
	}
}
