package facodec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// What a checkpoint says about itself beside its tensors: in the metadata of
// safetensors, and beside the networks of a PyTorch file (see internal/checkpoint).
const (
	stepKey        = "iters" // the originals' name for the training step
	epochKey       = "epoch"
	flatKey        = "layout" // "flat": a state dict without networks, as the pitch network's
	synthesizedKey = "synthesized"
)

// WeightsOptions are what Synthesize and ConvertWeights have in common.
type WeightsOptions struct {
	// Config names an experiment file that replaces the usual one: the standard
	// configuration, or the one that the checkpoint carries or lies beside it.
	Config string
	// Progress, if not nil, is told the bytes written and to write.
	Progress func(done, total int64)
}

// A WeightsReport says what a checkpoint was written from and with.
type WeightsReport struct {
	Output     string   `json:"output"`
	Format     string   `json:"format"`     // "safetensors" or "PyTorch zip"
	Tensors    int      `json:"tensors"`    // written
	Parameters int64    `json:"parameters"` // numbers in them
	Config     bool     `json:"config"`     // the file carries a configuration
	LeftOut    []string `json:"left_out"`   // what the input holds that is neither: optimizers and the like
}

// Synthesize writes a checkpoint of the right shape and with weights that are
// made, not learned: by the recipe of the golden numbers, from the seed and the
// parameters' names. A codec with it computes all that a trained one does, and
// what it speaks is noise. With redecoder it is one of a redecoder.
//
// The ending of output says the format, as for ConvertWeights.
func Synthesize(ctx context.Context, output string, seed uint64, redecoder bool, o WeightsOptions) (WeightsReport, error) {
	c := config.Default()
	if redecoder {
		c = config.DefaultRedecoder()
	}
	if o.Config != "" {
		var err error
		if c, err = config.Load(o.Config); err != nil {
			return WeightsReport{}, err
		}
		if redecoder && !c.IsRedecoder() {
			return WeightsReport{}, fmt.Errorf("%s: a codec's configuration: %w; give a redecoder's", o.Config, ErrKind)
		}
	}
	// The recipe goes by names, and the networks of a redecoder have other ones
	// there than in its file: both models call two of theirs encoder and decoder.
	prefix := ""
	if c.IsRedecoder() {
		prefix = "redecoder."
	}
	var arrays []weights.Array
	for _, p := range paramsOf(c) {
		arrays = append(arrays, weights.Array{Name: p.Name, Shape: p.Shape, Values: func() ([]float32, error) {
			return weights.Synthesize(seed, prefix+p.Name, p.Shape), nil
		}})
	}
	notes := map[string]any{synthesizedKey: fmt.Sprint("seed ", seed)}
	return writeCheckpoint(ctx, output, arrays, notes, c, o)
}

// ConvertWeights writes the checkpoint input in the format that the ending of
// output says: .safetensors, or .pth, .pt or .bin for a PyTorch file that the
// originals load. All networks go along, those that only training uses too, and
// the configuration, the training step and the epoch. Values become float32;
// 64-bit integers stay what they are. Optimizers and schedulers are left out, of a
// training run here also the networks as they learn, and tensors that are no real
// numbers. What could not be opened as a codec, a redecoder or a pitch network is an
// error.
func ConvertWeights(ctx context.Context, input, output string, o WeightsOptions) (WeightsReport, error) {
	return rewriteCheckpoint(ctx, input, output, o, func(file *weights.File, c *config.Config) (carried, error) {
		if err := checkKnown(file, c); err != nil {
			return carried{}, fmt.Errorf("%s: %w", input, err)
		}
		return choose(file, func(name string) bool { return !isTrainingState(name) }), nil
	})
}

// checkKnown refuses a file that holds no model that anything here opens.
func checkKnown(file *weights.File, c *config.Config) error {
	if c != nil {
		return checkTensors(c, file)
	}
	if hasNetworks(file, networksToRun(nil)...) || hasNetworks(file, networkEncoder, networkDecoder) {
		return nil // of a configuration that will be given
	}
	if model.NewJDC().Check(file) == nil {
		return nil
	}
	return fmt.Errorf("%w: neither a codec's encoder, quantizer and decoder, nor a redecoder's encoder and decoder, nor a pitch network", ErrTensors)
}

// carried is what goes from one checkpoint into another.
type carried struct {
	arrays  []weights.Array
	notes   map[string]any
	leftOut []string // the names of what does not
}

// rewriteCheckpoint writes what choose takes from the checkpoint input; it is told
// the configuration that goes along, nil for none.
func rewriteCheckpoint(ctx context.Context, input, output string, o WeightsOptions,
	choose func(*weights.File, *config.Config) (carried, error)) (WeightsReport, error) {
	if _, err := formatOf(output); err != nil {
		return WeightsReport{}, err
	}
	file, err := weights.Open(input)
	if err != nil {
		return WeightsReport{}, err
	}
	defer file.Close()
	if same(file.Path(), output) {
		return WeightsReport{}, fmt.Errorf("%s: is the input; name another file for the output", output)
	}
	c, err := configToCarry(file, input, o.Config)
	if err != nil {
		return WeightsReport{}, err
	}
	take, err := choose(file, c)
	if err != nil {
		return WeightsReport{}, err
	}
	for i, a := range take.arrays {
		if network, _, _ := strings.Cut(a.Name, "."); slices.Contains(networksToRun(c), network) {
			take.arrays[i] = weights.Finite(a)
		}
	}
	report, err := writeCheckpoint(ctx, output, take.arrays, take.notes, c, o)
	report.LeftOut = take.leftOut
	return report, err
}

