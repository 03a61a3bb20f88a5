package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// A training checkpoint is a safetensors file that every inference command opens:
// its encoder, quantizer and decoder are the EMA's; a redecoder's its encoder and
// decoder. What only training needs stands beside them, under the names in package
// checkpoint: the other networks, the generator as it is trained where there is an EMA,
// and the optimizers' moments as tensors, the rest as metadata.

// counters are the part of the state that is no array.
type counters struct {
	Steps      int            `json:"steps"`
	Skipped    int            `json:"skipped"`
	Optimizers map[string]int `json:"optimizers"` // steps taken, by network
	EMA        bool           `json:"ema"`
}

func (t *Trainer) counters() counters {
	c := counters{Steps: t.Steps, Skipped: t.Skipped, Optimizers: map[string]int{}, EMA: t.EMA != nil}
	for name, o := range t.Optimizers {
		c.Optimizers[name] = o.Steps
	}
	return c
}

func (t *Trainer) setCounters(c counters) {
	t.Steps, t.Skipped = c.Steps, c.Skipped
	for name, o := range t.Optimizers {
		o.Steps = c.Optimizers[name]
	}
}

// Save writes a checkpoint, whole or not at all. Metadata goes along with the
// state.
func (t *Trainer) Save(path string, metadata map[string]string) error {
	c := t.counters()
	var arrays []weights.Array
	add := func(name string, shape []int, values []float32) {
		arrays = append(arrays, weights.Array{Name: name, Shape: shape, Values: func() ([]float32, error) { return values, nil }})
	}
	means := t.means()
	for _, n := range t.Networks() {
		for _, p := range n.Params {
			if mean, ok := means[p.Name]; ok {
				add(p.Name, p.Shape, mean)
				add(checkpoint.RawPrefix+p.Name, p.Shape, p.Value)
			} else {
				add(p.Name, p.Shape, p.Value)
			}
		}
		for _, m := range t.Optimizers[n.Prefix].Moments {
			add(checkpoint.MeanPrefix+m.Param.Name, m.Param.Shape, m.M)
			add(checkpoint.SquarePrefix+m.Param.Name, m.Param.Shape, m.V)
		}
	}
	for _, b := range t.buffers {
		add(b.name, []int{len(b.values)}, b.values)
	}
	state, err := json.Marshal(c)
	if err != nil {
		return err
	}
	all := maps.Clone(metadata)
	if all == nil {
		all = map[string]string{}
	}
	all[checkpoint.StateKey] = string(state)
	all[checkpoint.StepKey] = strconv.Itoa(t.Steps)
	if all[checkpoint.DigestKey], err = checkpoint.Digest(all, arrays); err != nil {
		return err
	}
	return weights.WriteSafetensors(path, arrays, all, nil)
}

// means returns the EMA by parameter; none without one.
func (t *Trainer) means() map[string][]float32 {
	means := map[string][]float32{}
	if t.EMA != nil {
		for i, p := range t.EMA.Params {
			means[p.Name] = t.EMA.Means[i]
		}
	}
	return means
}

// Restore reads the state of a checkpoint that Save wrote for networks of this
// shape. After an error the trainer must not be used.
func (t *Trainer) Restore(f *weights.File) error {
	text, ok := f.Metadata()[checkpoint.StateKey]
	if !ok {
		return fmt.Errorf("%s: is no training checkpoint: it has no %s", f.Path(), checkpoint.StateKey)
	}
	var c counters
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return fmt.Errorf("%s: %s: %w", f.Path(), checkpoint.StateKey, err)
	}
	if c.EMA != (t.EMA != nil) {
		return fmt.Errorf("%s: ema.decay was %s when it was written; a run cannot change that", f.Path(), map[bool]string{true: "above 0", false: "0"}[c.EMA])
	}
	load := stateLoader{file: f}
	means := t.means()
	for _, n := range t.Networks() {
		for _, p := range n.Params {
			if mean, ok := means[p.Name]; ok {
				load.into(mean, p.Name, p.Shape)
				load.into(p.Value, checkpoint.RawPrefix+p.Name, p.Shape)
			} else {
				load.into(p.Value, p.Name, p.Shape)
			}
		}
		for _, m := range t.Optimizers[n.Prefix].Moments {
			load.into(m.M, checkpoint.MeanPrefix+m.Param.Name, m.Param.Shape)
			load.into(m.V, checkpoint.SquarePrefix+m.Param.Name, m.Param.Shape)
		}
	}
	for _, b := range t.buffers {
		load.optional(b.values, b.name, []int{len(b.values)})
	}
	if err := load.fault(); err != nil {
		return err
	}
	t.setCounters(c)
	for _, n := range t.Networks() {
		if err := n.Refresh(t.pool); err != nil {
			return err
		}
	}
	return nil
}

