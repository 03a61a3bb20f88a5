package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A field is one key that a section of the file may have.
type field struct {
	key      string
	value    reflect.Value
	min, max int  // range of a whole number or of each in a list; max 0: none
	lenMin   int  // of a list
	lenMax   int  // 0: none
	noEffect bool // known, but nothing of this kind of model has it

	// fmin and fmax are the range of a number that need not be whole, or of each in a
	// list, where it has bounds.
	fmin, fmax float64
	bounded    bool
}

// floats says what range the field's numbers have, to follow "a number".
func (f field) floats() string {
	if !f.bounded {
		return ""
	}
	return fmt.Sprintf(" from %s to %s", number(f.fmin), number(f.fmax))
}

// section lists the keys of a section, given as the structs that hold them.
func section(redecoder bool, structs ...reflect.Value) []field {
	var fields []field
	for _, s := range structs {
		for i := range s.NumField() {
			tag := s.Type().Field(i).Tag
			f := field{key: tag.Get("key"), value: s.Field(i)}
			if f.key == "" {
				continue
			}
			if other := tag.Get("redecoder"); redecoder && other == "-" {
				f.noEffect = true
			} else if redecoder && other != "" {
				f.key = other
			}
			f.min, f.max = pair(tag.Get("range"))
			f.lenMin, f.lenMax = pair(tag.Get("len"))
			f.fmin, f.fmax, f.bounded = floatPair(tag.Get("frange"))
			fields = append(fields, f)
		}
	}
	return fields
}

func pair(tag string) (lo, hi int) {
	if tag == "" {
		return 0, 0
	}
	a, b, _ := strings.Cut(tag, ",")
	lo, errLo := strconv.Atoi(a)
	hi, errHi := strconv.Atoi(b)
	if errLo != nil || errHi != nil {
		panic("config: bad tag " + tag)
	}
	return lo, hi
}

func floatPair(tag string) (lo, hi float64, ok bool) {
	if tag == "" {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(tag, ",")
	lo, errLo := strconv.ParseFloat(a, 64)
	hi, errHi := strconv.ParseFloat(b, 64)
	if errLo != nil || errHi != nil {
		panic("config: bad tag " + tag)
	}
	return lo, hi, true
}

// sub lists the keys below a field that is a section itself, or nil. The
// redecoder's own keys stand among those of model_params.
func (c *Config) sub(f field) []field {
	if f.value.Kind() != reflect.Struct {
		return nil
	}
	structs := []reflect.Value{f.value}
	if c.Redecoder != nil && f.value.Type() == reflect.TypeFor[Model]() {
		structs = append(structs, reflect.ValueOf(c.Redecoder).Elem())
	}
	return section(c.IsRedecoder(), structs...)
}

// top lists the sections and keys of the whole file.
func (c *Config) top() []field {
	return section(c.IsRedecoder(), reflect.ValueOf(c).Elem())
}

// strict sections have no unknown keys: each of theirs shapes the networks.
func strict(path string) bool {
	return strings.HasPrefix(path, "model_params.") || strings.HasPrefix(path, "preprocess_params.")
}

// unusedKeys are the keys of upstream's files that nothing reads, there or
// here, and why.
var unusedKeys = map[string]string{
	"device":       "this program runs on the CPU",
	"save_freq":    "save_interval decides",
	"batch_length": "upstream never reads it; batch_size and max_len decide",

	"data_params.train_data": "dataset names the folder",
	"data_params.val_data":   "held out of dataset; validation.share and validation.files say how much",
	"data_params.root_path":  "dataset names the folder",

	"train.batch_size":               "the top-level batch_size decides",
	"train.save_checkpoint_stride":   "save_interval decides",
	"train.max_frame_len":            "max_len decides",
	"train.tracker":                  "TensorBoard events are always written",
	"train.run_eval":                 "validation is always run, every validation.interval steps",
	"train.sampler.holistic_shuffle": "files are always shuffled, by the seed",
	"train.sampler.drop_last":        "batches are always full",
	"train.dataloader.num_worker":    "loading runs ahead by itself",
	"train.dataloader.pin_memory":    "this program runs on the CPU",

	"model_params.fixed":                    "upstream never reads it",
	"model_params.w2v":                      "upstream never reads it",
	"model_params.use_gr_timbre_prosody":    "without effect where timbre_norm is true, which it has to be",
	"model_params.mamba_embed_dim":          "for an encoder_type that is not supported",
	"model_params.prob_random_mask_prosody": "for an encoder_type that is not supported",
	"model_params.prob_random_mask_content": "for an encoder_type that is not supported",

	"loss_params.base_lr":                  "upstream never reads it; optimizer.lr decides",
	"loss_params.warmup_steps":             "upstream never reads it; optimizer.warmup_steps decides",
	"loss_params.discriminator_iter_start": "upstream never uses it; train.discriminator_start decides",
	"loss_params.lambda_spk":               "upstream never reads it; loss_weights.speaker decides",
	"loss_params.lambda_mel":               "upstream never reads it; loss_weights.mel decides",
	"loss_params.lambda_f0":                "upstream never reads it; loss_weights.f0 decides",
	"loss_params.lambda_uv":                "upstream never reads it; loss_weights.uv decides",
}

// knownKeys lists every dotted key that a file of this kind may have.
func (c *Config) knownKeys() []string {
	var keys []string
	var walk func(path string, fields []field)
	walk = func(path string, fields []field) {
		for _, f := range fields {
			keys = append(keys, path+f.key)
			walk(path+f.key+".", c.sub(f))
		}
	}
	walk("", c.top())
	for key := range unusedKeys {
		keys = append(keys, key)
	}
	return keys
}

// suggest returns what to do about an unknown key: the same name where it
// belongs, or the most alike name beside it.
func (c *Config) suggest(path string) string {
	dir, name := cut(path)
	if c.IsRedecoder() && (path == "model_params.causal" || path == "model_params.lstm") {
		return fmt.Sprintf("a redecoder's file has %[1]sencoder_%[2]s, of its codec, and %[1]sdecoder_%[2]s", dir, name)
	}
	best, bestDist := "", max(2, len(name)/2)+1
	for _, known := range c.knownKeys() {
		knownDir, knownName := cut(known)
		d := distance(strings.ToLower(name), strings.ToLower(knownName))
		if len(name) > 2 && strings.Contains(knownName, name) {
			d = min(d, 2) // hop for hop_length
		}
		if knownDir != dir {
			if d > 0 || name == "sr" {
				continue
			}
			d = 1 // the right name in the wrong place beats most typing mistakes
		}
		if d < bestDist || d == bestDist && known < best {
			best, bestDist = known, d
		}
	}
	if best == "" {
		return "remove it, or look for the right key in docs/config.md"
	}
	return fmt.Sprintf("did you mean %s?", best)
}

func cut(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '.')
	return path[:i+1], path[i+1:]
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
