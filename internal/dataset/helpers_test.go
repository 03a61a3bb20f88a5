package dataset

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/audio"
)

// tone is seconds of 220 Hz at a peak.
func tone(seconds, peak float64) []float32 {
	x := make([]float32, int(math.Round(seconds*DefaultSampleRate)))
	for i := range x {
		x[i] = float32(peak * math.Sin(2*math.Pi*220*float64(i)/DefaultSampleRate))
	}
	return x
}

func writeWAV(t testing.TB, file string, samples []float32) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	w, err := audio.Create(file, DefaultSampleRate, audio.F32)
	must(t, err)
	defer w.Discard()
	must(t, w.Write(samples))
	must(t, w.Commit())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tones writes n files of 0.1 s and more, no two alike, in three folders.
func tones(t testing.TB, n int) string {
	t.Helper()
	root := t.TempDir()
	for i := range n {
		writeWAV(t, filepath.Join(root, string(rune('a'+i%3)), fmt.Sprintf("%03d.wav", i)), tone(0.1+float64(i)/1000, 0.5))
	}
	return root
}

// reports collects what is reported.
type reports []string

func (r *reports) add(path, reason string) { *r = append(*r, path+": "+reason) }

func (r *reports) want(t *testing.T, parts ...string) {
	t.Helper()
	if len(*r) != len(parts) {
		t.Fatalf("%d reports, want %d: %q", len(*r), len(parts), *r)
	}
	for i, part := range parts {
		if !strings.Contains((*r)[i], part) {
			t.Errorf("report %q, want %q in it", (*r)[i], part)
		}
	}
}

var short = [2]float64{0.05, 25}

func scan(t testing.TB, o Options) *Set {
	t.Helper()
	if o.Duration == [2]float64{} {
		o.Duration = short
	}
	s, err := Scan(context.Background(), o)
	must(t, err)
	return s
}

func loader(t testing.TB, s *Set, o LoaderOptions) *Loader {
	t.Helper()
	l, err := s.NewLoader(o)
	must(t, err)
	t.Cleanup(l.Close)
	return l
}

// take returns the next n batches.
func take(t testing.TB, l *Loader, n int) []Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var batches []Batch
	for range n {
		at := l.Position()
		b, err := l.Next(ctx)
		must(t, err)
		if b.Position != at {
			t.Fatalf("batch of %v, want that of %v", b.Position, at)
		}
		batches = append(batches, b)
	}
	return batches
}

func sameBatches(t testing.TB, got, want []Batch) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d batches, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Position != want[i].Position || len(got[i].Items) != len(want[i].Items) {
			t.Fatalf("batch %d: %v with %d clips, want %v with %d", i, got[i].Position, len(got[i].Items), want[i].Position, len(want[i].Items))
		}
		for j, g := range got[i].Items {
			w := want[i].Items[j]
			if g.Clip != w.Clip || g.Gain != w.Gain || g.Label != w.Label || !slices.Equal(g.Samples, w.Samples) {
				t.Fatalf("batch %d, item %d: %v at %v dB, want %v at %v dB", i, j, g.Clip, g.Gain, w.Clip, w.Gain)
			}
		}
	}
}

func paths(clips []Clip) []string {
	var p []string
	for _, c := range clips {
		p = append(p, c.Path)
	}
	return p
}

func all(s *Set) []Clip { return slices.Concat(s.Train, s.Valid) }

func peakOf(samples []float32) float32 {
	var peak float32
	for _, x := range samples {
		peak = max(peak, x, -x)
	}
	return peak
}
