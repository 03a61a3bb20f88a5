package audio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// writeAll writes samples in pieces of whole frames.
func writeAll(t testing.TB, path string, o WriteOptions, samples []float32) *Writer {
	t.Helper()
	w, err := CreateWith(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for rest := samples; len(rest) > 0; {
		n := min(len(rest), 1000*max(1, o.Channels))
		if err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return w
}

// readKept reads a file with all its channels.
func readKept(t testing.TB, path string) ([]float32, *Reader) {
	t.Helper()
	r, err := OpenWith(context.Background(), path, Options{KeepChannels: true, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	samples, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return samples, r
}

// stereoTones are a tone in each channel.
func stereoTones(n, rate int) []float32 {
	left, right := tone(n, 440, rate), tone(n, 660, rate)
	both := make([]float32, 0, 2*n)
	for i := range left {
		both = append(both, 0.5*left[i], 0.25*right[i])
	}
	return both
}

// FLAC holds, bit for bit, what WAV does, at any length, rate and number of channels,
// and the reference decoder agrees.
func TestFLACWriter(t *testing.T) {
	dir := t.TempDir()
	reference, _ := exec.LookPath("flac")
	for _, c := range []struct{ n, rate, channels int }{
		{1, 24000, 1}, {15, 24000, 1}, {4095, 8000, 1}, {4096, 44100, 1}, {4097, 48000, 1}, {20000, 24000, 1},
		{10000, 44100, 2}, {5000, 192000, 2}, {3000, 11025, 3}, {3000, 12345, 8},
	} {
		for _, format := range []SampleFormat{S16, S24} {
			var samples []float32
			for i, x := range tone(c.n*c.channels, 300, c.rate) {
				samples = append(samples, 1.1*x+float32(i%7)/1000)
			}
			flac, wav := filepath.Join(dir, "x.flac"), filepath.Join(dir, "x.wav")
			o := WriteOptions{Rate: c.rate, Channels: c.channels, Format: format}
			a, b := writeAll(t, flac, o, samples), writeAll(t, wav, o, samples)
			got, r := readKept(t, flac)
			want, _ := readKept(t, wav)
			name := fmt.Sprint(c, format)
			mustEqual(t, name, got, want)
			info := Info{Format: "flac", Encoding: "pcm_" + format.String(), SampleRate: c.rate, Channels: c.channels, Frames: int64(c.n)}
			if r.Info() != info || a.Clipped() != b.Clipped() || a.Samples() != int64(c.n) {
				t.Errorf("%s: %+v, %d clipped of %d", name, r.Info(), a.Clipped(), b.Clipped())
			}
			if reference != "" {
				if out, err := exec.Command(reference, "-t", "-s", flac).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", name, err, out)
				}
			}
		}
	}
	// Without samples there is a file, too.
	writeAll(t, filepath.Join(dir, "empty.flac"), WriteOptions{Rate: 24000}, nil)
	if _, err := Open(filepath.Join(dir, "empty.flac")); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty file: %v", err)
	}
}

// A file of another rate than its samples has what the resampler makes of them.
func TestWriterFileRate(t *testing.T) {
	dir := t.TempDir()
	samples := stereoTones(10007, 24000)
	for _, rate := range []int{44100, 48000, 16000} {
		for _, name := range []string{"x.wav", "x.flac"} {
			path := filepath.Join(dir, name)
			o := WriteOptions{Rate: 24000, Channels: 2, FileRate: rate}
			if name == "x.wav" {
				o.Format = F32
			}
			w := writeAll(t, path, o, samples)
			got, r := readKept(t, path)
			if n := ResampledLen(10007, 24000, rate); int64(len(got)) != 2*n || r.Info().Frames != n || r.Rate() != rate || w.Samples() != 10007 {
				t.Fatalf("%s at %d Hz: %d values, %+v", name, rate, len(got), r.Info())
			}
			for c := range 2 {
				var one []float32
				for i := c; i < len(samples); i += 2 {
					one = append(one, samples[i])
				}
				resampler, err := NewResampler(24000, rate)
				if err != nil {
					t.Fatal(err)
				}
				want := resampler.Flush(resampler.Process(nil, one))
				for i, x := range want {
					if math.Abs(float64(got[2*i+c]-x)) > 1./65536 {
						t.Fatalf("%s at %d Hz: channel %d, sample %d is %v, want %v", name, rate, c, i, got[2*i+c], x)
					}
				}
			}
		}
	}
}

// What ffmpeg encodes comes back as long as it was, and sounds like it.
func TestFFmpegWriter(t *testing.T) {
	realFFmpeg(t, "-version")
	dir := t.TempDir()
	for _, c := range []struct {
		name           string
		o              WriteOptions
		n, read, hertz int // samples written and read
	}{
		{"x.mp3", WriteOptions{Rate: 24000, Channels: 1, Bitrate: 64000}, 20011, 20011, 24000},
		{"x.mp3", WriteOptions{Rate: 24000, Channels: 2, FileRate: 48000}, 20011, 40022, 48000},
		{"x.opus", WriteOptions{Rate: 24000, Channels: 1}, 20011, 40022, 48000},
		{"x.ogg", WriteOptions{Rate: 22050, Channels: 2, Bitrate: 96000}, 20011, int(ResampledLen(20011, 22050, 48000)), 48000},
	} {
		path := filepath.Join(dir, c.name)
		samples := stereoTones(c.n, c.o.Rate)
		if c.o.Channels == 1 {
			samples = tone(c.n, 440, c.o.Rate)
		}
		writeAll(t, path, c.o, samples)
		got, r := readKept(t, path)
		if len(got) != c.read*c.o.Channels || r.Rate() != c.hertz || r.Channels() != c.o.Channels {
			t.Errorf("%s %+v: %d values at %d Hz, want %d", c.name, c.o, len(got), r.Rate(), c.read*c.o.Channels)
			continue
		}
		want := stereoTones(c.read, c.hertz)
		if c.o.Channels == 1 {
			want = tone(c.read, 440, c.hertz)
		}
		// The ends of a tone that begins and breaks off are no tone.
		from, to := len(want)/8&^1, len(want)*7/8&^1
		if snr := signalToNoise(got[from:to], want[from:to]); !(snr > 25) {
			t.Errorf("%s %+v: %.1f dB", c.name, c.o, snr)
		}
	}
}

func TestWriterRefusals(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		file  string
		o     WriteOptions
		fault error
		say   string
	}{
		"another format":    {"x.m4a", WriteOptions{Rate: 24000}, ErrUnsupported, ".wav, .flac"},
		"floats in FLAC":    {"x.flac", WriteOptions{Rate: 24000, Format: F32}, ErrUnsupported, "s16 or s24"},
		"nine channels":     {"x.flac", WriteOptions{Rate: 24000, Channels: 9}, ErrUnsupported, "9 channels"},
		"three in MP3":      {"x.mp3", WriteOptions{Rate: 24000, Channels: 3}, ErrUnsupported, "3 channels"},
		"a rate of none":    {"x.wav", WriteOptions{}, ErrRate, "0 Hz"},
		"a rate not of MP3": {"x.mp3", WriteOptions{Rate: 96000}, ErrRate, "48000"},
		"no ffmpeg":         {"x.mp3", WriteOptions{Rate: 24000}, ErrNoFFmpeg, ".wav and .flac"},
	} {
		t.Setenv("PATH", t.TempDir())
		path := filepath.Join(dir, c.file)
		_, err := CreateWith(path, c.o)
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMessage(t, err, path, c.say)
	}
	w, err := CreateWith(filepath.Join(dir, "x.wav"), WriteOptions{Rate: 24000, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(make([]float32, 3)); err == nil {
		t.Error("a part of a frame is written")
	}
	w.Discard()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// An encoder that fails leaves nothing, and its reason is the error.
func TestFFmpegWriterFaults(t *testing.T) {
	for name, script := range map[string]string{
		"at once":    `echo "[libmp3lame @ 0x55d408fc8980] Unknown encoder" >&2; exit 1`,
		"at the end": `cat > /dev/null; echo "Unknown encoder" >&2; exit 1`,
	} {
		fakeFFmpeg(t, script)
		dir := t.TempDir()
		path := filepath.Join(dir, "x.mp3")
		w, err := Create(path, 24000, S16)
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			if err = w.Write(make([]float32, 4096)); err != nil {
				break
			}
		}
		err = w.Commit()
		if !errors.Is(err, ErrEncoder) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMessage(t, err, path, "ffmpeg cannot encode it: Unknown encoder")
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
	fakeFFmpeg(t, `exec sleep 60`)
	w, err := Create(filepath.Join(t.TempDir(), "x.mp3"), 24000, S16)
	if err != nil {
		t.Fatal(err)
	}
	w.Discard() // does not wait
}
