package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// model wraps keys of model_params, and yml those of a whole file.
func model(keys string) string { return `{"model_params": {` + keys + `}}` }

func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d": 0`, i)
	}
	return keys
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, tc := range []struct{ name, data, want string }{
		// The form.
		{"empty", "", "f: is empty; want JSON or YAML"},
		{"blank", " \n\t", "f: is empty; want JSON or YAML"},
		{"comment only", "# nothing\n", "f: is empty"},
		{"binary", "\x00\x01", "f: is not text; want JSON or YAML"},
		{"not UTF-8", "a: \xff", "f: is not text; want JSON or YAML"},
		{"large", strings.Repeat(" ", maxFile+1), "f: is larger than the 65536 bytes"},
		{"truncated JSON", "{\"model_params\":\n {\"lstm\": 2", "f:2: not valid JSON: "},
		{"not YAML", "a: [1\nb", "f:2: not valid YAML: "},
		{"two documents", "model_params: {}\n---\na: 1\n", "f:3: a second YAML document; keep one"},
		{"list", "[1]", "f:1: is no experiment file: it holds no keys"},
		{"scalar", "hello", "f:1: is no experiment file: it holds no keys"},
		{"another file", `{"name": "x"}`, "f: is no experiment file: it has no model_params"},
		{"deep JSON", `{"a": ` + deep + "}", "f:1: nested deeper than any experiment is"},
		{"deep YAML", "a: " + deep, "f:1: nested deeper than any experiment is"},
		{"deep YAML lines", "a:\n  " + strings.Repeat("- ", 40) + "x", "f:2: nested deeper than any experiment is"},
		{"many brackets", "{" + strings.Repeat("[", 3000), "f: more brackets than any experiment has"},
		{"many keys YAML", "model_params: {}\n" + strings.Repeat("a: 1\n", 2000), "f:1001: more keys than any experiment has"},
		{"many keys JSON", "{" + strings.Join(numbered(2000), ",") + "}", "f:1: more keys than any experiment has"},
		{"anchor", "a: &x [1]\nmodel_params: {}", `f:1: YAML anchors and aliases are not supported ("&"); write the value out`},
		{"tag", "model_params:\n  lstm: !!int 2", "f:2: YAML tags are not supported"},
		{"merge", "a: {}\nmodel_params:\n  <<: {}", "f:3: YAML merge keys are not supported"},
		// Keys.
		{"twice JSON", "{\"model_params\": {\"lstm\": 2,\n\"lstm\": 2}}", `f:2: key "lstm" is there twice (first on line 1); keep one`},
		{"twice YAML", "model_params: {}\nepochs: 1\nepochs: 2", `f:3: key "epochs" is there twice (first on line 2); keep one`},
		{"twice without effect", "model_params: {}\nfoo: {a: 1, a: 2}", `f:2: key "a" is there twice; keep one`},
		{"unknown", "model_params:\n  lstm: 2\n  n_c_codebook: 2", "f:3: model_params.n_c_codebook: unknown key; did you mean model_params.n_c_codebooks?"},
		{"unknown in DAC", model(`"DAC": {"enc_rates": [2]}`), "f:1: model_params.DAC.enc_rates: unknown key; did you mean model_params.DAC.encoder_rates?"},
		{"unknown in spect", "model_params: {}\npreprocess_params:\n  spect_params:\n    hop: 300", "f:4: preprocess_params.spect_params.hop: unknown key; did you mean preprocess_params.spect_params.hop_length?"},
		{"unknown section", model(`"DAc": {"sr": 24000}`), "f:1: model_params.DAc: unknown key; did you mean model_params.DAC?"},
		{"misplaced", model(`"encoder_dim": 64`), "f:1: model_params.encoder_dim: unknown key; did you mean model_params.DAC.encoder_dim?"},
		{"far off", model(`"qqqqqqqqqqq": 1`), "f:1: model_params.qqqqqqqqqqq: unknown key; remove it, or look for the right key in docs/config.md"},
		{"odd key", model(`"a\u0007b\nc": 1`), "f:1: model_params.a b c: unknown key"},
		{"redecoder's key", model(`"lstm": 2, "decoder_lstm": 0`), "f:1: model_params.decoder_lstm: unknown key"},
		{"codec's key", `{"model_type": "redecoder", "model_params": {"causal": true}}`, "f:1: model_params.causal: unknown key; a redecoder's file has model_params.encoder_causal, of its codec, and model_params.decoder_causal"},
		// Types.
		{"text for a number", model("\n" + `"lstm": "two"`), `f:2: model_params.lstm: "two" is not supported; want a whole number from 0 to 4`},
		{"quoted number", model(`"lstm": "2"`), `f:1: model_params.lstm: "2" is not supported; want a whole number from 0 to 4`},
		{"fraction", model(`"lstm": 2.5`), "f:1: model_params.lstm: 2.5 is not supported; want a whole number from 0 to 4"},
		{"huge", model(`"lstm": 1e999`), "f:1: model_params.lstm: 1e999 is not supported; want a whole number"},
		{"wraps", model(`"lstm": 4294967298`), "f:1: model_params.lstm: 4294967298 is not supported; want a whole number"},
		{"octal", "model_params:\n  lstm: 02", "f:2: model_params.lstm: 02 is not supported; want a whole number"},
		{"infinite", "model_params: {}\npreprocess_params: {frame_rate: .inf}", "f:2: preprocess_params.frame_rate: .inf is not supported; want a number"},
		{"number for a truth", model(`"causal": 1`), "f:1: model_params.causal: 1 is not supported; want true or false"},
		{"text for a truth", "model_params:\n  causal: 'True'", `f:2: model_params.causal: "True" is not supported; want true or false`},
		{"truth for a text", "exp_name: yes\nmodel_params: {}", "f:1: exp_name: yes is not supported; want text; put it in quotes"},
		{"number for a text", `{"log_dir": 5, "model_params": {}}`, "f:1: log_dir: 5 is not supported; want text; put it in quotes"},
		{"null", model(`"lstm": null`), "f:1: model_params.lstm: empty is no value; want a whole number from 0 to 4, or leave the key out"},
		{"empty section", "model_params:\n", "f:1: model_params: empty is no value; want a section of keys"},
		{"number for a section", `{"model_params": 3}`, "f:1: model_params: 3 is not supported; want a section of keys"},
		{"section for a number", model(`"lstm": {"layers": 2}`), "f:1: model_params.lstm: a mapping is not supported; want a whole number"},
		{"number for a list", model(`"DAC": {"encoder_rates": 300}`), "f:1: model_params.DAC.encoder_rates: 300 is not supported; want a list of 1 to 8 whole numbers from 1 to 1000"},
		{"text in a list", model(`"DAC": {"encoder_rates": [2, "5"]}`), `f:1: model_params.DAC.encoder_rates[1]: "5" is not supported; want a whole number from 1 to 1000`},
		{"pair", `{"model_params": {}, "preprocess_params": {"duration_range": [1]}}`, "f:1: preprocess_params.duration_range: a list is not supported; want a list of 2 numbers"},
		// Values.
		{"lstm", model(`"lstm": 5`), "f:1: model_params.lstm: 5 is not supported; want a whole number from 0 to 4"},
		{"negative", model(`"latent_dim": -1`), "f:1: model_params.latent_dim: -1 is not supported; want a whole number from 1 to 4096"},
		{"absurd", model(`"latent_dim": 1000000`), "f:1: model_params.latent_dim: 1000000 is not supported"},
		{"no books", model(`"n_r_codebooks": 0`), "f:1: model_params.n_r_codebooks: 0 is not supported; want a whole number from 1 to 32"},
		{"no rates", model(`"DAC": {"encoder_rates": []}`), "f:1: model_params.DAC.encoder_rates: [] is not supported; want a list of 1 to 8"},
		{"many rates", model(`"DAC": {"encoder_rates": [1,1,1,1,1,1,1,1,1]}`), "f:1: model_params.DAC.encoder_rates: of 9 numbers is not supported; want a list of 1 to 8"},
		{"rate 0", model(`"DAC": {"encoder_rates": [0, 300]}`), "f:1: model_params.DAC.encoder_rates[0]: 0 is not supported; want a whole number from 1"},
		{"four layers", model(`"discriminator": {"mpd_channels": [1,2,3,4]}`), "f:1: model_params.discriminator.mpd_channels: [1, 2, 3, 4] is not supported; want a list of 5 whole"},
		{"encoder product", model(`"DAC": {"encoder_rates": [2, 5, 5, 5]}`), "f:1: model_params.DAC.encoder_rates: [2, 5, 5, 5] multiply to 250; want a product of 300, which is preprocess_params.spect_params.hop_length"},
		{"decoder product", model(`"DAC": {"decoder_rates": [1000,1000,1000,1000,1000,1000,1000,1000]}`), "f:1: model_params.DAC.decoder_rates: [1000, 1000, 1000, 1000, 1000, 1000, 1000…] multiply to 1e+24; want a product of 300"},
		{"hop alone", "model_params: {}\npreprocess_params:\n  spect_params: {hop_length: 256}", "f:1: model_params.DAC.encoder_rates: [2, 5, 5, 6] multiply to 300; want a product of 256"},
		{"rates differ", model(`"DAC": {"sr": 16000}`), "f:1: model_params.DAC.sr: 16000 is not supported; want 24000, as preprocess_params.sr is"},
		{"frame rate", "model_params: {}\npreprocess_params:\n  frame_rate: 75", "f:3: preprocess_params.frame_rate: 75 is not supported; want 80, which is sr / hop_length = 24000 / 300, or leave the key out"},
		{"odd n_fft", "model_params: {}\npreprocess_params: {spect_params: {n_fft: 2047}}", "f:2: preprocess_params.spect_params.n_fft: 2047 is not supported; want an even number"},
		{"window", "model_params: {}\npreprocess_params: {spect_params: {n_fft: 1024}}", "f:2: preprocess_params.spect_params.win_length: 1200 is not supported; want at most n_fft, 1024"},
		{"mels", "model_params: {}\npreprocess_params: {spect_params: {n_fft: 128, win_length: 128}}", "f:2: preprocess_params.spect_params.n_mels: 80 is not supported; want at most n_fft/2 + 1, 65"},
		{"prosody bins", model(`"prosody_mel_bins": 81`), "f:1: model_params.prosody_mel_bins: 81 is not supported; want at most n_mels, 80"},
		{"wide encoder", model(`"DAC": {"encoder_dim": 300}`), "f:1: model_params.DAC.encoder_dim: 300 is not supported: doubled by each of 4 encoder_rates it gives 4800 channels; want at most 4096"},
		{"decoder width", model(`"DAC": {"decoder_dim": 1528}`), "f:1: model_params.DAC.decoder_dim: 1528 is not supported: it is halved by each of 4 decoder_rates; want a multiple of 16"},
		{"odd timbre", model(`"timbre_hidden_dim": 33`), "f:1: model_params.timbre_hidden_dim: 33 is not supported: its attention has two heads; want an even number"},
		{"no discriminator", model(`"discriminator": {"periods": [], "fft_sizes": []}`), "f:1: model_params.discriminator.periods: [] is not supported with no fft_sizes either"},
		{"window of a discriminator", model(`"discriminator": {"fft_sizes": [512, 510]}`), "f:1: model_params.discriminator.fft_sizes[1]: 510 is not supported; want a power of two from 32 to 8192"},
		{"window that the FFT does not have", model(`"discriminator": {"fft_sizes": [1000]}`), "f:1: model_params.discriminator.fft_sizes[0]: 1000 is not supported; want a power of two from 32 to 8192"},
		{"window beyond the FFT", model(`"discriminator": {"fft_sizes": [2048, 16384]}`), "f:1: model_params.discriminator.fft_sizes[1]: 16384 is not supported; want a power of two from 32 to 8192"},
		{"prosody encoder", model(`"separate_prosody_encoder": false`), "f:1: model_params.separate_prosody_encoder: false is not supported; want true"},
		{"timbre norm", "model_params:\n  timbre_norm: False", "f:2: model_params.timbre_norm: false is not supported; want true"},
		{"model type", `{"model_type": "VALLE", "model_params": {}}`, `f:1: model_type: "VALLE" is not supported; want FAcodec or redecoder`},
		{"encoder type", model(`"encoder_type": "mamba"`), `f:1: model_params.encoder_type: "mamba" is not supported; want "wavenet"`},
		{"precision", `{"model_params": {}, "train": {"precision": "fp16"}}`, `f:1: train.precision: "fp16" is not supported; want "float32", "exact" or "bf16"`},
		{"durations", `{"model_params": {}, "preprocess_params": {"duration_range": [5, 2]}}`, "f:1: preprocess_params.duration_range: [5, 2] is not supported; want the shortest and the longest"},
		{"no epochs", `{"model_params": {}, "train": {"max_epoch": 0}}`, "f:1: train.max_epoch: 0 is not supported; want -1 for no limit, or at least 1"},
		// Training.
		{"learning rate", "model_params: {}\noptimizer:\n  lr: 3", "f:3: optimizer.lr: 3 is not supported; want a number from 1e-09 to 1"},
		{"text for a rate", `{"model_params": {}, "optimizer": {"lr": "1e-4"}}`, `f:1: optimizer.lr: "1e-4" is not supported; want a number from 1e-09 to 1`},
		{"one beta", `{"model_params": {}, "optimizer": {"betas": [0.9]}}`, "f:1: optimizer.betas: a list is not supported; want a list of 2 numbers from 0 to 1"},
		{"text for a beta", `{"model_params": {}, "optimizer": {"betas": [0.9, true]}}`, "f:1: optimizer.betas[1]: true is not supported; want a number from 0 to 1"},
		{"large beta", `{"model_params": {}, "optimizer": {"betas": [0.9, 1.5]}}`, "f:1: optimizer.betas[1]: 1.5 is not supported; want a number from 0 to 1"},
		{"beta 1", "model_params: {}\noptimizer:\n  betas: [1.0, 0.5]", "f:3: optimizer.betas[0]: 1 is not supported: the mean would never move; want less than 1"},
		{"EMA 1", `{"model_params": {}, "ema": {"decay": 1}}`, "f:1: ema.decay: 1 is not supported: the average would never move; want less than 1, or 0 for none"},
		{"negative weight", `{"model_params": {}, "loss_weights": {"mel": -1}}`, "f:1: loss_weights.mel: -1 is not supported; want a number from 0 to 1e+06"},
		{"parallel without voice", `{"model_params": {}, "augment": {"parallel": "others"}}`, "f:1: augment.parallel: \"others\" has no effect while augment.voice is 0; want the share of clips that are encoded in another voice, 0.5 say"},
		{"gain", `{"model_params": {}, "augment": {"gain_db": [0, -24]}}`, "f:1: augment.gain_db: [0, -24] is not supported; want the smallest and the largest gain in dB"},
		{"mask", `{"model_params": {}, "train": {"residual_mask": 75}}`, "f:1: train.residual_mask: 75 is not supported; want a number from 0 to 1"},
		{"no section", `{"model_params": {}, "ema": 0.99}`, "f:1: ema: 0.99 is not supported; want a section of keys"},
		{"units", "model_params: {phone_classes: 100}\nteachers:\n  content_units: 101", "f:3: teachers.content_units: 101 is not supported: each unit is a class of the phone predictors; want at most model_params.phone_classes, 100"},
		{"speakers", "model_params: {speaker_classes: 4}\nteachers: {speakers: 5}", "f:2: teachers.speakers: 5 is not supported: each is a class of the speaker predictors; want at most model_params.speaker_classes, 4"},
		{"no batch", `{"model_params": {}, "batch_size": 0}`, "f:1: batch_size: 0 is not supported; want a whole number from 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("f", []byte(tc.data))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error  %s\nwant   %s", err, tc.want)
			}
			if strings.ContainsAny(err.Error(), "\n\r\a") || len(err.Error()) > 400 {
				t.Errorf("error is not a line: %q", err)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.json")
	if _, err := Load(missing); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), missing) != 1 {
		t.Errorf("Load of a missing file: %v", err)
	}
	if _, err := Load(dir); err == nil || err.Error() != dir+": is a directory; want an experiment file, JSON or YAML" {
		t.Errorf("Load of a directory: %v", err)
	}
}

