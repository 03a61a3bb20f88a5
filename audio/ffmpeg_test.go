package audio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fakeFFmpeg puts a shell script in ffmpeg's place. $WAV is a sound file, $ARGS a
// file that gets the arguments, one a line.
func fakeFFmpeg(t *testing.T, script string) (args string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	args = filepath.Join(dir, "args")
	t.Setenv("WAV", writeFile(t, "fake.wav", mono16(1, 2, 3).build()))
	t.Setenv("ARGS", args)
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	script = "#!/bin/sh\nfor a; do echo \"$a\"; done > \"$ARGS\"\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return args
}

// A WAV of another codec goes to ffmpeg whole, from a stream, too.
func TestFFmpegDecodesWAVInStreams(t *testing.T) {
	args := fakeFFmpeg(t, `cat > "$ARGS.stdin"; cat "$WAV"`)
	f := mono16(1, 2, 3, 4)
	f.tag = 2
	content := append(f.build(), make([]byte, 300000)...)
	r, err := NewReader(onlyReader{bytes.NewReader(content)}, "adpcm.wav")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "fake", got, []float32{1. / 32768, 2. / 32768, 3. / 32768})
	if fed, _ := os.ReadFile(args + ".stdin"); !bytes.Equal(fed, content) {
		t.Errorf("ffmpeg got %d bytes of the stream, want %d", len(fed), len(content))
	}
}

func TestFFmpegOutputIsRead(t *testing.T) {
	args := fakeFFmpeg(t, `cat "$WAV"`)
	path := writeFile(t, "-v http:x.mp3", []byte("some music"))
	got, info, err := readPath(path)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "fake", got, []float32{1. / 32768, 2. / 32768, 3. / 32768})
	if want := (Info{Format: "ffmpeg", SampleRate: 16000, Channels: 1, Frames: 3}); info != want {
		t.Errorf("info %+v, want %+v", info, want)
	}
	given, _ := os.ReadFile(args)
	if !strings.Contains(string(given), "\n-i\nfile:"+path+"\n") {
		t.Errorf("arguments %q do not name the file safely", given)
	}
	// Relative to the working directory, a name may begin with a dash.
	t.Chdir(filepath.Dir(path))
	if _, _, err := readPath(filepath.Base(path)); err != nil {
		t.Error(err)
	}
	if given, _ = os.ReadFile(args); !strings.Contains(string(given), "\n-i\nfile:/") {
		t.Errorf("arguments %q do not name the file safely", given)
	}
}

func TestFFmpegFaults(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		fault  error
		say    string
	}{
		"refuses":             {`echo "[mp3 @ 0x55d408fc8980] Header missing" >&2; echo more >&2; exit 1`, ErrFFmpeg, ": Header missing"},
		"names the file":      {`echo "file:$PWD/x.bin: Invalid data" >&2; exit 1`, ErrFFmpeg, "cannot decode it: Invalid data"},
		"colors":              {`printf '\033[31mred\033[0m\n' >&2; exit 1`, ErrFFmpeg, "[31mred"},
		"silent":              {`exit 3`, ErrFFmpeg, "exit status 3"},
		"fails after output":  {`cat "$WAV"; echo "disk on fire" >&2; exit 1`, ErrFFmpeg, "disk on fire"},
		"killed after output": {`cat "$WAV"; kill -9 $$`, ErrFFmpeg, "signal: killed"},
		"dies in a sample":    {`head -c 49 "$WAV"; echo "no more" >&2; exit 1`, ErrFFmpeg, "no more"},
		"stops in a sample":   {`head -c 49 "$WAV"`, ErrTruncated, "1 of 2 bytes"},
		"says nothing":        {`exit 0`, ErrTruncated, "RIFF"},
		"says no WAV":         {`echo "hello, here is your sound file, or is it?"`, ErrCorrupt, "no WAV"},
		"no WAV, no end":      {`while :; do echo "hello, here is your sound file, or is it?"; done`, ErrCorrupt, "no WAV"},
		"no samples":          {`head -c 40 "$WAV"; printf '\377\377\377\377'`, ErrEmpty, "no samples"},
		"endless complaints":  {`i=0; while [ $i -lt 3000 ]; do printf 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; i=$((i+1)); done >&2; exit 1`, ErrFFmpeg, "xxxx"},
	} {
		fakeFFmpeg(t, c.script)
		path := writeFile(t, "x.bin", []byte("some music"))
		t.Chdir(filepath.Dir(path))
		start := time.Now()
		got, _, err := readPath(path)
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %d samples, %v, want %v", name, len(got), err, c.fault)
			continue
		}
		checkMessage(t, err, path, c.say)
		if len(err.Error()) > 1000 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// Close ends an ffmpeg that has more to say, and does not wait for it.
