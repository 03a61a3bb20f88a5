package dataset

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

const testdata = "../../testdata"

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	must(t, os.WriteFile(to, data, 0o644))
}

// realSpeech copies recordings of each format that needs no ffmpeg.
func realSpeech(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, voice := range []string{"en", "es", "fr", "it", "ru"} {
		copyFile(t, filepath.Join(testdata, "speech", voice+".flac"), filepath.Join(root, voice, "one.flac"))
	}
	for _, name := range []string{"mono16k.mp3", "stereo44k.mp3", "untagged48k.mp3", "mono16k.ogg", "stereo44k.ogg", "speech.opus", "stereo.opus", "recording.webm"} {
		copyFile(t, filepath.Join(testdata, "audio", name), filepath.Join(root, "other", name))
	}
	return root
}

func TestScanOfRealSpeech(t *testing.T) {
	root := realSpeech(t)
	o := Options{Root: root, Duration: [2]float64{0.5, 2}, Workers: 1}
	one := scan(t, o)
	var progress []Progress
	o.Workers, o.Progress = 3, func(p Progress) { progress = append(progress, p) }
	three := scan(t, o)
	if !reflect.DeepEqual(one.Train, three.Train) || !reflect.DeepEqual(one.Valid, three.Valid) || !reflect.DeepEqual(one.Stats, three.Stats) {
		t.Errorf("one worker finds %+v, three find %+v", one.Stats, three.Stats)
	}
	if one.Fingerprint() != three.Fingerprint() {
		t.Error("two fingerprints of one folder")
	}
	total, pieces := 0.0, 0
	lengths := map[string]int{}
	for _, c := range all(one) {
		samples, err := audio.ReadFile(filepath.Join(root, c.Path), DefaultSampleRate)
		must(t, err)
		lengths[c.Path] = len(samples)
		total += c.Seconds()
		pieces++
		if c.Start+int64(c.Samples) > int64(len(samples)) || c.Seconds() < 0.5 || c.Seconds() > 2 {
			t.Errorf("%v of %v s, the file has %v s", c, c.Seconds(), float64(len(samples))/DefaultSampleRate)
		}
	}
	sum := 0.0
	for _, n := range lengths {
		sum += float64(n) / DefaultSampleRate
	}
	if len(lengths) != 13 || one.Stats.Used != 13 || one.Stats.Files != 13 || pieces <= 13 {
		t.Errorf("%d files in %d pieces, stats %+v", len(lengths), pieces, one.Stats)
	}
	if math.Abs(total-one.Stats.Seconds) > 1e-6 || math.Abs(total-sum) > 1e-6 {
		t.Errorf("clips of %v s in files of %v s, stats say %v s", total, sum, one.Stats.Seconds)
	}
	last := progress[len(progress)-1]
	if len(progress) != 13 || last.Done != 13 || last.Total != 13 || math.Abs(last.Seconds-total) > 1e-6 {
		t.Errorf("progress %+v", progress)
	}
}

func TestScanSkipsAndCounts(t *testing.T) {
	root := t.TempDir()
	good := tone(1.2, 0.3)
	writeWAV(t, filepath.Join(root, "good.wav"), good)
	writeWAV(t, filepath.Join(root, "quiet.wav"), tone(1.2, 0.0011)) // -59.2 dB
	writeWAV(t, filepath.Join(root, "exact.wav"), tone(1, 0.3))
	writeWAV(t, filepath.Join(root, "short.wav"), tone(1, 0.3)[1:])
	writeWAV(t, filepath.Join(root, "zero.wav"), make([]float32, DefaultSampleRate))
	writeWAV(t, filepath.Join(root, "hush.wav"), tone(1.2, 0.0009))
	must(t, os.WriteFile(filepath.Join(root, "empty.flac"), nil, 0o600))
	data, err := os.ReadFile(filepath.Join(root, "good.wav"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "cut.wav"), data[:len(data)/2], 0o600))
	flac, err := os.ReadFile(filepath.Join(testdata, "speech/en.flac"))
	must(t, err)
	flac[len(flac)/2] ^= 0x10
	must(t, os.WriteFile(filepath.Join(root, "bit.flac"), flac, 0o600))
	// A long file with a silence in it that is as long as two pieces.
	writeWAV(t, filepath.Join(root, "gap.wav"), append(append(tone(30, 0.3), make([]float32, 60*DefaultSampleRate)...), tone(30, 0.3)...))

	var r reports
	o := Options{Root: root, CacheDir: filepath.Join(t.TempDir(), "new", "cache"), Report: r.add, Duration: DefaultDuration}
	for start := range 2 { // the second with an index
		r = nil
		s := scan(t, o)
		r.want(t, "bit.flac: corrupt", "cut.wav: cut short", "empty.flac: no audio", "hush.wav: silent: its peak is -61 dB", "zero.wav: silent: its peak is 0")
		want := Stats{Files: 10, Used: 4, Decoded: 10 * (1 - start), Skipped: map[Reason]int{Broken: 3, Silent: 2, TooShort: 1}}
		got := s.Stats
		want.SilentPieces, want.Seconds, want.Longest = got.SilentPieces, got.Seconds, got.Longest
		if !reflect.DeepEqual(got, want) {
			t.Errorf("stats %+v, want %+v", got, want)
		}
		if got.SilentPieces < 1 || got.Longest != 120 || got.Seconds > 120+3.4-1 || got.Seconds < 60+3.4 {
			t.Errorf("stats %+v", got)
		}
		heard := 0.0 // seconds of the first and the last 30 that are in a clip
		for _, c := range all(s) {
			if c.Path == "gap.wav" {
				from, to := float64(c.Start)/DefaultSampleRate, float64(c.Start)/DefaultSampleRate+c.Seconds()
				heard += max(0, min(to, 30)-from) + max(0, to-max(from, 90))
			}
		}
		if math.Abs(heard-60) > 1e-6 {
			t.Errorf("%v s of 60 s of speech are in a clip", heard)
		}
	}
}