// What Parse refuses, Validate refuses in a config made by code as well.
func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Model.LSTM = 9 }, "model_params.lstm: 9 is not supported; want a whole number from 0 to 4"},
		{func(c *Config) { c.Preprocess.Spect.HopLength = 0 }, "preprocess_params.spect_params.hop_length: 0 is not supported"},
		{func(c *Config) { c.ModelType = TypeRedecoder }, `model_type: "redecoder" is not supported; want FAcodec`},
		{func(c *Config) { c.Model.DAC.DecoderRates = []int{300} }, ""},
		{func(c *Config) { c.Loss.F0 = math.NaN() }, "loss_weights.f0: NaN is not supported; want a number from 0 to 1e+06"},
		{func(c *Config) { c.Preprocess.Spect.NFFT, c.Loss.Conversion = 1500, 5 },
			"loss_weights.conversion: 5 is not supported with preprocess_params.spect_params.n_fft 1500; want 0, or for n_fft a power of two from 8 to 2048"},
		{func(c *Config) { c.Preprocess.Spect.NFFT, c.Loss.Voice, c.Loss.Identity = 1500, 1, 5 },
			"loss_weights.identity: 5 is not supported with preprocess_params.spect_params.n_fft 1500"},
		{func(c *Config) { c.Loss.Identity = 5 }, "loss_weights.identity: 5 is not supported without loss_weights.voice"},
		{func(c *Config) { c.Train.DetachContent = true }, "train.detach_content: true is not supported without augment.voice"},
		{func(c *Config) { c.Train.DetachContent, c.Augment.Voice = true, 0.5 }, ""},
		{func(c *Config) { c.Optimizer.Betas[1] = math.NaN() }, "optimizer.betas[1]: NaN is not supported; want a number from 0 to 1"},
		{func(c *Config) { c.Augment.GainDB[1] = math.Inf(1) }, "augment.gain_db[1]: +Inf is not supported; want a number from -120 to 40"},
	} {
		c := Default()
		tc.change(c)
		err := c.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
			t.Errorf("Validate() = %v, want %q", err, tc.want)
		}
	}
}