func TestFFmpegIsEndedByClose(t *testing.T) {
	fakeFFmpeg(t, `head -c 44 "$WAV" | head -c 40; printf '\377\377\377\377'; exec cat /dev/zero`)
	r, err := Open(writeFile(t, "x.bin", []byte("some music")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]float32, 100)); err != nil {
		t.Fatal(err)
	}
	process := r.dec.(*ffmpegDecoder).cmd
	start := time.Now()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if process.ProcessState == nil || time.Since(start) > 5*time.Second {
		t.Errorf("ffmpeg is still there after %v", time.Since(start))
	}
}

func TestStreamThroughFFmpeg(t *testing.T) {
	fakeFFmpeg(t, `cat "$WAV"; cat > "$ARGS.stdin"`)
	music := bytes.Repeat([]byte("some music"), 30000)
	r, err := NewReader(bytes.NewReader(music), "upload")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := readAll(r); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(os.Getenv("ARGS") + ".stdin"); !bytes.Equal(got, music) {
		t.Errorf("ffmpeg got %d of %d bytes", len(got), len(music))
	}
}

func TestWithoutFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	path := writeFile(t, "talk.m4a", []byte("\x00\x00\x00\x20ftypM4A "))
	_, err := Open(path)
	if !errors.Is(err, ErrNoFFmpeg) {
		t.Fatal(err)
	}
	checkMessage(t, err, path, "ffmpeg is not installed", "WAV", "FLAC")
	adpcm := mono16(1, 2, 3)
	adpcm.tag = 2
	_, err = Open(writeFile(t, "x.wav", adpcm.build()))
	if !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestEmptyFileNeverReachesFFmpeg(t *testing.T) {
	args := fakeFFmpeg(t, `cat "$WAV"`)
	if _, err := Open(writeFile(t, "x.mp3", nil)); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	if _, err := os.Stat(args); err == nil {
		t.Error("ffmpeg was asked")
	}
}

// realFFmpeg skips where the program is missing.
func realFFmpeg(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
	args = append([]string{"-v", "error", "-nostdin", "-y"}, args...)
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Skipf("this ffmpeg cannot: %v: %s", err, out)
	}
}

// What ffmpeg writes in many encodings, read by us and by ffmpeg, agrees exactly.
func TestAgainstFFmpeg(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source.wav")
	realFFmpeg(t, "-i", "../testdata/speech/en.flac", "-ac", "2", "-ar", "24000", "-c:a", "pcm_f32le", source)
	for _, c := range []struct{ name, codec, format string }{
		{"u8.wav", "pcm_u8", "wav"}, {"s16.wav", "pcm_s16le", "wav"}, {"s24.wav", "pcm_s24le", "wav"}, {"s32.wav", "pcm_s32le", "wav"},
		{"f32.wav", "pcm_f32le", "wav"}, {"f64.wav", "pcm_f64le", "wav"}, {"mulaw.wav", "pcm_mulaw", "wav"}, {"alaw.wav", "pcm_alaw", "wav"},
		{"16.flac", "flac -sample_fmt s16", "flac"}, {"24.flac", "flac -sample_fmt s32", "flac"}, {"adpcm.wav", "adpcm_ms", "ffmpeg"},
		{"x.aiff", "pcm_s16be", "ffmpeg"}, {"x.mka", "pcm_s16le", "ffmpeg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, mono := filepath.Join(dir, c.name), filepath.Join(dir, c.name+".f32")
			args := []string{"-i", source, "-c:a"}
			args = append(args, strings.Fields(c.codec)...)
			realFFmpeg(t, append(args, path)...)
			realFFmpeg(t, "-i", path, "-f", "f32le", "-c:a", "pcm_f32le", mono)
			raw, err := os.ReadFile(mono)
			if err != nil {
				t.Fatal(err)
			}
			want, _, err := readPath(writeFile(t, "x.wav", wavFile{tag: wavFloat, channels: 2, rate: 24000, bits: 32, data: raw}.build()))
			if err != nil {
				t.Fatal(err)
			}
			got, info, err := readPath(path)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, c.name, got, want)
			if info.Format != c.format || info.SampleRate != 24000 || info.Channels != 2 {
				t.Errorf("info %+v", info)
			}
		})
	}
}

