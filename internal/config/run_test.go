package config

import (
	"strings"
	"testing"
)

func TestCheckRun(t *testing.T) {
	for name, k := range map[string]struct {
		change func(*Config)
		want   string // "" for no error
	}{
		"default":         {func(*Config) {}, ""},
		"parent":          {func(c *Config) { c.ExpName = ".." }, `exp_name: ".." is not supported; want the name of a folder below log_dir, without / or \`},
		"path":            {func(c *Config) { c.ExpName = "../other" }, `exp_name: "../other" is not supported`},
		"absolute":        {func(c *Config) { c.ExpName = "/tmp/x" }, `exp_name: "/tmp/x" is not supported`},
		"backslash":       {func(c *Config) { c.ExpName = `a\b` }, `exp_name: "a\\b" is not supported`},
		"no name":         {func(c *Config) { c.ExpName = "" }, `exp_name: "" is not supported`},
		"dots in a name":  {func(c *Config) { c.ExpName = "v1..2" }, ""},
		"duration of 0":   {func(c *Config) { c.Preprocess.DurationRange[0] = 0 }, "preprocess_params.duration_range: [0, 25] is not supported; want durations above 0 and up to 3600 seconds"},
		"duration of 2 h": {func(c *Config) { c.Preprocess.DurationRange[1] = 7200 }, "preprocess_params.duration_range: [1, 7200] is not supported"},
		"clips too short": {func(c *Config) { c.Preprocess.DurationRange[0] = 0.04 },
			"preprocess_params.duration_range: [0.04, 25] is not supported: crops of the shortest clips would have 900 samples, and the losses need 1200; want at least 0.06 s"},
		"clips of 60 ms": {func(c *Config) { c.Preprocess.DurationRange[0] = 0.06 }, ""},
		"clips too short when fast": {func(c *Config) { c.Preprocess.DurationRange[0], c.Augment.Speed = 0.06, 0.5 },
			"preprocess_params.duration_range: [0.06, 25] is not supported: crops of the shortest clips would have 900 samples, and the losses need 1200; want at least 0.08 s"},
		"crop too short": {func(c *Config) { c.MaxLen = 3 },
			"max_len: 3 is not supported: crops of 3 frames have 900 samples, and the losses need 1200; want at least 4"},
		"crop shorter than a window reflects": {func(c *Config) { c.MaxLen, c.Model.Discriminator.FFTSizes = 5, []int{4096} },
			"max_len: 5 is not supported: crops of 5 frames have 1500 samples, and the losses need 2400; want at least 8, or shorter windows in model_params.discriminator.fft_sizes"},
	} {
		c := Default()
		k.change(c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: Validate: %v", name, err)
		}
		err := c.CheckRun()
		if k.want == "" && err != nil || k.want != "" && (err == nil || !strings.HasPrefix(err.Error(), k.want)) {
			t.Errorf("%s: error %v, want %s", name, err, k.want)
		}
		// Shorter windows are a cure only where those of the discriminators are the longest.
		if err != nil && strings.Contains(err.Error(), "fft_sizes") != strings.Contains(k.want, "fft_sizes") {
			t.Errorf("%s: error %v, want %s", name, err, k.want)
		}
	}
}

// Every preset can be run.
func TestCheckRunOfPresets(t *testing.T) {
	for _, name := range Presets() {
		c, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckRun(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
