package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
)

// enrolled keeps the voice of files with the small codec.
func enrolled(t *testing.T, output string, sources ...string) enrollReport {
	t.Helper()
	args := append([]string{"voice", "enroll", "--source"}, sources...)
	r := succeed(t, append(args, "-o", output, "--checkpoint-path", fixture("small.safetensors"), "--quiet", "--json")...)
	var report enrollReport
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.stderr != "" {
		t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
	return report
}

// TestVoiceStandsForItsClips: converting to it gives the samples that converting
// to the clips does.
func TestVoiceStandsForItsClips(t *testing.T) {
	dir := t.TempDir()
	source := short(t, filepath.Join(dir, "a.wav"))
	voice := filepath.Join(dir, "carla.voice")
	r := enrolled(t, voice, clip("it.flac"), clip("fr.flac"))
	if r.Values != 40 || r.Seconds < 4 || r.Seconds > 5 || r.Kept || len(r.Sources) != 2 || len(r.Model) != 32 {
		t.Errorf("%+v", r)
	}
	convert := func(output string, references ...string) string {
		args := append([]string{"convert", "--source", source, "--reference"}, references...)
		succeed(t, append(args, "--output-dir", filepath.Join(dir, output), "--checkpoint-path", fixture("small.pth"), "--quiet")...)
		return string(read(t, filepath.Join(dir, output, files(t, filepath.Join(dir, output))[0])))
	}
	byVoice := convert("voice", voice)
	checkFiles(t, filepath.Join(dir, "voice"), "converted_a_to_carla.wav")
	if byVoice != convert("clips", clip("it.flac"), clip("fr.flac")) {
		t.Error("the voice is not that of its clips")
	}
	if byVoice == convert("other", voice, clip("en.flac")) {
		t.Error("a clip beside a voice counts nothing")
	}
}

func TestVoiceIsKeptAsItWas(t *testing.T) {
	dir := t.TempDir()
	voice := filepath.Join(dir, "a.voice")
	enrolled(t, voice, clip("it.flac"))
	before := string(read(t, voice))
	if r := enrolled(t, voice, clip("it.flac")); !r.Kept || string(read(t, voice)) != before {
		t.Errorf("the voice was replaced: %+v", r)
	}
	args := []string{"voice", "enroll", "--source", clip("fr.flac"), "-o", voice, "--checkpoint-path"}
	fail(t, "was made of other recordings, or with another --precision; --force", append(args, fixture("small.safetensors"))...)
	fail(t, "nowhere.pth", append(args, "nowhere.pth")...)
	if string(read(t, voice)) != before {
		t.Error("the voice was replaced")
	}
	succeed(t, "voice", "enroll", "--source", clip("fr.flac"), "-o", voice, "--checkpoint-path", fixture("small.pth"), "--force")
	if string(read(t, voice)) == before {
		t.Error("--force kept the voice")
	}
	checkFiles(t, dir, "a.voice")
}

func TestVoiceCompare(t *testing.T) {
	dir := t.TempDir()
	it, fr := filepath.Join(dir, "it.voice"), filepath.Join(dir, "fr.voice")
	enrolled(t, it, clip("it.flac"))
	enrolled(t, fr, clip("fr.flac"))
	cosine := func(args ...string) float64 {
		t.Helper()
		r := succeed(t, append([]string{"voice", "compare"}, args...)...)
		x, err := strconv.ParseFloat(strings.TrimSpace(r.stdout), 64)
		if err != nil {
			t.Fatalf("stdout is %q", r.stdout)
		}
		return x
	}
	with := []string{"--checkpoint-path", fixture("small.safetensors")}
	if x := cosine(it, it); x != 1 {
		t.Errorf("a voice and itself: %v", x)
	}
	between := cosine(it, fr)
	if between >= 1 || between < -1 {
		t.Errorf("two voices: %v", between)
	}
	// Of files as of voices, of folders as of files.
	folder := filepath.Join(dir, "fr")
	write(t, filepath.Join(folder, "clip.flac"), read(t, clip("fr.flac")))
	for _, pair := range [][]string{{clip("it.flac"), fr}, {it, clip("fr.flac")}, {clip("it.flac"), folder}, {fr, it}} {
		if x := cosine(append(pair, with...)...); x != between {
			t.Errorf("%q: %v, want %v", pair, x, between)
		}
	}
	brief := wav(t, filepath.Join(dir, "brief.wav"), 24000, 1, tone(1200, 24000))
	if r := succeed(t, append([]string{"voice", "compare", brief, fr, "--quiet"}, with...)...); !strings.Contains(r.stderr, "0.05 s is too little for a voice") {
		t.Errorf("a short clip: %q", r.stderr)
	}
	var r compareReport
	if err := json.Unmarshal([]byte(succeed(t, "voice", "compare", it, fr, "--json").stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Voices) != 2 || r.Voices[1].Path != fr || r.Voices[1].Seconds < 1 || r.Cosine >= 1 || len(r.Model) != 32 {
		t.Errorf("%+v", r)
	}
	fail(t, "this is the built-in model", "voice", "compare", it, clip("fr.flac"))
}

func TestVoiceRefused(t *testing.T) {
	dir := t.TempDir()
	voice, other, corrupt := filepath.Join(dir, "a.voice"), filepath.Join(dir, "b.voice"), filepath.Join(dir, "c.voice")
	enrolled(t, voice, clip("it.flac"))
	v, err := facodec.LoadVoice(voice)
	if err != nil {
		t.Fatal(err)
	}
	v.Model[0] ^= 1
	if err := v.Save(other); err != nil {
		t.Fatal(err)
	}
	data := read(t, voice)
	data[60] ^= 4
	write(t, corrupt, data)
	end := []string{"--output-dir", filepath.Join(dir, "out"), "--checkpoint-path", fixture("small.safetensors")}
	for reference, want := range map[string]string{other: "b.voice: unusable voice: made by timbre encoder", corrupt: "c.voice: unusable voice: corrupt"} {
		fail(t, want, append([]string{"convert", "--source", clip("en.flac"), "--reference", reference}, end...)...)
		fail(t, want, "voice", "enroll", "--source", reference, "-o", filepath.Join(dir, "d.voice"), "--checkpoint-path", fixture("small.safetensors"))
	}
	absent(t, filepath.Join(dir, "out"))
	absent(t, filepath.Join(dir, "d.voice"))
	fail(t, "one was made by timbre encoder", "voice", "compare", voice, other)
	fail(t, "c.voice: unusable voice: corrupt", "voice", "compare", voice, corrupt)
	fail(t, "no --source", "voice", "enroll", "-o", "x.voice")
	fail(t, "no --output", "voice", "enroll", "--source", clip("it.flac"))
	fail(t, "is a source", "voice", "enroll", "--source", voice, "-o", voice, "--checkpoint-path", fixture("small.pth"), "--force")
	fail(t, "no such file", "voice", "enroll", "--source", filepath.Join(dir, "none.wav"), "-o", other, "--checkpoint-path", fixture("small.pth"))
	if _, err := os.Stat(voice); err != nil {
		t.Error(err)
	}
}
