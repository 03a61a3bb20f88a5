package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func preset(t *testing.T, name string) *Config {
	t.Helper()
	c, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A preset, as it is printed, is an experiment file that a run can start from.
func TestPresets(t *testing.T) {
	if want := []string{"tiny", "base", "small", "full"}; !slices.Equal(Presets(), want) {
		t.Errorf("Presets() = %v, want %v", Presets(), want)
	}
	for _, name := range Presets() {
		c := preset(t, name)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.CheckTraining(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		text, err := c.Indented()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(name, text); err != nil || !got.Equal(c) {
			t.Errorf("%s comes back as %+v, %v", name, got, err)
		}
		// To change one is not to change the next.
		c.Model.DAC.EncoderRates[0]++
		c.Model.Discriminator.MPDChannels[0]++
		if again := preset(t, name); again.Equal(c) || again.Validate() != nil {
			t.Errorf("%s: the second one is changed with the first", name)
		}
	}
	if full := preset(t, "full"); !reflect.DeepEqual(full, Default()) {
		t.Errorf("full is %+v, not the default", full)
	}
	if _, err := Preset("Tiny\n"); err == nil || err.Error() != `no preset is called "Tiny\n"; want tiny, base, small, full` {
		t.Errorf("a preset that there is not: %v", err)
	}
}

// A preset that starts from trained weights differs in these keys alone, and none of its
// values is taken for one that random weights need.
func TestFineTune(t *testing.T) {
	for _, name := range Presets() {
		c, random := preset(t, name), preset(t, name)
		c.FineTune()
		if err := c.CheckTraining(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.Optimizer.LearningRate > 1e-4 || c.Train.DiscriminatorStart != 0 || c.Validation.Interval > random.Validation.Interval {
			t.Errorf("%s: %+v, %+v, %+v", name, c.Optimizer, c.Train, c.Validation)
		}
		want := []string{"save_interval", "train.discriminator_start", "loss_weights.f0", "loss_weights.uv", "loss_weights.content",
			"loss_weights.speaker", "optimizer.lr", "optimizer.lr_decay", "augment.speed", "augment.band_limit", "augment.voice", "validation.interval"}
		for _, key := range c.Changes(random) {
			if key, _, _ = strings.Cut(key, " "); !slices.Contains(want, strings.TrimSuffix(key, ":")) {
				t.Errorf("%s: %s changes", name, key)
			}
		}
		c.Optimizer.LearningRate = 1e-5
		if c.FineTune(); c.Optimizer.LearningRate != 1e-5 {
			t.Errorf("%s: a rate of 1e-5 becomes %g", name, c.Optimizer.LearningRate)
		}
	}
}

// What is printed has a line for each key, and lists on one line.
func TestIndented(t *testing.T) {
	text, err := Default().Indented()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"{\n  \"model_type\": \"FAcodec\",\n",
		"\n    \"DAC\": {\n      \"encoder_dim\": 64,\n      \"encoder_rates\": [2, 5, 5, 6],\n",
		"\n  \"optimizer\": {\n    \"lr\": 0.0001,\n    \"betas\": [0.9, 0.98],\n    \"eps\": 1e-9,\n",
		"\n  \"augment\": {\n    \"gain_db\": [-24, 0],\n    \"speed\": 0,\n    \"room\": 0,\n    \"noise\": 0,\n    \"equalizer\": 0,\n    \"band_limit\": 0,\n    \"voice\": 0,\n    \"parallel\": \"\"\n  },\n",
		"\n    \"speakers\": 0,\n    \"speaker_field\": \"\"\n  }\n}\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nhas no %q", text, want)
		}
	}
}
