// Package describe describes checkpoints and experiment files for facodec info.
package describe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/weights"
)

// A Description says what a checkpoint or an experiment file holds.
type Description struct {
	File       string    `json:"file"`
	Kind       string    `json:"kind"`   // "checkpoint" or "config"
	Format     string    `json:"format"` // "safetensors", "PyTorch zip", "PyTorch legacy"; "" of a config
	Bytes      int64     `json:"bytes"`
	Networks   []Network `json:"networks"`   // in the file, or that the config describes
	Tensors    int       `json:"tensors"`    // of all networks
	Parameters int64     `json:"parameters"` // numbers in them
	// State is what a training run is continued from, no networks: "train", the
	// networks as they learn, of which those above are running means, and "adamw",
	// the optimizers' moments.
	State []Network `json:"training_state,omitempty"`
	Name  string    `json:"name,omitempty"` // of a published model, where the file tells
	Step  *int64    `json:"step"`           // of training, where the file tells
	Epoch *int64    `json:"epoch"`
	// Random is how random weights were made, "seed 0" say.
	Random string `json:"synthesized,omitempty"`
	Model  *Model `json:"model"` // nil where no configuration was found
	// Family is the codec's, and License what the sources of the published weights state,
	// where a family has one that is known.
	Family  string `json:"family,omitempty"`
	License string `json:"license,omitempty"`
	// Problem says why the networks cannot be those of the configuration.
	Problem string `json:"problem,omitempty"`
}

// A Network counts a network's tensors.
type Network struct {
	Name       string   `json:"name"`
	Inference  bool     `json:"inference"` // used by codec or redecoder; others serve training
	Tensors    int      `json:"tensors"`
	Parameters int64    `json:"parameters"`
	Types      []string `json:"types"` // of the elements as stored: F32, BF16 …
	List       []Tensor `json:"-"`
}

// A Tensor is one tensor, under the name that networks know it by.
type Tensor struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
}

// A Model sums a configuration up.
type Model struct {
	Type             string          `json:"type"`   // "FAcodec" or "redecoder"
	Config           string          `json:"config"` // where it was found
	SampleRate       int             `json:"sample_rate"`
	HopLength        int             `json:"hop_length"`
	FrameRate        float64         `json:"frame_rate"`
	model.BookCounts                 // books and bitrate are the codec's, of a redecoder too
	CodebookSize     int             `json:"codebook_size"`
	CodebookDim      int             `json:"codebook_dim"`
	Bitrate          float64         `json:"bitrate"` // bits a second of all books
	LatentDim        int             `json:"latent_dim"`
	Causal           bool            `json:"causal"`
	Lookahead        *Lookahead      `json:"lookahead,omitempty"` // of a family that is not causal
	UnusedKeys       []string        `json:"unused_keys"`
	Keys             json.RawMessage `json:"keys"` // every key that has an effect

	Books [model.NumParts]int `json:"-"` // those of BookCounts
}

// Describe reads a checkpoint or an experiment file, whichever path names, and
// says what it holds. The configuration of a checkpoint is read from configPath, or,
// if that is "", found as for opening a codec; a file without one is described all the
// same.
func Describe(path, configPath string) (*Description, error) {
	var c *config.Config
	if configPath != "" {
		var err error
		if c, err = config.Load(configPath); err != nil {
			return nil, err
		}
	}
	file, err := weights.Open(path)
	if files, ns3Err := codec.NS3Files(path, file); ns3Err != nil || files != nil {
		if file != nil {
			file.Close()
		}
		if ns3Err != nil {
			return nil, ns3Err
		}
		return describeNS3(path, files)
	}
	if err != nil {
		if errors.Is(err, weights.ErrNotCheckpoint) && isText(path) {
			return describeConfig(path)
		}
		return nil, err
	}
	defer file.Close()
	return describeFile(file, path, c)
}

// InMemory describes a checkpoint in memory, which is called name.
func InMemory(name string, data []byte) (*Description, error) {
	file, err := weights.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return describeFile(file, name, nil)
}

