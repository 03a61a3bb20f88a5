package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/live"
)

// TestLiveSimulate: what --simulate would have played is what convert writes, sample for
// sample, if the delay leaves time for the first frames.
func TestLiveSimulate(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "en.wav")
	w, err := audio.Create(source, 24000, audio.F32)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if err := w.Write(input(t, "../../testdata/speech/en.flac")); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	model := []string{"--checkpoint-path", fixture("small.safetensors"), "--reference", "../../testdata/speech/it.flac"}
	run := func(args ...string) string {
		t.Helper()
		return succeed(t, append(args, model...)...).stdout
	}
	want, got := filepath.Join(dir, "want.wav"), filepath.Join(dir, "got.wav")
	run("convert", "--source", source, "-o", want)
	var report simulationReport
	if err := json.Unmarshal([]byte(run("live", "--simulate", source, "-o", got, "--offline", "--delay", "200ms", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	a, _ := samplesOf(t, got)
	b, _ := samplesOf(t, want)
	if !slices.Equal(a, b) {
		t.Errorf("%d samples, not the %d of convert, or other ones", len(a), len(b))
	}
	if report.HeldMS != 200 || report.AlgorithmMS < 25 || report.AlgorithmMS > 26 || report.Dropouts != 0 || report.Heard != "convert" {
		t.Errorf("%+v", report)
	}
	// At its own pace it takes as long as the recording and is as long; what comes late on
	// a busy machine is made up.
	start := time.Now()
	run("live", "--simulate", source, "-o", got, "--delay", "400ms", "--quiet", "--force", "--block", "2")
	if took := time.Since(start); took < 2*time.Second {
		t.Errorf("2.08 s of speech took %v", took)
	}
	if c, _ := samplesOf(t, got); len(c) != len(b) {
		t.Errorf("%d samples of %d", len(c), len(b))
	}
}

// TestLivePipe: raw samples in and out, as many as went in, behind by the delay.
func TestLivePipe(t *testing.T) {
	x := input(t, "../../testdata/speech/en.flac")[:24000]
	codec := open(t)
	voice, err := codec.Timbre(input(t, "../../testdata/speech/it.flac"))
	if err != nil {
		t.Fatal(err)
	}
	converted, err := codec.Convert(x, voice)
	if err != nil {
		t.Fatal(err)
	}
	for _, f32 := range []bool{true, false} {
		p := pcm{f32: f32}
		format := "s16"
		in := x
		if f32 {
			format = "f32"
		} else { // what the codec hears is rounded
			q := pcm{}
			in = slices.Clone(q.decode(q.encode(x)))
			if converted, err = codec.Convert(in, voice); err != nil {
				t.Fatal(err)
			}
		}
		var stdout, stderr bytes.Buffer
		raw := slices.Clone(p.encode(in))
		code := executeWith(t.Context(), []string{"live", "-", "--checkpoint-path", fixture("small.safetensors"), "--reference", "../../testdata/speech/it.flac",
			"--format", format, "--delay", "200ms"}, bytes.NewReader(append(raw, 1)), &stdout, &stderr)
		if code != 0 || stdout.Len() != len(raw) {
			t.Fatalf("%s: exit %d, %d bytes of %d, %s", format, code, stdout.Len(), len(raw), &stderr)
		}
		want := slices.Concat(make([]float32, 4800), converted[:24000-4800])
		if !bytes.Equal(stdout.Bytes(), p.encode(want)) {
			t.Errorf("%s: not what Convert returns", format)
		}
	}
	var stdout, stderr bytes.Buffer
	code := executeWith(t.Context(), []string{"live", "-", "--checkpoint-path", fixture("small.safetensors"), "--reference", "../../testdata/speech/it.flac"},
		strings.NewReader("RIFF....WAVEfmt "), &stdout, &stderr)
	if code != exitFailed || stdout.Len() > 0 || !strings.Contains(stderr.String(), "-t raw") {
		t.Errorf("WAV: exit %d, %s", code, &stderr)
	}
}

func TestLiveUsage(t *testing.T) {
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(t.TempDir(), "none"))
	file := filepath.Join(t.TempDir(), "file.wav")
	if err := os.WriteFile(file, []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(filepath.Dir(file), "a.flac")
	if err := os.WriteFile(there, []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string]string{
		"no voice":               "live",
		"both --reference and":   "live --reference a --voices b",
		"the only argument is -": "live --reconstruct x.wav",
		"- and --json":           "live - --reconstruct --json",
		"both - and --simulate":  "live - --reconstruct --simulate a.wav -o b.wav",
		"--simulate without -o":  "live --reconstruct --simulate a.wav",
		"-o, --force and":        "live --reconstruct -o a.wav",
		"are for --simulate":     "live - --reconstruct --force",
		"give .wav, .flac":       "live --reconstruct --simulate a.wav -o a.txt",
		"a.flac: exists; --force overwrites it, or give another -o": "live --reconstruct --simulate ../../testdata/speech/it.flac -o " + there,
		"--block 17: give 1 to 16":                                  "live --reconstruct --block 17",
		"--block 0: give 1":                                         "live --reconstruct --block 0",
		"give -":                                                    "live --reconstruct --rate 48000",
		"--rate 7":                                                  "live - --reconstruct --rate 7",
		"s16 and f32":                                               "live - --reconstruct --format u8",
		"--delay -1s":                                               "live --reconstruct --delay -1s",
		"--buffer 1s":                                               "live --reconstruct --buffer 1s",
		"--input is empty":                                          "live --reconstruct --input=",
		"no sound server":                                           "live --reconstruct",
		"arecord -t raw":                                            "live --list-devices",
		"is a source":                                               "live --reconstruct --offline --simulate " + file + " -o " + filepath.Join(filepath.Dir(file), ".", "file.wav"),
		"a source, and":                                             "live --reference " + file + " --offline --simulate ../../testdata/speech/it.flac -o " + file,
		"--match without a voice":                                   "live --reconstruct --match 0.5",
		"--match 2: give 0":                                         "live --reference ../../testdata/speech/it.flac --match 2",
		"the voice has no frames":                                   "live - --reference ../../testdata/speech/it.flac --match 0.5 --checkpoint-path " + fixture("small.safetensors"),
		"there are keys for 9":                                      "live --voices 1,2,3,4,5,6,7,8,9,10",
		"is no named pipe":                                          "live - --reconstruct --checkpoint-path " + fixture("small.safetensors") + " --control " + file,
		"cannot run live":                                           "live - --reconstruct --checkpoint-path random-ns3 --version v2",
	} {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), strings.Fields(args), &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit %d, %q without %q", args, code, stderr.String(), want)
		}
	}
	if b, _ := os.ReadFile(there); string(b) != "a" {
		t.Errorf("%s was overwritten", there)
	}
}

