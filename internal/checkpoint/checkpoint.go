// Package checkpoint knows what a checkpoint says of itself beside its tensors: in
// the metadata of safetensors, and beside the networks of a PyTorch file.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// ConfigKey is where a checkpoint carries its configuration.
const ConfigKey = "config"

// BesideNames are the names that configurations have next to checkpoints: the
// published one's, then the originals' experiment files'.
var BesideNames = []string{"config.yml", "config.yaml", "config.json"}

// ErrNoConfig: the checkpoint carries no configuration, and none lies beside it.
var ErrNoConfig = errors.New("no configuration")

// Note returns what a checkpoint says of itself under a key.
func Note(file *weights.File, key string) (string, bool) {
	if text, ok := file.Metadata()[key]; ok {
		return text, true
	}
	text, ok := file.Values()[key].(string)
	return text, ok
}

// Config returns the configuration that a checkpoint carries, or one that lies
// beside it, which beside reads by its name; nil where nothing can. The error for
// none is ErrNoConfig and ends in cure.
func Config(file *weights.File, name string, beside func(base string) (*config.Config, error), cure string) (*config.Config, error) {
	if text, ok := Note(file, ConfigKey); ok {
		return config.Parse(name+": config", []byte(text))
	}
	if beside == nil {
		return nil, fmt.Errorf("%s: %w in the checkpoint; %s", name, ErrNoConfig, cure)
	}
	for _, base := range BesideNames {
		c, err := beside(base)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return nil, fmt.Errorf("%s: %w in the checkpoint, nor a %s beside it; %s",
		name, ErrNoConfig, strings.Join(BesideNames, ", "), cure)
}

// Beside reads configurations next to a file on the disk, for Config.
func Beside(path string) func(base string) (*config.Config, error) {
	return func(base string) (*config.Config, error) { return config.Load(filepath.Join(filepath.Dir(path), base)) }
}