// describeFile describes an open checkpoint; c is nil for the configuration that it
// carries or that is next to path.
func describeFile(file *weights.File, path string, c *config.Config) (d *Description, err error) {
	d = &Description{File: path, Kind: "checkpoint", Format: file.Format(), Bytes: file.Size()}
	d.Name, _ = checkpoint.Metadata(file, checkpoint.NameKey)
	if n, ok := checkpoint.Number(file, checkpoint.StepKey); ok {
		d.Step = &n
	}
	if n, ok := checkpoint.Number(file, checkpoint.EpochKey); ok {
		d.Epoch = &n
	}
	d.Random, _ = checkpoint.Metadata(file, checkpoint.RandomKey)
	source := "given"
	if _, own := checkpoint.Metadata(file, checkpoint.ConfigKey); c == nil && (own || checkpoint.HasNetworks(file, codec.Encoder, codec.Decoder)) {
		if source = "in the checkpoint"; !own {
			source = "beside the checkpoint"
		}
		if c, err = checkpoint.Config(file, path, checkpoint.Beside(path)); err != nil && !errors.Is(err, checkpoint.ErrNoConfig) {
			return nil, err
		}
	}
	if c != nil {
		if d.Model, err = describeModel(c, source); err != nil {
			return nil, err
		}
		if err := codec.Check(c, file, path); err != nil {
			d.Problem = err.Error()
		}
	}
	d.addNetworks(tensorsOf(file), checkpoint.IsFlat(file), c)
	return d, nil
}

// isText tells what cannot be a checkpoint from what may be an experiment file.
func isText(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 4096))
	return err == nil && len(head) > 0 && bytes.IndexByte(head, 0) < 0 && head[0] != 0x80
}

func describeConfig(path string) (*Description, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d := &Description{File: path, Kind: "config", Bytes: info.Size()}
	if d.Model, err = describeModel(c, path); err != nil {
		return nil, err
	}
	var tensors []Tensor
	for _, p := range codec.Params(c) {
		tensors = append(tensors, Tensor{p.Name, weights.F32.String(), p.Shape})
	}
	d.addNetworks(tensors, false, c)
	return d, nil
}

func tensorsOf(file *weights.File) (tensors []Tensor) {
	for _, name := range file.Names() {
		if t, ok := file.Lookup(name); ok {
			tensors = append(tensors, Tensor{name, t.DType.String(), t.Shape})
		}
	}
	return tensors
}

// addNetworks counts by the part before the first dot of a name; the names
// of a flat file have no network there.
func (d *Description) addNetworks(tensors []Tensor, flat bool, c *config.Config) {
	var inference []string
	if c != nil {
		inference = codec.InferenceNetworks(c)
	}
	networks, state := counter{}, counter{}
	for _, t := range tensors {
		name, _, _ := strings.Cut(t.Name, ".")
		if flat {
			name = "net"
		}
		if !flat && checkpoint.IsTrainingState(t.Name) {
			state.count(&d.State, name, t)
			continue
		}
		networks.count(&d.Networks, name, t)
		d.Tensors++
		d.Parameters += checkpoint.Elements(t.Shape)
	}
	for i, n := range d.Networks {
		d.Networks[i].Inference = slices.Contains(inference, n.Name)
	}
	// What runs stands first, in the order in which sound passes through.
	rank := func(n Network) int {
		if i := slices.Index(inference, n.Name); i >= 0 {
			return i
		}
		return len(inference)
	}
	slices.SortStableFunc(d.Networks, func(a, b Network) int { return rank(a) - rank(b) })
}

// A counter finds networks by their names.
type counter map[string]int

// count adds a tensor to the one of networks that has the name, or to a new one.
func (c counter) count(networks *[]Network, name string, t Tensor) {
	i, ok := c[name]
	if !ok {
		i = len(*networks)
		c[name] = i
		*networks = append(*networks, Network{Name: name})
	}
	n := &(*networks)[i]
	n.Tensors++
	n.Parameters += checkpoint.Elements(t.Shape)
	if !slices.Contains(n.Types, t.Type) {
		n.Types = append(n.Types, t.Type)
	}
	n.List = append(n.List, t)
}

// bitrate returns the bits that a second of all of a model's books takes.
func bitrate(m *Model) float64 {
	books := 0
	for _, n := range m.Books {
		books += n
	}
	return m.FrameRate * float64(books*bits.Len(uint(m.CodebookSize-1)))
}

func describeModel(c *config.Config, source string) (*Model, error) {
	keys, err := c.JSON()
	if err != nil {
		return nil, err
	}
	m, books := c.Model, model.BooksOf(c)
	d := &Model{
		Type: c.ModelType, Config: source, Keys: keys, UnusedKeys: c.Unused(),
		SampleRate: c.Preprocess.SampleRate, HopLength: c.Preprocess.Spect.HopLength, FrameRate: c.FrameRate(),
		BookCounts: model.CountsOf(books), Books: books,
		CodebookSize: m.CodebookSize, CodebookDim: m.CodebookDim, LatentDim: m.LatentDim, Causal: m.Causal,
	}
	if c.IsRedecoder() {
		d.Causal = c.Redecoder.DecoderCausal
	}
	d.Bitrate = bitrate(d)
	return d, nil
}
