package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMessages: what flags cannot mean is said with the flag and the cure, before any work.
func TestMessages(t *testing.T) {
	dir := t.TempDir()
	voice := filepath.Join(t.TempDir(), "v.flac")
	if err := os.WriteFile(voice, []byte("a recording"), 0o644); err != nil {
		t.Fatal(err)
	}
	text, runs := filepath.Join(t.TempDir(), "text.bin"), filepath.Join(t.TempDir(), "runs")
	write(t, text, []byte("hello"))
	codec := []string{"--checkpoint-path", fixture("small.safetensors")}
	reconstruct := append([]string{"reconstruct", clip("en.flac")}, codec...)
	for _, test := range []struct {
		args []string
		want string
	}{
		{append(reconstruct, "-o", filepath.Join(dir, "z")), "z: the file extension sets the format; give .wav, .flac, .mp3 or .opus"},
		{append(reconstruct, "-o", filepath.Join(dir, "z.txt")), "the file extension sets the format"},
		{append(reconstruct, "-o", filepath.Join(dir, "z.mp3"), "--sample-format", "f32"), "--sample-format f32: MP3 has no sample format; leave it out, or write .wav"},
		{append(reconstruct, "--output-dir", dir, "--output-format", "opus", "--sample-format", "s24"), "--sample-format s24: Opus has no sample format"},
		{append(reconstruct, "--output-dir", dir, "--threads", "-3"), "--threads -3: want 1 to 1024"},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--threads", "-2"}, "--threads -2: want 1 to 1024"},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--steps", "0"}, "--steps 0: want at least 1; leave it out"},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--accumulate", "0"}, "--accumulate 0: want at least 1; leave it out"},
		{[]string{"convert", "--source", clip("en.flac"), "--reference", voice, "-o", filepath.Join(filepath.Dir(voice), ".", "v.flac"), "--force"}, voice + " is a reference, and the output; give another -o"},
		{[]string{"decode", "--source", voice, "--reference", voice, "-o", voice, "--force"}, "and the output; give another -o"},
		{[]string{"extract", "--max-bad", "x"}, `--max-bad "x": want a number (see facodec extract --help)`},
		{[]string{"train", "--steps", "99999999999999999999"}, `--steps "99999999999999999999": want a smaller number`},
		{[]string{"weights", "random", "--seed", "-1"}, `--seed "-1": want a whole number, 0 or more`},
		{[]string{"live", "--delay", "5"}, `--delay "5": want a time with its unit, such as 200ms, 15s or 10m`},
		{[]string{"live", "--rate", strings.Repeat("k", 3000)}, `k…": want a whole number`},
		{[]string{"live", "--offline=maybe"}, `--offline "maybe": want true or false`},
		{[]string{"serve", "--max-body="}, `--max-body "": want a whole number`},
		{[]string{"serve", "--voice"}, "--voice needs a value"},
		{[]string{"encode", "-o"}, "-o needs a value"},
		{[]string{"serve", "--voces", "a"}, "unknown flag --voces"},
		{[]string{"live", "-xo", "a"}, "unknown flag -xo"},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--exp-name", ""}, "--exp-name is empty: give it a value, or leave it out (see facodec train --help)"},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--log-dir="}, "--log-dir is empty: "},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--init", ""}, "--init is empty: "},
		{[]string{"train-redecoder", "--codec", "default", "--dataset", ""}, "--dataset is empty: "},
		{[]string{"serve", "--token", ""}, "--token is empty: "},
		{[]string{"train", "--preset", "tiny", "--dataset", dir, "--resume", ""}, "--resume is empty: "},
		{[]string{"convert", "--source", dir, "--reference", ""}, "--reference is empty: "},
		{[]string{"train", "--config", text, "--dataset", dir}, "--config " + text + ":1: is no experiment file: it holds no keys; want an experiment file, as facodec train --preset base --print-config prints it"},
		{[]string{"train", "--config", dir, "--dataset", dir}, "--config " + dir + ": is a directory; want an experiment file, as"},
		{append(reconstruct, "--config", dir, "-o", filepath.Join(dir, "z.wav")), dir + ": is a directory; want an experiment file, JSON or YAML"},
		{append(reconstruct, "--output-dir", dir, "--gain", "100"), "--gain 100: want -96 to 96 dB (see facodec reconstruct --help)"},
		{append(reconstruct, "--output-dir", dir, "--gain", "nan"), "--gain NaN: want -96 to 96 dB"},
		{[]string{"train", "--config", fixture("small.safetensors"), "--dataset", dir}, "small.safetensors: is a checkpoint; want an experiment file, as"},
		{[]string{"train", "--preset", "base", "--dataset", dir, "--log-dir", runs, "--init", "nope.bin"}, "nope.bin: no such file or directory; --init takes the file of a checkpoint, default for"},
		{[]string{"train", "--preset", "base", "--dataset", dir, "--log-dir", runs, "--init", text}, "expected safetensors or a PyTorch file; --init takes"},
		{[]string{"train", "--preset", "base", "--dataset", dir, "--log-dir", runs, "--resume", "yes"}, "yes: no such file or directory; --resume takes a checkpoint of training, auto or none"},
		{[]string{"train", "--preset", "base", "--dataset", dir, "--log-dir", runs, "--resume", fixture("small.safetensors")},
			"small.safetensors: is no checkpoint of training that can be resumed: it is a model, without the state of its training (train_state); a new run can start from its weights; --resume takes a checkpoint of training, auto or none, --init weights"},
		{[]string{"train", "--preset", "base", "--dataset", dir, "--log-dir", text}, text + ": not a directory; a run is kept in a folder that can be written to: log_dir and"},
		{[]string{"info", "random"}, "facodec weights random FILE writes such a one"},
	} {
		r := run(t, test.args...)
		if r.code != 1 || !strings.Contains(r.stderr, test.want) || r.stdout != "" {
			t.Errorf("%.200v: exit %d: %s%s, want %s", test.args, r.code, r.stdout, r.stderr, test.want)
		}
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	absent(t, runs)
	r := run(t, append(reconstruct, "-o", filepath.Join(dir, "z.rf64"))...)
	if r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
