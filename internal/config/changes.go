package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// harmless are the keys and sections that a run may go on with other values of as if
// nothing had changed: they say where it is, how long it lasts and what it writes.
// model_params that decide nothing of the networks have no effect on a run that goes on,
// and who resumes it compares the others.
var harmless = []string{
	"exp_name", "log_dir", "dataset", "log_interval", "save_interval", "epochs", "pretrained_model", "load_only_params",
	"pretrained_encoder", "F0_path", "train.max_epoch", "train.keep_checkpoints", "train.max_skipped_steps", "train.data_init",
	"validation.", "model_params.speaker_classes",
}

// Changes lists the keys that decide how a run goes on and that have other values than in
// was, which it was begun with: "train.precision: bf16, was float32".
func (c *Config) Changes(was *Config) (changes []string) {
	for _, d := range c.Differences(was) {
		if !slices.ContainsFunc(harmless, func(h string) bool { return d.Key == h || strings.HasSuffix(h, ".") && strings.HasPrefix(d.Key, h) }) {
			changes = append(changes, fmt.Sprintf("%s: %s, was %s", d.Key, d.Value, d.Other))
		}
	}
	return changes
}

// A Difference is a key that has an effect and another value in another experiment.
type Difference struct{ Key, Value, Other string }

// Differences lists the keys that both have and whose values are not the same, by name.
func (c *Config) Differences(other *Config) (all []Difference) {
	own, others := map[string]string{}, map[string]string{}
	c.flatten(own, "", c.top())
	other.flatten(others, "", other.top())
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if o, known := others[key]; known && o != own[key] {
			all = append(all, Difference{key, own[key], o})
		}
	}
	return all
}

// flatten writes the values that have an effect, by their keys.
func (c *Config) flatten(values map[string]string, path string, fields []field) {
	for _, f := range fields {
		if f.noEffect {
			continue
		}
		if sub := c.sub(f); sub != nil {
			c.flatten(values, path+f.key+".", sub)
			continue
		}
		var e encoder
		if e.value(f.value) == nil {
			values[path+f.key] = string(bytes.Trim(e.Bytes(), `"`))
		}
	}
}
