package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCheckTraining(t *testing.T) {
	codec, redecoder := load(t, "experiment.json"), load(t, "redecoder.yml")
	for _, c := range []*Config{codec, Default()} {
		if err := c.CheckTraining(); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []*Config{redecoder, DefaultRedecoder()} {
		if err := c.CheckRedecoderTraining(); err != nil {
			t.Error(err)
		}
	}
	parse := func(text string) *Config {
		t.Helper()
		c, err := Parse("my.yml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := parse("model_params: {}\noptimizer:\n  lr: 1e-3\n  beta: [0.9, 0.99]\n")
	all := parse("zebra: 1\nmodel_params: {}\nlosses:\n  lambda_mel: 2\n  mel: 3\ntrain:\n  random_sed: 2\n  batch_size: 3\n  \"a\\nb\": 1\n")
	wavenet := parse("model_type: redecoder\nmodel_params: {}\nteachers: {speakers: 2}\nema: {decai: 0.9}\n")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{redecoder.CheckTraining(), "testdata/redecoder.yml: is a redecoder's experiment file, which train-redecoder takes; want a codec's"},
		{codec.CheckRedecoderTraining(), "testdata/experiment.json: is a codec's experiment file, which train takes; want a redecoder's"},
		{DefaultRedecoder().CheckTraining(), "is a redecoder's experiment file, which train-redecoder takes; want a codec's"},
		{one.CheckTraining(), "my.yml: unknown key optimizer.beta on line 4 (did you mean optimizer.betas?)"},
		{all.CheckTraining(), "my.yml: 5 unknown keys: zebra on line 1 (remove it, or look for the right key in docs/config.md), " +
			"losses.lambda_mel on line 4 (did you mean loss_params.lambda_mel?), losses.mel on line 5 (did you mean loss_weights.mel?), " +
			"train.random_sed on line 7 (did you mean train.random_seed?), train.a b on line 9 (remove it, or look for the right key in docs/config.md)"},
		{wavenet.CheckRedecoderTraining(), "my.yml: unknown key ema.decai on line 4 (did you mean ema.decay?)"},
	} {
		if tc.err == nil || tc.err.Error() != filepath.FromSlash(tc.want) {
			t.Errorf("error %v\nwant  %s", tc.err, tc.want)
		}
	}
	// What a redecoder's training does not have is listed with what is unused.
	if got := strings.Join(wavenet.Unused(), " "); got != "teachers ema.decai" {
		t.Errorf("Unused() = %s", got)
	}
}

// A model of few phone classes needs no other key to be one, in a checkpoint
// that was never trained here, say.
func TestContentUnitsFollow(t *testing.T) {
	for text, want := range map[string]int{
		`{"model_params": {}}`:                                                          256,
		`{"model_params": {"phone_classes": 40}}`:                                       40,
		`{"model_params": {"phone_classes": 40}, "teachers": {"speakers": 2}}`:          40,
		`{"model_params": {"phone_classes": 40}, "teachers": {"content_units": 32}}`:    32,
		`{"model_params": {"phone_classes": 2000}}`:                                     256,
		`{"model_params": {"phone_classes": 2000}, "teachers": {"content_units": 1e3}}`: 1000,
	} {
		c, err := Parse("x", []byte(text))
		if err != nil {
			t.Error(err)
		} else if c.Teachers.ContentUnits != want {
			t.Errorf("%s: %d content units, want %d", text, c.Teachers.ContentUnits, want)
		}
	}
}

// docs/training.md says of every key of upstream's files what became of it,
// and names keys that exist.
func TestDocsNameEveryUpstreamKey(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "training.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, doc, found := strings.Cut(string(data), "\n## Every key of upstream\n")
	if !found {
		t.Fatal("the section is missing")
	}
	doc, _, _ = strings.Cut(doc, "\n## ")
	known := append(Default().knownKeys(), DefaultRedecoder().knownKeys()...)
	rows := map[string]string{} // what became of it, by key
	for line := range strings.Lines(doc) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		key := strings.Trim(cells[1], " `")
		rows[key] = strings.TrimSpace(cells[2])
		if !slices.Contains(known, key) {
			t.Errorf("%s is no key", key)
		}
		for i, word := range strings.Split(cells[2]+cells[3], "`") {
			if i%2 == 1 && strings.Contains(word, ".") && !slices.Contains(known, word) {
				t.Errorf("%s: %s is no key", key, word)
			}
		}
	}
	for _, file := range []string{"experiment.json", "codec.yml", "redecoder.yml"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		root, err := parseTree(data)
		if err != nil {
			t.Fatal(err)
		}
		unused := load(t, file).Unused()
		var walk func(path string, n *node)
		walk = func(path string, n *node) {
			if n.kind == mapping {
				for _, e := range n.keys {
					walk(strings.TrimPrefix(path+"."+e.key, "."), e.value)
				}
				return
			}
			if what := rows[path]; what == "" {
				t.Errorf("%s: docs/training.md does not say what became of %s", file, path)
			} else if used := strings.HasPrefix(what, "used"); used == slices.Contains(unused, path) {
				t.Errorf("%s: docs/training.md says that %s is %s", file, path, what)
			}
		}
		walk("", root)
	}
}
