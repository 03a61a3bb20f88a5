package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// trainedConfig is a codec that trains in milliseconds a step.
const trainedConfig = `{"exp_name": "codec", "batch_size": 2, "max_len": 8, "log_interval": 1,
	"validation": {"interval": 2, "files": 1, "samples": 1},
	"model_params": {"lstm": 0, "latent_dim": 24, "codebook_size": 16, "codebook_dim": 4, "prosody_hidden_dim": 8,
		"prosody_layers": 2, "timbre_hidden_dim": 8, "DAC": {"encoder_dim": 2, "decoder_dim": 32},
		"discriminator": {"periods": [2], "mpd_channels": [4, 4, 4, 8, 8], "fft_sizes": [256], "mrd_channels": 4}}}`

// TestTrainRedecoder trains for a codec, goes on from the experiment that it prints,
// and converts with what comes out.
func TestTrainRedecoder(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("codec.json"), []byte(trainedConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	succeed(t, "weights", "random", "--config", in("codec.json"), in("codec.safetensors"))
	speech := filepath.Dir(clip("en.flac"))

	args := []string{"train-redecoder", "--codec", in("codec.safetensors"), "--dataset", speech, "--log-dir", dir, "--seed", "5"}
	text := succeed(t, append(args, "--print-config")...).stdout
	c, err := config.Parse("printed", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if c.ExpName != "codec_redecoder" || c.BatchSize != 2 || c.Train.RandomSeed != 5 || c.Redecoder.WavenetEmbedDim != 16 ||
		c.Redecoder.WavenetLayers != 4 || c.PretrainedEncoder != in("codec.safetensors") {
		t.Errorf("the experiment for the codec: %s", text)
	}
	if err := os.WriteFile(in("mine.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	first := succeed(t, append(args, "--steps", "1")...)
	if !strings.Contains(first.stderr, "step 1/1") {
		t.Errorf("it says %s", first.stderr)
	}
	second := succeed(t, "train-redecoder", "--config", in("mine.json"), "--steps", "2")
	if !strings.Contains(second.stderr, "resuming from") || !strings.Contains(second.stderr, "mel distance") {
		t.Errorf("it says %s", second.stderr)
	}
	best := filepath.Join(dir, "codec_redecoder", "checkpoints", "best.safetensors")
	succeed(t, "convert", "--source", clip("en.flac"), "--reference", clip("it.flac"), "--output-dir", in("out"),
		"--checkpoint-path", in("codec.safetensors"), "--redecoder-checkpoint", best)
	spoken, _ := samplesOf(t, filepath.Join(dir, "out", "converted_en_to_it.wav"))
	if want := len(input(t, clip("en.flac"))); len(spoken) != want {
		t.Errorf("%d samples, want %d", len(spoken), want)
	}

	fail(t, "is a redecoder; want the codec", "train-redecoder", "--codec", best, "--dataset", speech)
	fail(t, "was trained for another codec", "train-redecoder", "--config", in("mine.json"), "--steps", "3",
		"--codec", another(t, in("codec.json")))
}

// another makes other weights of a codec.
func another(t *testing.T, config string) string {
	path := filepath.Join(t.TempDir(), "other.safetensors")
	succeed(t, "weights", "random", "--config", config, "--seed", "9", path)
	return path
}

func TestTrainRedecoderErrors(t *testing.T) {
	codec := fixture("small.safetensors")
	bare := filepath.Join(t.TempDir(), "bare.safetensors")
	file, err := weights.Open(codec)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := weights.WriteSafetensors(bare, weights.ArraysOf(file), nil, nil); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"no --codec: name the checkpoint":                 {"--dataset", "x"},
		"no --dataset: name a folder of speech":           {"--codec", codec},
		"--steps -1: want at least 1":                     {"--codec", codec, "--steps", "-1"},
		"--time -1s: want more":                           {"--codec", codec, "--time", "-1s"},
		"--init and --resume are both given a checkpoint": {"--codec", codec, "--init", "a", "--resume", "b"},
		"is a codec's experiment file, which train takes": {"--codec", codec, "--config", fixture("small.json")},
		"--codec: missing.safetensors: no such file or directory; want the file of a checkpoint, default for": {"--codec", "missing.safetensors"},
		"--codec-config missing.json: no such file or directory; want an experiment file, the one that":       {"--codec", codec, "--codec-config", "missing.json"},
		"--config missing.json: no such file or directory; want an experiment file, as facodec":               {"--codec", codec, "--config", "missing.json"},
		"\"x\" follows no flag":                                {"--codec", codec, "x"},
		"bare.safetensors: no configuration in the checkpoint": {"--codec", bare},
	} {
		fail(t, want, append([]string{"train-redecoder"}, args...)...)
	}
	r := run(t, "train-redecoder", "--codec", codec, "--config", fixture("redecoder.json"), "--dataset", "x")
	if r.code != exitFailed || !strings.Contains(r.stderr, "is not the codec that the experiment is for; ") || !strings.Contains(r.stderr, "\ndiffers: model_params.") {
		t.Errorf("another codec: exit %d: %s", r.code, r.stderr)
	}
	text := succeed(t, "train-redecoder", "--codec", bare, "--codec-config", fixture("small.json"), "--print-config").stdout
	if !strings.Contains(text, `"wavenet_embed_dim": 48`) {
		t.Errorf("printed: %s", text)
	}
}