// configToCarry finds the configuration for a converted checkpoint; nil for one
// that has none, such as the pitch network's. One that was not in the file must
// fit: the output would carry the mistake on.
func configToCarry(file *weights.File, path, given string) (*config.Config, error) {
	if given != "" {
		c, err := config.Load(given)
		if err == nil {
			err = checkTensorsOf(c, file, path)
		}
		return c, err
	}
	_, carried := checkpoint.Note(file, checkpoint.ConfigKey)
	if !carried && !hasNetworks(file, "encoder", "decoder") {
		return nil, nil
	}
	c, err := configOf(file, onDisk(path))
	switch {
	case errors.Is(err, ErrNoConfig):
		return nil, nil
	case err == nil && !carried:
		err = checkTensorsOf(c, file, path)
	}
	return c, err
}

func hasNetworks(src weights.Source, networks ...string) bool {
	names := src.Names()
	for _, network := range networks {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, network+".") }) {
			return false
		}
	}
	return true
}

// paramsOf lists the parameters of the model that c describes.
func paramsOf(c *config.Config) []*nn.Param {
	if c.IsRedecoder() {
		return model.NewRedecoder(model.RedecoderConfigOf(c)).Params()
	}
	return model.NewCodec(model.CodecConfigOf(c)).Params()
}

// checkTensors says what keeps the model that c describes from loading src.
func checkTensors(c *config.Config, src weights.Source) error {
	if c.IsRedecoder() {
		return model.NewRedecoder(model.RedecoderConfigOf(c)).Check(src)
	}
	return model.NewCodec(model.CodecConfigOf(c)).Check(src)
}

func checkTensorsOf(c *config.Config, src weights.Source, path string) error {
	if err := checkTensors(c, src); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// number returns a note that is a whole number, of which safetensors has the
// digits, and PyTorch files the number.
func number(file *weights.File, key string) (int64, bool) {
	if n, ok := file.Values()[key].(int64); ok {
		return n, true
	}
	text, _ := checkpoint.Note(file, key)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// notesOf returns what is carried along from a checkpoint, strings and int64,
// and names what is not.
func notesOf(file *weights.File) (notes map[string]any, leftOut []string) {
	notes = map[string]any{}
	for key, text := range file.Metadata() {
		notes[key] = text
	}
	for key, value := range file.Values() {
		switch value.(type) {
		case string, int64:
			notes[key] = value
		case nil:
		default:
			leftOut = append(leftOut, key)
		}
	}
	for _, key := range []string{stepKey, epochKey} {
		if n, ok := number(file, key); ok {
			notes[key] = n
		}
	}
	if isFlat(file) {
		notes[flatKey] = "flat"
	}
	slices.Sort(leftOut)
	return notes, leftOut
}

// isFlat tells a single state dict from networks. Safetensors know only names, so
// that it is noted there.
func isFlat(file *weights.File) bool {
	text, _ := checkpoint.Note(file, flatKey)
	return file.Flat() || text == "flat"
}

const (
	safetensorsFormat = "safetensors"
	torchFormat       = "PyTorch zip"
)

// formatOf tells a checkpoint's format by the ending of its name.
func formatOf(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".safetensors":
		return safetensorsFormat, nil
	case ".pth", ".pt", ".bin":
		return torchFormat, nil
	default:
		return "", fmt.Errorf("%s: the ending says the format: .safetensors, or .pth, .pt or .bin for PyTorch", path)
	}
}

func same(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// writeCheckpoint writes arrays and notes; c may be nil.
func writeCheckpoint(ctx context.Context, output string, arrays []weights.Array, notes map[string]any, c *config.Config, o WeightsOptions) (WeightsReport, error) {
	format, err := formatOf(output)
	if err != nil {
		return WeightsReport{}, err
	}
	if c != nil {
		text, err := c.JSON()
		if err != nil {
			return WeightsReport{}, err
		}
		notes[checkpoint.ConfigKey] = string(text)
	}
	report := WeightsReport{Output: output, Format: format, Tensors: len(arrays), Config: c != nil}
	for i, a := range arrays {
		report.Parameters += elements(a.Shape)
		arrays[i].Values = func() ([]float32, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return a.Values()
		}
	}
	if format == torchFormat {
		flat := notes[flatKey] == "flat"
		delete(notes, flatKey)
		return report, weights.WriteTorch(output, arrays, weights.Layout{Flat: flat, Values: notes}, o.Progress)
	}
	metadata := map[string]string{}
	for key, value := range notes {
		metadata[key] = fmt.Sprint(value)
	}
	return report, weights.WriteSafetensors(output, arrays, metadata, o.Progress)
}

func elements(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}