// A stateLoader copies arrays out of a checkpoint and collects what is wrong.
type stateLoader struct {
	file   *weights.File
	faults []string
	err    error
}

func (l *stateLoader) into(dst []float32, name string, shape []int) {
	tensor, ok := l.file.Lookup(name)
	switch {
	case l.err != nil:
	case !ok:
		l.faults = append(l.faults, name+" is missing")
	case !slices.Equal(tensor.Shape, shape):
		l.faults = append(l.faults, fmt.Sprintf("%s is %v and should be %v", name, tensor.Shape, shape))
	default:
		var v []float32
		if v, l.err = tensor.Float32(); l.err == nil {
			copy(dst, v)
			tensor.Release()
		}
	}
}

// optional is into for an array that may be missing: restart_codes may have been
// switched on since.
func (l *stateLoader) optional(dst []float32, name string, shape []int) {
	if _, ok := l.file.Lookup(name); ok {
		l.into(dst, name, shape)
	}
}

func (l *stateLoader) fault() error {
	switch {
	case l.err != nil:
		return fmt.Errorf("%s: %w", l.file.Path(), l.err)
	case len(l.faults) > 5:
		l.faults = append(l.faults[:5], fmt.Sprintf("and %d more", len(l.faults)-5))
		fallthrough
	case len(l.faults) > 0:
		return fmt.Errorf("%s: the networks are not those of this experiment: %s", l.file.Path(), strings.Join(l.faults, ", "))
	}
	return nil
}

// InferenceWeights returns the weights that validation and inference run with: the
// EMA's where there is one. They are read when they are looked up.
func (t *Trainer) InferenceWeights() weights.Source {
	shapes, values := map[string][]int{}, map[string][]float32{}
	for _, n := range t.Inference {
		for _, p := range n.Params {
			shapes[p.Name], values[p.Name] = p.Shape, p.Value
		}
	}
	maps.Copy(values, t.means())
	return weights.NewGenerated(shapes, func(name string) []float32 { return slices.Clone(values[name]) })
}

// pretrainedWeights are weights to start from: those of a checkpoint where it has them in
// the right shape, and random ones elsewhere. It says what did not match.
func pretrainedWeights(params []*nn.Param, seed uint64, f *weights.File) (src weights.Source, missing, misshapen, extra []string) {
	random := nn.InitialWeights(params, seed)
	if f == nil {
		return random, nil, nil, nil
	}
	shapes, found := map[string][]int{}, map[string]*weights.Tensor{}
	for _, p := range params {
		shapes[p.Name] = p.Shape
		t, ok := pretrained(f, p.Name)
		switch {
		case !ok:
			missing = append(missing, p.Name)
		case !slices.Equal(t.Shape, p.Shape):
			misshapen = append(misshapen, p.Name)
		default:
			found[p.Name] = t
		}
	}
	for _, name := range f.Names() {
		if _, ok := shapes[name]; !ok && !checkpoint.IsTrainingState(name) && !isBuffer(name) {
			extra = append(extra, name)
		}
	}
	return overlay{random, found}, missing, misshapen, extra
}

// pretrained returns what a run starts from for a parameter: as it was trained where the
// checkpoint has that, and not only its running mean.
func pretrained(f *weights.File, name string) (*weights.Tensor, bool) {
	if t, ok := f.Lookup(checkpoint.RawPrefix + name); ok {
		return t, true
	}
	return f.Lookup(name)
}

// An overlay is a source some of whose tensors are others.
type overlay struct {
	weights.Source
	over map[string]*weights.Tensor
}

func (o overlay) Lookup(name string) (*weights.Tensor, bool) {
	if t, ok := o.over[name]; ok {
		return t, true
	}
	return o.Source.Lookup(name)
}

// isBuffer says whether a checkpoint's array is one that is computed.
func isBuffer(name string) bool {
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	return leaf == "filter" || leaf == "window" || leaf == "fb"
}

// finite says whether v is a number.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