// TestLivePipeBroken: what is no number is silence, what is no whole sample is left out, and both
// are told at the end.
func TestLivePipeBroken(t *testing.T) {
	p := pcm{f32: true}
	x := make([]float32, 12000)
	for i := range x {
		x[i] = 0.25
	}
	x[700], x[1300], x[1301] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
	in := append(slices.Clone(p.encode(x)), 1, 2, 3)
	var stdout, stderr bytes.Buffer
	// Bypass, once one's own voice is wanted and as long as it is not known.
	code := executeWith(t.Context(), []string{"live", "-", "--checkpoint-path", fixture("small.safetensors"), "--reconstruct", "--format", "f32", "--delay", "200ms", "--quiet"},
		bytes.NewReader(in), &stdout, &stderr)
	for _, want := range []string{"3 samples of the input: not finite, and played as silence", "3 bytes at the end of standard input: no whole sample of f32, and left out"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q without %q", stderr.String(), want)
		}
	}
	got := p.decode(stdout.Bytes())
	if code != 0 || len(got) != len(x) {
		t.Fatalf("exit %d, %d samples", code, len(got))
	}
	for i, v := range got[4800:] {
		want := x[i]
		if v := x[i]; v-v != 0 {
			want = 0
		}
		if v != want {
			t.Fatalf("sample %d is %g, not %g", i, v, want)
		}
	}
}

