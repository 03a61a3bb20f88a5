// Package checkpoint holds what a checkpoint contains besides its tensors, in the
// metadata of safetensors or next to the networks of a PyTorch file: its keys and its
// configuration.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// ConfigNames are the file names of configurations next to checkpoints: the
// published one's, then those of upstream's experiment files.
var ConfigNames = []string{"config.yml", "config.yaml", "config.json"}

// ErrNoConfig: the checkpoint carries no configuration, none is next to it, and
// none was given.
var ErrNoConfig = errors.New("no configuration")

// Metadata returns what a checkpoint says of itself under a key.
func Metadata(file *weights.File, key string) (string, bool) {
	if text, ok := file.Metadata()[key]; ok {
		return text, true
	}
	text, ok := file.Values()[key].(string)
	return text, ok
}

// Number returns what a checkpoint says of itself under a key as a whole number, of
// which safetensors has the digits, and PyTorch files the number.
func Number(file *weights.File, key string) (int64, bool) {
	if n, ok := file.Values()[key].(int64); ok {
		return n, true
	}
	text, _ := Metadata(file, key)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// IsFlat tells a single state dict from networks. Safetensors know only names, so
// that it stands in the metadata there.
func IsFlat(file *weights.File) bool {
	text, _ := Metadata(file, LayoutKey)
	return file.Flat() || text == FlatLayout
}

// IsTrainingState tells the tensors that a training run is continued from.
func IsTrainingState(name string) bool {
	return strings.HasPrefix(name, RawPrefix) || strings.HasPrefix(name, MomentsPrefix)
}

// HasNetworks says whether src holds tensors of every one of networks.
func HasNetworks(src weights.Source, networks ...string) bool {
	names := src.Names()
	for _, network := range networks {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, network+".") }) {
			return false
		}
	}
	return true
}

// Config returns the configuration that a checkpoint carries, or one that lies
// beside it, which beside reads by its name; nil where nothing can. The error for
// none is ErrNoConfig.
func Config(file *weights.File, name string, beside func(base string) (*config.Config, error)) (*config.Config, error) {
	if text, ok := Metadata(file, ConfigKey); ok {
		return config.Parse(name+": config", []byte(text))
	}
	if beside == nil {
		return nil, fmt.Errorf("%s: %w in the checkpoint; give one", name, ErrNoConfig)
	}
	for _, base := range ConfigNames {
		c, err := beside(base)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return nil, fmt.Errorf("%s: %w in the checkpoint, nor a %s beside it; give one",
		name, ErrNoConfig, strings.Join(ConfigNames, ", "))
}

// Beside reads configurations next to a file on the disk, or to the one in a folder,
// for Config.
func Beside(path string) func(base string) (*config.Config, error) {
	return func(base string) (*config.Config, error) {
		file, err := weights.Resolve(path)
		if err != nil {
			return nil, err
		}
		return config.Load(filepath.Join(filepath.Dir(file), base))
	}
}

// Elements returns how many numbers a tensor of a shape holds.
func Elements(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}
