package dataset

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/audio"
)

// A stretch of a file is to the bit that of the whole, at every rate and in every
// format.
func TestReadRangeIsAPartOfTheWhole(t *testing.T) {
	root := realSpeech(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []int{8000, 11025, 22051, 24000, 192000} {
		w, err := audio.Create(filepath.Join(root, "x"), rate, audio.S16)
		must(t, err)
		noise := make([]float32, rate/2)
		for i := range noise {
			noise[i] = random.Float32()*2 - 1
		}
		must(t, w.Write(noise))
		must(t, w.Commit())
		must(t, os.Rename(filepath.Join(root, "x"), filepath.Join(root, "other", fmt.Sprint(rate, ".wav"))))
	}
	files, err := walk(context.Background(), root, func(path, reason string) { t.Error(path, reason) }, map[string]int{})
	must(t, err)
	if len(files) != 18 {
		t.Fatalf("%d files", len(files))
	}
	for _, f := range files {
		whole, err := audio.ReadFile(f.file, DefaultSampleRate)
		must(t, err)
		for range 4 {
			start := random.IntN(len(whole) - 1)
			n := 1 + random.IntN(len(whole)-start)
			if random.IntN(3) == 0 {
				n = len(whole) - start
			}
			got, err := readRange(context.Background(), f.open, DefaultSampleRate, int64(start), n)
			must(t, err)
			if !slices.Equal(got, whole[start:start+n]) {
				t.Fatalf("%s: %d samples from %d on are others than in the whole", f.path, n, start)
			}
		}
		if _, err := readRange(context.Background(), f.open, DefaultSampleRate, 0, len(whole)+1); !errors.Is(err, errChanged) {
			t.Errorf("%s: a sample too many: %v", f.path, err)
		}
	}
}

func TestLoadIsAtPeakOne(t *testing.T) {
	root := t.TempDir()
	writeWAV(t, filepath.Join(root, "a.wav"), append(tone(1, 0.01), tone(1, 0.3)...))
	writeWAV(t, filepath.Join(root, "b.wav"), tone(1, 0.9))
	for _, bytes := range []int64{0, 1 << 20} {
		s := scan(t, Options{Root: root, Duration: [2]float64{0.5, 1}, CacheBytes: bytes})
		if len(all(s)) < 3 { // a.wav in pieces, the first of them quiet
			t.Fatalf("%d clips", len(all(s)))
		}
		for _, c := range all(s) {
			for range 2 {
				samples, err := s.Load(context.Background(), c)
				must(t, err)
				if len(samples) != c.Samples || peakOf(samples) != 1 {
					t.Errorf("%v: %d samples at peak %v", c, len(samples), peakOf(samples))
				}
				clear(samples) // they are ours
			}
		}
	}
}

func TestLoadOfAFileThatChanged(t *testing.T) {
	root := tones(t, 6)
	var r reports
	s := scan(t, Options{Root: root, Report: r.add})
	clips := all(s)
	file := func(i int) string { return filepath.Join(root, clips[i].Path) }
	must(t, os.Remove(file(0)))
	writeWAV(t, file(1), tone(1, 0.5))
	flip(t, file(2), func(data []byte) []byte { return data[:len(data)-100] })
	flip(t, file(3), func(data []byte) []byte { clear(data); return data })
	must(t, os.Chtimes(file(5), time.Unix(1, 0), time.Unix(1, 0)))
	for i, want := range []string{"no such file", "has changed since", "has changed since", "read", "", "has changed since"} {
		_, err := s.Load(context.Background(), clips[i])
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), clips[i].Path+": ")) {
			t.Errorf("clip %d: error %v", i, err)
		}
		if err != nil && want != "read" && !strings.Contains(err.Error(), want) {
			t.Errorf("clip %d: error %v, want %q", i, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Load(ctx, clips[4]); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	r.want(t) // it is the caller who is told
}

// flip changes a file's content and keeps its time.
func flip(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	info, err := os.Stat(file)
	must(t, err)
	data, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, change(data), 0o600))
	must(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
}

func TestMemoryIsBounded(t *testing.T) {
	root := tones(t, 8)
	room := int64(4 * 3 * 0.12 * DefaultSampleRate) // for three of them
	s := scan(t, Options{Root: root, CacheBytes: room})
	for range 2 {
		for _, c := range all(s) {
			_, err := s.Load(context.Background(), c)
			must(t, err)
		}
	}
	held := int64(0)
	for _, samples := range s.memory.clips {
		held += int64(4 * cap(samples))
	}
	if n := len(s.memory.clips); n < 2 || held > room || held+s.memory.left != room {
		t.Errorf("%d clips of %d bytes are held, %d of %d are left", n, held, s.memory.left, room)
	}
	// What is held needs no file.
	for c := range s.memory.clips {
		must(t, os.Remove(filepath.Join(root, c.Path)))
		_, err := s.Load(context.Background(), c)
		must(t, err)
	}
}

func TestPass(t *testing.T) {
	root := tones(t, 12)
	var r reports
	s := scan(t, Options{Root: root, Report: r.add})
	clips := all(s)
	label := func(_ context.Context, c Clip, samples []float32) (any, error) {
		if c == clips[5] {
			return nil, ErrSkip
		}
		return len(samples), nil
	}
	must(t, os.Remove(filepath.Join(root, clips[3].Path)))
	for _, workers := range []int{0, 1, 4} {
		var got []Clip
		for it, err := range s.Pass(context.Background(), clips, workers, label) {
			must(t, err)
			if it.Label != it.Clip.Samples || peakOf(it.Samples) != 1 || it.Gain != 0 {
				t.Errorf("%v: label %v, peak %v", it.Clip, it.Label, peakOf(it.Samples))
			}
			got = append(got, it.Clip)
		}
		if want := slices.Concat(clips[:3], clips[4:5], clips[6:]); !slices.Equal(got, want) {
			t.Errorf("%d workers: %v, want %v", workers, got, want)
		}
	}
	r.want(t, clips[3].Path+": no such file", clips[5].Path+": clip cannot be labeled")

	boom := errors.New("boom")
	seen := 0
	for _, err := range s.Pass(context.Background(), clips, 3, func(_ context.Context, c Clip, _ []float32) (any, error) {
		if c == clips[6] {
			return nil, boom
		}
		return nil, nil
	}) {
		if seen++; err != nil && (!errors.Is(err, boom) || !strings.Contains(err.Error(), clips[6].Path)) {
			t.Errorf("error %v", err)
		}
	}
	if seen != 6 { // 0, 1, 2, 4, 5 and the error
		t.Errorf("%d yields", seen)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	for _, last = range s.Pass(ctx, clips, 3, nil) {
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("canceled: %v", last)
	}
	for range s.Pass(context.Background(), clips, 3, nil) {
		break
	}
}
