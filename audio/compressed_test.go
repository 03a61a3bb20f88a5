package audio

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
)

const clips = "../testdata/audio/"

// clip is a file in testdata/audio whose reference, another decoder's output mixed
// to mono, is beside it.
type clip struct {
	name string
	info Info
	snr  float64 // dB, at least
}

var mp3Clips = []clip{
	{"mono16k.mp3", Info{"mp3", "layer3", 16000, 1, 9600}, 70},
	{"mono24k.mp3", Info{"mp3", "layer3", 24000, 1, 14400}, 70},
	{"stereo44k.mp3", Info{"mp3", "layer3", 44100, 2, 26460}, 70},
	{"untagged48k.mp3", Info{"mp3", "layer3", 48000, 1, 29952}, 70},
}

func TestMP3AgainstReference(t *testing.T) { checkClips(t, mp3Clips) }

// checkClips decodes clips, from files and from streams, without ffmpeg: what the
// reference has, not one sample more or less.
func checkClips(t *testing.T, clips []clip) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range clips {
		want, _ := mustRead(t, c.name+".flac")
		got, info := mustRead(t, c.name)
		if info != c.info {
			t.Errorf("%s: info %+v, want %+v", c.name, info, c.info)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d samples, want %d", c.name, len(got), len(want))
			continue
		}
		snr := signalToNoise(got, want)
		if !(snr >= c.snr) {
			t.Errorf("%s: %.1f dB, want %.0f", c.name, snr, c.snr)
		}
		t.Logf("%s: %.1f dB", c.name, snr)
		r, err := NewReader(onlyReader{bytes.NewReader(clipBytes(t, c.name))}, c.name)
		if err != nil {
			t.Errorf("as a stream: %v", err)
			continue
		}
		streamed, err := readAll(r)
		if err != nil {
			t.Errorf("as a stream: %v", err)
		}
		mustEqual(t, c.name+" as a stream", streamed, got)
		r.Close()
	}
}

type onlyReader struct{ io.Reader }

func clipBytes(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(clips + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustRead(t testing.TB, name string) ([]float32, Info) {
	t.Helper()
	samples, info, err := readPath(clips + name)
	if err != nil {
		t.Fatal(err)
	}
	return samples, info
}

func signalToNoise(got, want []float32) float64 {
	var signal, noise float64
	for i, x := range want {
		signal += float64(x) * float64(x)
		noise += (float64(got[i]) - float64(x)) * (float64(got[i]) - float64(x))
	}
	return 10 * math.Log10(signal/noise)
}

// Kinds that our decoders would get wrong go to ffmpeg, and the error says which
// where it is missing; from a stream, too, whose beginning was read already.
func TestForFFmpeg(t *testing.T) {
	intensity := clipBytes(t, "stereo44k.mp3")
	for i := 0; i < len(intensity); {
		h, ok := parseMP3Header(intensity[i:])
		if !ok {
			t.Fatalf("no frame at %d", i)
		}
		intensity[i+3] = 0x50 // joint stereo, intensity
		i += h.size
	}
	for _, c := range []struct {
		name    string
		content []byte
		kind    string
	}{
		{"mono22k.mp3", clipBytes(t, "mono22k.mp3"), "MP3 at 22050 Hz"},
		{"mpeg25.mp3", clipBytes(t, "mpeg25.mp3"), "MPEG-2.5"},
		{"intensity.mp3", intensity, "intensity stereo"},
		{"x.m4a", []byte("\x00\x00\x00\x20ftypM4A "), "M4A"},
	} {
		path := writeFile(t, c.name, c.content)
		t.Run(c.name+" without", func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			_, err := Open(path)
			if !errors.Is(err, ErrNoFFmpeg) {
				t.Fatal(err)
			}
			checkMessage(t, err, path, c.kind)
		})
		t.Run(c.name+" with", func(t *testing.T) {
			fakeFFmpeg(t, `cat "$WAV"; cat > "$ARGS.stdin"`)
			r, err := NewReader(onlyReader{bytes.NewReader(c.content)}, c.name)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := readAll(r); err != nil || r.Info().Format != "ffmpeg" {
				t.Fatal(err, r.Info())
			}
			if got, _ := os.ReadFile(os.Getenv("ARGS") + ".stdin"); !bytes.Equal(got, c.content) {
				t.Errorf("ffmpeg got %d bytes, not the %d of the file", len(got), len(c.content))
			}
		})
	}
}

// Every clip, cut at many places: an error of the right kind from a strict reader, or
// no more samples than the whole has. A cut between frames cannot always be seen.
func TestCutClips(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, path := range clipFiles(t) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 3, 4, 11, 13, 26, 28, 50, 100, len(content)/3 + 1, len(content)/2 + 1, len(content) * 9 / 10, len(content) - 1} {
			_, err := fuzzDrain(t, func() (*Reader, error) {
				return NewReaderWith(bytes.NewReader(content[:n]), path, Options{Strict: true})
			}, 1<<20)
			if n > len(content)/3 && !errors.Is(err, ErrTruncated) {
				t.Errorf("%s cut to %d bytes: %v", filepath.Base(path), n, err)
			}
			if n < 100 && err == io.EOF {
				t.Errorf("%s cut to %d bytes is accepted", filepath.Base(path), n)
			}
		}
	}
}

// Every clip with single bits flipped: never a panic, only errors of known kinds.
func TestFlippedClips(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, path := range clipFiles(t) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(content)*8; i += 1 + len(content)*8/40 {
			damaged := bytes.Clone(content)
			damaged[i/8] ^= 1 << (i % 8)
			fuzzDrain(t, func() (*Reader, error) {
				return NewReader(bytes.NewReader(damaged), path)
			}, 1<<20)
		}
	}
}

// clipFiles returns the clips that are decoded without ffmpeg.
func clipFiles(t *testing.T) []string {
	references, err := filepath.Glob(clips + "*.flac")
	if err != nil || len(references) == 0 {
		t.Fatal("no clips", err)
	}
	for i, path := range references {
		references[i] = path[:len(path)-len(".flac")]
	}
	return references
}
