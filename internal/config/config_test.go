package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T, name string) *Config {
	t.Helper()
	c, err := Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The three files of upstream mean the standard configuration.
func TestLoadOriginals(t *testing.T) {
	f0 := func(c *Config) *Config { c.F0Path = "modules/JDC/bst.t7"; return c }
	experiment := f0(Default())
	experiment.Dataset = "/path/to/dataset"
	codec := f0(Default())
	codec.LogDir = "runs/codec/"
	redecoder := f0(DefaultRedecoder())
	redecoder.LogDir, redecoder.PretrainedEncoder = "runs/redecoder", "./codec.pth"
	const loss = "loss_params.discriminator_iter_start loss_params.lambda_spk loss_params.lambda_mel loss_params.lambda_f0 loss_params.lambda_uv"
	const data = "data_params.train_data data_params.val_data data_params.root_path"
	for _, tc := range []struct {
		file   string
		want   *Config
		unused string
	}{
		{"experiment.json", experiment, "device batch_length train.batch_size train.save_checkpoint_stride train.max_frame_len train.tracker train.run_eval train.sampler.holistic_shuffle train.sampler.drop_last train.dataloader.num_worker train.dataloader.pin_memory model_params.use_gr_timbre_prosody loss_params.base_lr loss_params.warmup_steps " + loss},
		{"codec.yml", codec, "save_freq device batch_length " + data + " model_params.fixed model_params.use_gr_timbre_prosody model_params.w2v loss_params.base_lr " + loss},
		{"redecoder.yml", redecoder, "save_freq device batch_length " + data + " model_params.mamba_embed_dim model_params.prob_random_mask_prosody model_params.prob_random_mask_content loss_params.base_lr " + loss},
	} {
		t.Run(tc.file, func(t *testing.T) {
			got := load(t, tc.file)
			if unused := strings.Join(got.Unused(), " "); unused != tc.unused {
				t.Errorf("unused keys:\n%s\nwant\n%s", unused, tc.unused)
			}
			if len(got.unknown) > 0 {
				t.Errorf("unknown keys %v", got.unknown)
			}
			if got.IsRedecoder() != (tc.want.Redecoder != nil) {
				t.Errorf("IsRedecoder() = %v", got.IsRedecoder())
			}
			got.unused, got.origin = nil, ""
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

// Every key of a file reaches its own field: each is given a value that is not
// the default, and none may be left at it.
func TestParseEveryKey(t *testing.T) {
	const codec = `{
		// a comment
		"model_type": "facodec", "exp_name": "x", "log_dir": "l", "dataset": "d", "log_interval": 11,
		"save_interval": 12, "epochs": 13, "batch_size": 14, "max_len": 15, "pretrained_model": "p",
		"load_only_params": true, "pretrained_encoder": "e", "F0_path": "f",
		"preprocess_params": {"sr": 16000, "frame_rate": 1000, "duration_range": [0.5, 1e1],
			"spect_params": {"n_fft": 512, "win_length": 64, "hop_length": 16, "n_mels": 40}},
		"train": {"gradient_accumulation_step": 2, "random_seed": 3, "max_epoch": 4, "discriminator_start": 5, "discriminator_len": 50,
			"residual_mask": 0, "quantizer_dropout": 1, "keep_checkpoints": 6, "max_skipped_steps": 7, "restart_codes": 100, "normalise_codes": true, "data_init": true, "reversal": 0.5, "reversal_warmup": 9, "precision": "bf16", "joint_parts": true, "detach_content": true},
		"loss_weights": LOSS_WEIGHTS,
		"optimizer": {"lr": 3e-4, "betas": [0.8, 0.99], "eps": 1e-8, "weight_decay": 0, "lr_decay": 1,
			"warmup_steps": 200, "clip_grad": 5, "clip_grad_discriminator": 6},
		"ema": {"decay": 0.99}, "augment": {"gain_db": [-6, 6], "speed": 0.1, "room": 0.2, "noise": 0.3, "equalizer": 0.4, "band_limit": 0.5, "voice": 0.25, "parallel": "others"},
		"validation": {"interval": 8, "share": 0.1, "files": 9, "seconds": 42, "samples": 2},
		"teachers": {"content_units": 39, "speakers": 5, "speaker_field": "who"},
		"model_params": {"causal": false, "lstm": 1, "norm_f0": false, "use_gr_content_f0": true,
			"use_gr_prosody_phone": true, "use_gr_content_global_f0": false, "n_p_codebooks": 3,
			"n_c_codebooks": 4, "n_r_codebooks": 5, "latent_dim": 24, "codebook_size": 32, "codebook_dim": 4,
			"prosody_mel_bins": 10, "prosody_hidden_dim": 12, "prosody_layers": 2, "timbre_hidden_dim": 14,
			"phone_classes": 40, "speaker_classes": 15, "encoder_type": "stft", "decoder_type": "istft",
			"convnext": {"window": 64, "phase_bins": 7, "dim": 8, "hidden_dim": 9, "encoder_blocks": 1, "decoder_blocks": 2, "decoder_timbre": true},
			"DAC": {"encoder_dim": 8, "encoder_rates": [4, 4], "decoder_dim": 32, "decoder_rates": [2, 8], "sr": 16000},
			"discriminator": {"periods": [2], "mpd_channels": [1, 2, 3, 4, 5], "fft_sizes": [64], "mrd_channels": 2},
		},
	}`
	got, err := Parse("codec", []byte(strings.Replace(codec, "LOSS_WEIGHTS", everyLossWeight(), 1)))
	if err != nil {
		t.Fatal(err)
	}
	checkAllChanged(t, got, Default(), "model_type", "model_params.separate_prosody_encoder", "model_params.timbre_norm")
	if got.Model.DAC.DecoderRates[1] != 8 || got.Preprocess.DurationRange != [2]float64{0.5, 10} || got.Model.NResidual != 5 {
		t.Errorf("got %+v", got)
	}
	if got.Optimizer.Betas != [2]float64{0.8, 0.99} || got.Augment.GainDB != [2]float64{-6, 6} || got.Loss.Mel != 20.5 {
		t.Errorf("got %+v, %+v, %+v", got.Optimizer, got.Augment, got.Loss)
	}
	if got.FrameRate() != 1000 {
		t.Errorf("FrameRate() = %v", got.FrameRate())
	}

	const redecoder = "model_params: {encoder_causal: no, encoder_lstm: 1, decoder_causal: yes, decoder_lstm: 3, wavenet_embed_dim: 16, wavenet_layers: 2}"
	got, err = Parse("redecoder", []byte(redecoder))
	if err != nil {
		t.Fatal(err)
	}
	if got.Model.Causal || got.Model.LSTM != 1 || *got.Redecoder != (Redecoder{true, 3, "wavenet", 16, 2}) {
		t.Errorf("got %+v", got.Redecoder)
	}
}

// everyLossWeight is the section loss_weights with a value for every key, none of
// which is a default.
func everyLossWeight() string {
	var keys []string
	fields := reflect.TypeFor[LossWeights]()
	for i := range fields.NumField() {
		keys = append(keys, fmt.Sprintf("%q: %v", fields.Field(i).Tag.Get("key"), 20.5+float64(i)))
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// checkAllChanged walks the schema, so that a new field is missed by nobody.
func checkAllChanged(t *testing.T, got, base *Config, except ...string) {
	t.Helper()
	var walk func(path string, a, b []field)
	walk = func(path string, a, b []field) {
		for i, f := range a {
			if sub := got.sub(f); sub != nil {
				walk(path+f.key+".", sub, base.sub(b[i]))
				continue
			}
			skip := false
			for _, key := range except {
				skip = skip || key == path+f.key
			}
			if !skip && reflect.DeepEqual(f.value.Interface(), b[i].value.Interface()) {
				t.Errorf("%s%s has its default, %v", path, f.key, f.value.Interface())
			}
		}
	}
	walk("", got.top(), base.top())
}

func TestDefaultsAreValid(t *testing.T) {
	for _, c := range []*Config{Default(), DefaultRedecoder()} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	small := Default()
	small.Model.Discriminator.FFTSizes = nil
	small.Preprocess.SampleRate, small.Model.DAC.SampleRate, small.Preprocess.FrameRate = 22050, 22050, 73.5
	small.LogDir = "a \"quoted\" <dir>\n"
	small.Optimizer.Betas, small.Optimizer.Eps, small.Augment.GainDB[0] = [2]float64{0, 0.1 + 0.2}, 1e-15, -0.1
	for _, c := range []*Config{Default(), DefaultRedecoder(), small, load(t, "experiment.json"), load(t, "redecoder.yml")} {
		data, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse("JSON()", data)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(c) || len(got.Unused()) > 0 {
			t.Errorf("%s\ncomes back as %+v, unused %v", data, got, got.Unused())
		}
		if indented, err := c.Indented(); err != nil {
			t.Error(err)
		} else if got, err := Parse("Indented()", indented); err != nil || !got.Equal(c) {
			t.Errorf("Indented() comes back as %+v, %v", got, err)
		}
		got.Model.DAC.DecoderRates[0]++
		if got.Equal(c) {
			t.Error("Equal does not see a difference")
		}
	}
}

func TestUnknownOutsideTheModel(t *testing.T) {
	c, err := Parse("x", []byte("zebra: 1\nmodel_params: {lstm: 0}\ntrain:\n  random_sed: 2\n  batch_size: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Unused(), " "); got != "zebra train.random_sed train.batch_size" {
		t.Errorf("Unused() = %s", got)
	}
	if err := c.CheckTraining(); err == nil || !strings.Contains(err.Error(), "2 unknown keys: zebra on line 1 ") || !strings.Contains(err.Error(), "train.random_sed on line 4 ") {
		t.Errorf("for training: %v", err)
	}
}

// docs/config.md says of every key what it is.
func TestDocsNameEveryKey(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Config{Default(), DefaultRedecoder()} {
		for _, key := range c.knownKeys() {
			if !strings.Contains(string(doc), "`"+key) { // sections: by their keys
				t.Errorf("docs/config.md does not have %s", key)
			}
		}
	}
}

func TestChanges(t *testing.T) {
	was := Default()
	now := Default()
	now.ExpName, now.Epochs, now.Validation.Files, now.Model.SpeakerClasses = "other", 7, 5, 12
	now.Train.KeepCheckpoints = 9
	if got := now.Changes(was); got != nil {
		t.Errorf("changes %q that a run does not depend on", got)
	}
	now.Train.Precision, now.BatchSize, now.Loss.Mel = PrecisionBF16, was.BatchSize+1, 3.5
	now.Model.DAC.EncoderRates = []int{2, 3}
	want := []string{
		fmt.Sprintf("batch_size: %d, was %d", now.BatchSize, was.BatchSize), "loss_weights.mel: 3.5, was 15",
		"model_params.DAC.encoder_rates: [2,3], was [2,5,5,6]", "train.precision: bf16, was float32",
	}
	if got := now.Changes(was); !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	if got := DefaultRedecoder().Changes(DefaultRedecoder()); got != nil {
		t.Errorf("changes of nothing: %q", got)
	}
}
