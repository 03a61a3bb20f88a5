package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/codectest"
)

// TestNS3Commands runs every command that takes a codec on the NaturalSpeech 3 family.
func TestNS3Commands(t *testing.T) {
	folder, out := codectest.NS3(t), t.TempDir()
	source := filepath.Join("..", "..", "testdata", "speech", "en.flac")
	other := filepath.Join("..", "..", "testdata", "speech", "it.flac")
	in := func(name string) string { return filepath.Join(out, name) }
	for _, version := range []string{"v1", "v2"} {
		dir := in(version)
		model := []string{"--checkpoint-path", folder, "--version", version}
		run := func(args ...string) string {
			t.Helper()
			return succeed(t, append(args, model...)...).stdout
		}
		run("reconstruct", "--source", source, "--output-dir", dir)
		run("convert", "--source", source, "--reference", other, "--output-dir", dir)
		run("voice", "enroll", "--source", other, "-o", in(version+".voice"))
		run("encode", source, "-o", in(version+".fac"))
		run("decode", in(version+".fac"), "-o", in(version+".wav"))
		run("extract", "--source", source, "--output-dir", dir)
		run("plot", source, "-o", in(version+".png"))
		if text := run("eval", "--source", source, "--json", "--quiet"); !strings.Contains(text, `"prosody_1"`) {
			t.Errorf("eval: %s", text)
		}
		if text := succeed(t, "info", in(version+".fac")).stdout; !strings.Contains(text, "family         NaturalSpeech 3") || !strings.Contains(text, "entries used   prosody_1 ") {
			t.Errorf("info of a .fac file: %s", text)
		}
	}
	convert := []string{"convert", "--source", source, "--reference", other, "--output-dir", in("redecoded"), "--checkpoint-path", folder, "--redecoder-checkpoint", folder}
	succeed(t, convert...)
	fail(t, "takes the codes of version 1", append(convert, "--version", "v2", "--force")...)
	failWith(t, 2, "another quantizer", "decode", in("v1.fac"), "-o", in("x.wav"), "--checkpoint-path", folder, "--version", "v2")
	fail(t, "give v1 or v2", "reconstruct", "--source", source, "--output-dir", out, "--checkpoint-path", folder, "--version", "3")

	for _, path := range []string{folder, filepath.Join(folder, "ns3_facodec_decoder.bin"), "random-ns3"} {
		const want = "NaturalSpeech 3 family, which only runs here"
		fail(t, want, "train-redecoder", "--codec", path, "--dataset", t.TempDir(), "--log-dir", in("runs"))
		fail(t, want, "train", "--preset", "tiny", "--init", path, "--dataset", t.TempDir(), "--log-dir", in("runs"))
	}
	text := succeed(t, "info", folder).stdout
	for _, want := range []string{"NaturalSpeech 3 FACodec v1", "16000 Hz", "329.812 ms behind", "350 ms behind", "timbre at the end", "Apache-2.0", "ns3_decoder predictors", "of an artificial voice"} {
		if !strings.Contains(text, want) {
			t.Errorf("info has no %q: %s", want, text)
		}
	}
	var d struct {
		Family   string
		License  string
		Networks []struct{ Name string }
	}
	text = succeed(t, "info", "--json", filepath.Join(folder, "ns3_facodec_encoder_v2.bin")).stdout
	if err := json.Unmarshal([]byte(text), &d); err != nil || d.Family != "NaturalSpeech 3" || len(d.Networks) != 1 || d.License == "" {
		t.Errorf("%+v, %v", d, err)
	}
	converted := in("decoder.safetensors")
	succeed(t, "weights", "convert", filepath.Join(folder, "ns3_facodec_decoder.bin"), converted)
	if _, err := os.Stat(converted); err != nil {
		t.Error(err)
	}
}

// TestNS3Collapsed: info says of a file whose codes are one or two entries that they are,
// for a checkpoint whose codebooks are all the same entry makes them so.
func TestNS3Collapsed(t *testing.T) {
	folder := codectest.NS3Collapsed(t)
	text := succeed(t, "info", folder).stdout
	if !strings.Contains(text, "COLLAPSED      prosody_1") {
		t.Errorf("info: %s", text)
	}
	source := filepath.Join("..", "..", "testdata", "speech", "en.flac")
	if text := succeed(t, "eval", "--source", source, "--checkpoint-path", folder).stderr; !strings.Contains(text, "the codes have collapsed") {
		t.Errorf("eval: %s", text)
	}
}

// TestNS3Download: all five files come, or the pair that a command runs.
func TestNS3Download(t *testing.T) {
	local := codectest.NS3(t)
	entries, err := os.ReadDir(local)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		data := read(t, filepath.Join(local, e.Name()))
		files["amphion/naturalspeech3_facodec/"+e.Name()] = data
		files["someone/copy/"+e.Name()] = data
	}
	fakeHub(t, files)
	source := filepath.Join("..", "..", "testdata", "speech", "en.flac")
	folder := func(repo string) string {
		return filepath.Join(os.Getenv("HF_HOME"), "hub", "models--"+strings.ReplaceAll(repo, "/", "--"), "snapshots", hubCommit)
	}
	count := func(repo string) int {
		found, _ := filepath.Glob(filepath.Join(folder(repo), "*.bin"))
		return len(found)
	}
	const repo = "amphion/naturalspeech3_facodec"
	succeed(t, "reconstruct", "--source", source, "--output-dir", t.TempDir(), "--checkpoint-path", "hf://"+repo, "--version", "v2")
	if n := count(repo); n != 2 {
		t.Errorf("a command has downloaded %d files", n)
	}
	succeed(t, "convert", "--source", source, "--reference", source, "--output-dir", t.TempDir(), "--checkpoint-path", "hf://"+repo, "--redecoder-checkpoint", "hf://"+repo)
	if n := count(repo); n != 5 {
		t.Errorf("%d files with the first pair and the redecoder", n)
	}
	if r := succeed(t, "download", "ns3"); r.stdout != folder(repo)+"\n" {
		t.Errorf("stdout is %q, want %q", r.stdout, folder(repo))
	}
	if r := succeed(t, "download", "someone/copy", "--version", "v1"); r.stdout != folder("someone/copy")+"\n" || count("someone/copy") != 2 {
		t.Errorf("a copy: %q, %d files", r.stdout, count("someone/copy"))
	}
	// A file that is named brings the one that goes with it.
	fakeHub(t, files)
	succeed(t, "reconstruct", "--source", source, "--output-dir", t.TempDir(), "--checkpoint-path", "hf://"+repo+"/ns3_facodec_decoder.bin")
	if n := count(repo); n != 2 {
		t.Errorf("a file named has brought %d", n)
	}
	fail(t, `networks "x"`, "download", "ns3", "--version", "x")
}
