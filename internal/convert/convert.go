// Package convert writes checkpoints: in another format, with the inference networks
// only, or with random weights.
package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/weights"
)

// Options are what Convert, Export and Random have in common.
type Options struct {
	// Config names an experiment file that replaces the usual one: the standard
	// configuration, or the one that the checkpoint carries or that is next to it.
	Config string
	// Data, if not nil, is the checkpoint that is read, in memory, and the input is what
	// it is called.
	Data []byte
	// Metadata is put into the output beside the checkpoint's own; an empty text takes
	// away what the checkpoint has.
	Metadata map[string]string
	// DType is the type that Export stores weights in: F32 by default, F16, BF16 or I8,
	// which take half of the space.
	DType weights.DType
	// Progress, if not nil, is called with the bytes written and to write.
	Progress func(done, total int64)
}

// A Report says what was written.
type Report struct {
	Output     string   `json:"output"`
	Format     string   `json:"format"`     // "safetensors" or "PyTorch zip"
	Tensors    int      `json:"tensors"`    // written
	Parameters int64    `json:"parameters"` // numbers in them
	Config     bool     `json:"config"`     // the file carries a configuration
	LeftOut    []string `json:"left_out"`   // what the input holds that is neither: optimizers and the like
}

// Random writes a checkpoint of random weights, by the recipe of the golden numbers:
// they follow from the seed and the parameters' names. A codec with it computes all
// that a trained one does, and what it decodes is noise. With redecoder it is one of a
// redecoder. The extension of output sets the format, as for Convert.
func Random(ctx context.Context, output string, seed uint64, redecoder bool, o Options) (Report, error) {
	c := config.Default()
	if redecoder {
		c = config.DefaultRedecoder()
	}
	if o.Config != "" {
		var err error
		if c, err = config.Load(o.Config); err != nil {
			return Report{}, err
		}
		if redecoder && !c.IsRedecoder() {
			return Report{}, fmt.Errorf("%s: a codec's configuration: %w; give a redecoder's", o.Config, codec.ErrKind)
		}
	}
	// The recipe goes by names, and the networks of a redecoder have other ones
	// there than in its file: both models call two of theirs encoder and decoder.
	prefix := ""
	if c.IsRedecoder() {
		prefix = "redecoder."
	}
	var arrays []weights.Array
	for _, p := range codec.Params(c) {
		arrays = append(arrays, weights.Array{Name: p.Name, Shape: p.Shape, Values: func() ([]float32, error) {
			return weights.RandomValues(seed, prefix+p.Name, p.Shape), nil
		}})
	}
	metadata := map[string]any{checkpoint.RandomKey: fmt.Sprint("seed ", seed)}
	return write(ctx, output, arrays, metadata, c, o)
}

// Convert writes the checkpoint input in the format that the extension of output
// sets: .safetensors, or .pth, .pt or .bin for a PyTorch file that upstream loads.
// All networks are written, those that only training uses too, and the
// configuration, the training step and the epoch. Values become float32; 64-bit
// integers stay what they are. Optimizers and schedulers are left out, of a training
// run here also the networks as they learn, and tensors that are no real numbers. What
// could not be opened as a codec, a redecoder or a pitch network is an error.
func Convert(ctx context.Context, input, output string, o Options) (Report, error) {
	return rewrite(ctx, input, output, o, func(file *weights.File, c *config.Config) (selection, error) {
		if err := codec.CheckKnown(c, file, input); err != nil {
			return selection{}, err
		}
		return choose(file, func(name string) bool { return !checkpoint.IsTrainingState(name) }), nil
	})
}

// RandomNS3 is Random for a network of the NaturalSpeech 3 family, which is a file of its
// own.
func RandomNS3(ctx context.Context, output string, seed uint64, kind ns3.Kind, o Options) (Report, error) {
	src := ns3.Random(kind, ns3.ParamsOf(kind), seed)
	var arrays []weights.Array
	for _, name := range src.Names() {
		t, _ := src.Lookup(name)
		arrays = append(arrays, weights.ArrayOf(t))
	}
	metadata := map[string]any{checkpoint.RandomKey: fmt.Sprint("seed ", seed), checkpoint.LayoutKey: bareLayout}
	return write(ctx, output, arrays, metadata, nil, o)
}

// bareLayout is the layout of a state dict that is a file by itself; safetensors know it
// as a flat one.
const bareLayout = "bare"

// A selection is what is written of a checkpoint.
type selection struct {
	arrays   []weights.Array
	metadata map[string]any
	leftOut  []string // the names of what is not
}

// rewrite writes what selectFrom takes from the checkpoint input; it is given the
// configuration that is written too, nil for none.
func rewrite(ctx context.Context, input, output string, o Options,
	selectFrom func(*weights.File, *config.Config) (selection, error)) (Report, error) {
	if _, err := formatOf(output); err != nil {
		return Report{}, err
	}
	var file *weights.File
	var err error
	if o.Data != nil {
		file, err = weights.OpenBytes(input, o.Data)
	} else {
		file, err = weights.Open(input)
	}
	if err != nil {
		return Report{}, err
	}
	defer file.Close()
	if same(file.Path(), output) {
		return Report{}, fmt.Errorf("%s: is the input; name another file for the output", output)
	}
	c, err := configToWrite(file, input, o.Config)
	if err != nil {
		return Report{}, err
	}
	s, err := selectFrom(file, c)
	if err != nil {
		return Report{}, err
	}
	for i, a := range s.arrays {
		network, _, _ := strings.Cut(a.Name, ".")
		if s.metadata[checkpoint.LayoutKey] == bareLayout || slices.Contains(codec.InferenceNetworks(c), network) {
			s.arrays[i] = weights.Finite(a)
		}
	}
	report, err := write(ctx, output, s.arrays, s.metadata, c, o)
	report.LeftOut = s.leftOut
	return report, err
}

