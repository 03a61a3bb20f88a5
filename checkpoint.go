package facodec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// configKey is where a checkpoint carries its configuration: in the metadata of
// safetensors, and beside the networks of a PyTorch file.
const configKey = "config"

// besideNames are the names that configurations have next to checkpoints: the
// published one's, then the originals' experiment files'.
var besideNames = []string{"config.yml", "config.yaml", "config.json"}

// checkpoint is an open file with the configuration that belongs to it.
type checkpoint struct {
	file   *weights.File
	config *config.Config
}

func (c *checkpoint) Close() error { return c.file.Close() }

func openCheckpoint(path string, o *options) (*checkpoint, error) {
	file, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	c := o.config
	if c == nil {
		if c, err = configOf(file, path); err != nil {
			file.Close()
			return nil, err
		}
	}
	return &checkpoint{file: file, config: c}, nil
}

// configOf finds the configuration that a checkpoint carries, or one that lies
// beside it.
func configOf(file *weights.File, path string) (*config.Config, error) {
	if text, ok := note(file, configKey); ok {
		return config.Parse(path+": config", []byte(text))
	}
	for _, name := range besideNames {
		c, err := config.Load(filepath.Join(filepath.Dir(path), name))
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return nil, fmt.Errorf("%s: %w in the checkpoint, nor a %s beside it; give one with --config",
		path, ErrNoConfig, strings.Join(besideNames, ", "))
}