func TestScanErrors(t *testing.T) {
	base := t.TempDir()
	writeWAV(t, filepath.Join(base, "file.wav"), tone(1, 0.5))
	must(t, os.Mkdir(filepath.Join(base, "empty"), 0o755))
	must(t, os.WriteFile(filepath.Join(base, "empty", "notes.txt"), nil, 0o600))
	writeWAV(t, filepath.Join(base, "short", "a.wav"), tone(0.5, 0.5))
	writeWAV(t, filepath.Join(base, "short", "b.wav"), tone(0.75, 0.5))
	writeWAV(t, filepath.Join(base, "bad", "c.wav"), make([]float32, 2*DefaultSampleRate))
	must(t, os.WriteFile(filepath.Join(base, "bad", "d.wav"), nil, 0o600))
	copyFile(t, filepath.Join(base, "short", "a.wav"), filepath.Join(base, "mixed", "a.wav"))
	copyFile(t, filepath.Join(base, "bad", "d.wav"), filepath.Join(base, "mixed", "d.wav"))
	for _, c := range []struct {
		root     string
		duration [2]float64
		is       error
		parts    []string
	}{
		{root: "", parts: []string{"no folder is named"}},
		{root: "missing", is: fs.ErrNotExist, parts: []string{"missing: no such file or directory; name a folder of speech"}},
		{root: "file.wav", parts: []string{"file.wav: is a file"}},
		{root: "empty", is: ErrEmpty, parts: []string{"empty: no speech files", "looked for .wav .wave"}},
		{root: "short", is: ErrNothingUsable, parts: []string{"of 2 files none is as long as 1 s", "longest lasts 0.75 s", "lower the first number of duration_range"}},
		{root: "bad", is: ErrNothingUsable, parts: []string{"in 2 files: 1 silent, 1 broken", "the first: c.wav: silent"}},
		{root: "mixed", is: ErrNothingUsable, parts: []string{"1 too short, 1 broken", "under 1 s: lower the first number of duration_range", "the first: d.wav: no audio"}},
		{root: "short", duration: [2]float64{2, 1}, parts: []string{"duration range [2, 1] s"}},
		{root: "short", duration: [2]float64{0, 1}, parts: []string{"duration range [0, 1] s"}},
		{root: "short", duration: [2]float64{1, math.Inf(1)}, parts: []string{"duration range [1, +Inf] s"}},
		{root: "short", duration: [2]float64{math.NaN(), 1}, parts: []string{"duration range [NaN, 1] s"}},
	} {
		root := c.root
		if root != "" {
			root = filepath.Join(base, root)
		}
		_, err := Scan(context.Background(), Options{Root: root, Duration: c.duration})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %v on one line", c.root, err, c.is)
			continue
		}
		for _, part := range c.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %q, want %q in it", c.root, err, part)
			}
		}
	}
}

func TestWithoutFFmpegFilesAreLookedAtAgain(t *testing.T) {
	root := tones(t, 2)
	copyFile(t, filepath.Join(testdata, "audio/mono22k.mp3"), filepath.Join(root, "x.mp3"))
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	var r reports
	o := Options{Root: root, CacheDir: t.TempDir(), Report: r.add}
	for range 2 {
		r = nil
		s := scan(t, o)
		r.want(t, "x.mp3: ffmpeg is not installed")
		if s.Stats.Skipped[NeedFFmpeg] != 1 {
			t.Errorf("stats %+v", s.Stats)
		}
	}
	t.Setenv("PATH", path)
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
	r = nil
	if s := scan(t, o); s.Stats.Used != 3 || s.Stats.Decoded != 1 {
		t.Errorf("with ffmpeg %+v", s.Stats)
	}
	r.want(t)
}

func TestScanIsCanceled(t *testing.T) {
	o := Options{Root: tones(t, 40), Duration: short, CacheDir: t.TempDir(), Workers: 2}
	ctx, cancel := context.WithCancel(context.Background())
	done := 0
	o.Progress = func(p Progress) {
		if done = p.Done; done == 10 {
			cancel()
		}
	}
	if _, err := Scan(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if done < 10 || done > 20 {
		t.Errorf("%d files done after the end", done)
	}
	kept := done
	o.Progress = nil
	if s := scan(t, o); s.Stats.Decoded != 40-kept {
		t.Errorf("%d files decoded, %d were done before", s.Stats.Decoded, kept)
	}
}