// ffmpeg's own words about files that it cannot decode, and ours about those that it may
// not.
func TestFFmpegRefusals(t *testing.T) {
	realFFmpeg(t, "-version")
	for name, c := range map[string]struct {
		content string
		fault   error
	}{
		"text.wav":    {strings.Repeat("This is no sound at all. ", 100), ErrFFmpeg},
		"noise.mp3":   {strings.Repeat("\x00\x01", 50), ErrFFmpeg},
		"picture.au":  {"P1\n1 1\n1\n", ErrUnsupported},
		"metadata.au": {";FFMETADATA1\ntitle=x\n", ErrUnsupported},
	} {
		path := writeFile(t, name, []byte(c.content))
		_, _, err := readPath(path)
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMessage(t, err, path)
		if strings.Count(err.Error(), path) != 1 {
			t.Errorf("the file is named more than once: %v", err)
		}
	}
}

// FLAC from the reference encoder, with all that its levels use.
func TestAgainstReferenceFLAC(t *testing.T) {
	if _, err := exec.LookPath("flac"); err != nil {
		t.Skip("flac is not installed")
	}
	dir := t.TempDir()
	for _, bits := range []int{8, 16, 24, 32} {
		samples := flacSamples(2, 20000, bits, 11)
		var values []int64
		for i := range samples[0] {
			values = append(values, samples[0][i]/2, (samples[0][i]/2+samples[1][i]/8)/2)
		}
		wav := filepath.Join(dir, fmt.Sprint(bits, ".wav"))
		content := wavFile{tag: wavPCM, channels: 2, rate: 24000, bits: bits, data: encodeInts(littleEndian, bits/8, values...)}.build()
		if err := os.WriteFile(wav, content, 0o600); err != nil {
			t.Fatal(err)
		}
		want, _, err := readPath(wav)
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range []string{"-0", "-2", "-5", "-8", "-8pe"} {
			path := filepath.Join(dir, "x.flac")
			if out, err := exec.Command("flac", "-s", "-f", level, "-o", path, wav).CombinedOutput(); err != nil {
				t.Logf("flac cannot do %d bits: %s", bits, out)
				continue
			}
			got, info, err := readPath(path)
			if err != nil {
				t.Errorf("%d bits, %s: %v", bits, level, err)
				continue
			}
			mustEqual(t, fmt.Sprint(bits, " bits ", level), got, want)
			if info.Frames != int64(len(want)) {
				t.Errorf("%d frames, want %d", info.Frames, len(want))
			}
		}
	}
}

// A pipe by name, as from a shell's <(...), is a file without a length.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", path).Run(); err != nil {
		t.Skip("no named pipes here")
	}
	content := mono16(1, 2, 3)
	content.dataSize = u32(math.MaxUint32)
	go func() {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			io.Copy(f, bytes.NewReader(content.build()))
			f.Close()
		}
	}()
	got, info, err := readPath(path)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "pipe", got, []float32{1. / 32768, 2. / 32768, 3. / 32768})
	if info.Frames != -1 {
		t.Errorf("%d frames known of a pipe", info.Frames)
	}
}