// TestLiveCommands: keys and lines.
func TestLiveCommands(t *testing.T) {
	flags := &liveFlags{delay: 0}
	codec := open(t)
	s := &liveSession{liveFlags: flags, codec: codec, show: newDisplay(&bytes.Buffer{}, true)}
	for i, name := range []string{"alice", "bob"} {
		voice := make([]float32, codec.TimbreLen())
		voice[i] = 1
		s.voices = append(s.voices, liveVoice{name, &live.Voice{Timbre: voice}})
	}
	if err := s.start(live.DuplexOptions{OneClock: true}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ line, label, fault string }{
		{"", "alice", ""}, {"2", "bob", ""}, {"b", "bypass", ""}, {"c", "bob", ""}, {"voice alice", "alice", ""}, {"  voice 2 ", "bob", ""},
		{"bypass", "bypass", ""}, {"convert", "bob", ""}, {"3", "bob", "2 voices were named"}, {"voice carol", "bob", "alice, bob"},
		{"louder", "bob", "no command"}, {"reconstruct", "bob", "not known yet"}, {"q", "bob", "quit"},
	} {
		err := s.command(step.line)
		if fault := ""; err != nil {
			fault = err.Error()
			if step.fault == "" || !strings.Contains(fault, step.fault) {
				t.Errorf("%q: %v", step.line, err)
			}
		} else if step.fault != "" {
			t.Errorf("%q: no error", step.line)
		}
		if got := s.label(); got != step.label {
			t.Errorf("%q: %s is heard, not %s", step.line, got, step.label)
		}
	}
	if err := s.command("match 0.5"); err == nil || !strings.Contains(err.Error(), "no frames") {
		t.Errorf("match of voices without frames: %v", err)
	}
	// Asked for once, one's own voice comes when it is known.
	s.command("r")
	s.learned(make([]float32, codec.TimbreLen()))
	if got := s.label(); got != "reconstruct" {
		t.Errorf("%s is heard", got)
	}
}

// TestLiveMatch: with --match the samples are those of convert, and keys change the share.
func TestLiveMatch(t *testing.T) {
	dir := t.TempDir()
	source, want, got := filepath.Join(dir, "en.wav"), filepath.Join(dir, "want.wav"), filepath.Join(dir, "got.wav")
	succeed(t, "reconstruct", "--source", "../../testdata/speech/en.flac", "-o", source) // at the codec's rate
	voice := []string{"--reference", "../../testdata/speech/it.flac", "--match", "0.7", "--quiet"}
	succeed(t, append([]string{"convert", "--source", source, "-o", want}, voice...)...)
	succeed(t, append([]string{"live", "--simulate", source, "-o", got, "--offline", "--delay", "200ms"}, voice...)...)
	a, _ := samplesOf(t, got)
	b, _ := samplesOf(t, want)
	n := len(b) - 600 // the end of a recording differs
	if len(a) != len(b) || !slices.Equal(a[:n], b[:n]) {
		t.Errorf("%d samples, not the %d of convert, or other ones", len(a), len(b))
	}

	flags := &liveFlags{references: []string{"../../testdata/speech/it.flac"}, match: matchFlags{match: 0.7}, quiet: true}
	flags.checkpoint, flags.precision, flags.threads = builtin, "fast", 1
	cmd := newLive()
	cmd.SetContext(t.Context())
	s, err := flags.openSession(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.start(live.DuplexOptions{OneClock: true}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		line  string
		share float64
		fault string
	}{
		{"-", 0.6, ""}, {"+", 0.7, ""}, {"match 0.95", 0.95, ""}, {"=", 1, ""}, {"+", 1, ""}, {"m 0", 0, ""}, {"-", 0, ""}, {"b", 0, ""}, {"+", 0.1, ""}, {"c", 0.1, ""},
		{"match", 0.1, "give 0"}, {"match 2", 0.1, "give 0"}, {"match nan", 0.1, "give 0"}, {"match 0.004", 0.004, ""}, {"+", 0.1, ""},
	} {
		err := s.command(step.line)
		if (err != nil) != (step.fault != "") || err != nil && !strings.Contains(err.Error(), step.fault) {
			t.Errorf("%q: %v", step.line, err)
		}
		if r := s.report(0, 0, 0); s.shared() != step.share || r.Heard == "convert" && r.Match != step.share {
			t.Errorf("%q: a share of %g, not %g: %+v", step.line, s.shared(), step.share, r)
		}
	}
	// The share changes while one's own voice is learned, which still comes.
	s.command("r")
	if s.command("match 0.1"); !s.wantOwn {
		t.Error("the share takes one's own voice away")
	}
	if line := s.report(0, 0, 0).line("it", 0); !strings.HasPrefix(line, "it (match 0.1)  in ") {
		t.Errorf("the meter says %q", line)
	}
}
