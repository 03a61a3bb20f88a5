package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever the bytes: no panic, errors of one line, and what is read is valid
// and survives being written.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{
		"", "{", "[", "// x\n{}", "model_params: {}", "model_params:\n  DAC: {sr: 1e-4}\n",
		"{\"model_params\":{\"lstm\":1e999}}", "a: &a [*a]", "- - - -", "? a\n: b", "a: |\n  x\n", "%YAML 1.2\n---\n{}",
		"model_params: {wavenet_embed_dim: 4, decoder_lstm: 0}\nmodel_type: redecoder", "\"\\ud800\": 1", "a: 'x\n", "!!binary x: y",
		"model_params: {phone_classes: 2}\noptimizer: {betas: [0, .5], lr: 1e-9}\nloss_weights: {mel: 0}\naugment: {gain_db: [-1, 1]}\nzebra: {a: 1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz", data)
		if err != nil {
			if msg := err.Error(); !strings.HasPrefix(msg, "fuzz") || strings.ContainsAny(msg, "\n\r") || len(msg) > 1000 {
				t.Errorf("error %q", msg)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("read, but not valid: %v", err)
		}
		if err := errors.Join(c.CheckTraining(), c.CheckRedecoderTraining()); err == nil {
			t.Error("good for both kinds of training")
		} else if strings.Count(err.Error(), "\n") > 1 || !strings.HasPrefix(err.Error(), "fuzz: ") {
			t.Errorf("error %q", err)
		}
		out, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("fuzz", out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !again.Equal(c) {
			t.Errorf("%s\ncomes back different", out)
		}
	})
}