// configToWrite finds the configuration for a converted checkpoint; nil for one
// that has none, such as the pitch network's. One that was not in the file must
// fit: the output would keep the mistake.
func configToWrite(file *weights.File, path, given string) (*config.Config, error) {
	if given != "" {
		c, err := config.Load(given)
		if err == nil {
			err = codec.Check(c, file, path)
		}
		return c, err
	}
	_, own := checkpoint.Metadata(file, checkpoint.ConfigKey)
	if !own && !checkpoint.HasNetworks(file, codec.Encoder, codec.Decoder) {
		return nil, nil
	}
	c, err := checkpoint.Config(file, path, checkpoint.Beside(path))
	switch {
	case errors.Is(err, checkpoint.ErrNoConfig):
		return nil, nil
	case err == nil && !own:
		err = codec.Check(c, file, path)
	}
	return c, err
}

// choose selects the tensors with values that keep wants, and what the checkpoint says
// of them. Of the others it names the networks; tensors without values one by one.
func choose(file *weights.File, keep func(name string) bool) (s selection) {
	left := map[string]bool{}
	for _, name := range file.Names() {
		t, _ := file.Lookup(name)
		network, _, _ := strings.Cut(name, ".")
		switch {
		case !keep(name):
			left[network] = true
		case t.Err() != nil:
			left[name] = true
		default:
			s.arrays = append(s.arrays, weights.ArrayOf(t))
		}
	}
	metadata, leftOut := metadataOf(file)
	for _, name := range leftOut {
		left[name] = true
	}
	s.metadata = metadata
	for key := range metadata {
		if strings.HasPrefix(key, checkpoint.TrainingPrefix) {
			delete(metadata, key)
			left[checkpoint.TrainingPrefix+"*"] = true
		}
	}
	s.leftOut = slices.Sorted(maps.Keys(left))
	return s
}

// metadataOf returns what a checkpoint says of itself, strings and int64, and names
// what it holds beside.
func metadataOf(file *weights.File) (metadata map[string]any, leftOut []string) {
	metadata = map[string]any{}
	for key, text := range file.Metadata() {
		metadata[key] = text
	}
	for key, value := range file.Values() {
		switch value.(type) {
		case string, int64:
			metadata[key] = value
		case nil:
		default:
			leftOut = append(leftOut, key)
		}
	}
	for _, key := range []string{checkpoint.StepKey, checkpoint.EpochKey} {
		if n, ok := checkpoint.Number(file, key); ok {
			metadata[key] = n
		}
	}
	if _, ok := ns3.KindOf(file); ok {
		metadata[checkpoint.LayoutKey] = bareLayout
	} else if checkpoint.IsFlat(file) {
		metadata[checkpoint.LayoutKey] = checkpoint.FlatLayout
	}
	slices.Sort(leftOut)
	return metadata, leftOut
}

// CheckOutput returns the error that writing a checkpoint to path would end with, as far as it
// can be told before there is one: its extension sets no format, or no file can be written there.
func CheckOutput(path string) error {
	if _, err := formatOf(path); err != nil {
		return err
	}
	return atomicfile.Probe(path)
}

const (
	safetensorsFormat = "safetensors"
	torchFormat       = "PyTorch zip"
)

// formatOf returns the format that the extension of a checkpoint's name sets.
func formatOf(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".safetensors":
		return safetensorsFormat, nil
	case ".pth", ".pt", ".bin":
		return torchFormat, nil
	default:
		return "", fmt.Errorf("%s: the file extension sets the format: give .safetensors, or .pth, .pt or .bin for PyTorch", path)
	}
}

func same(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// write writes arrays and metadata; c may be nil.
func write(ctx context.Context, output string, arrays []weights.Array, metadata map[string]any, c *config.Config, o Options) (Report, error) {
	format, err := formatOf(output)
	if err != nil {
		return Report{}, err
	}
	for key, text := range o.Metadata {
		if metadata[key] = text; text == "" {
			delete(metadata, key)
		}
	}
	if c != nil {
		text, err := c.JSON()
		if err != nil {
			return Report{}, err
		}
		metadata[checkpoint.ConfigKey] = string(text)
	}
	report := Report{Output: output, Format: format, Config: c != nil}
	for i, a := range arrays {
		if a.DType == weights.I8 && format == torchFormat {
			return Report{}, fmt.Errorf("%s: PyTorch files have no place for the scales of 8-bit weights: name a .safetensors file, or choose another type", output)
		}
		if !a.Scales {
			report.Tensors++
			report.Parameters += checkpoint.Elements(a.Shape)
		}
		arrays[i].Values = func() ([]float32, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return a.Values()
		}
	}
	if format == torchFormat {
		layout := metadata[checkpoint.LayoutKey]
		delete(metadata, checkpoint.LayoutKey)
		return report, weights.WriteTorch(output, arrays, weights.Layout{
			Flat: layout == checkpoint.FlatLayout, Bare: layout == bareLayout, Values: metadata}, o.Progress)
	}
	if metadata[checkpoint.LayoutKey] == bareLayout {
		metadata[checkpoint.LayoutKey] = checkpoint.FlatLayout
	}
	text := map[string]string{}
	for key, value := range metadata {
		text[key] = fmt.Sprint(value)
	}
	return report, weights.WriteSafetensors(output, arrays, text, o.Progress)
}
