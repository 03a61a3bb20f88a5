package facodec

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
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

// origin says where a checkpoint is read from.
type origin struct {
	name   string // in messages
	open   func() (*weights.File, error)
	beside func(base string) (*config.Config, error) // a configuration next to it; nil where nothing can be
}

// onDisk is the origin of a file.
func onDisk(path string) origin {
	return origin{
		name:   path,
		open:   func() (*weights.File, error) { return weights.Open(path) },
		beside: func(base string) (*config.Config, error) { return config.Load(filepath.Join(filepath.Dir(path), base)) },
	}
}

// inMemory is the origin of a checkpoint that someone else has read.
func inMemory(name string, data []byte) origin {
	return origin{name: name, open: func() (*weights.File, error) { return weights.OpenBytes(name, data) }}
}

// inFS is the origin of a file in a file system.
func inFS(fsys fs.FS, name string) origin {
	return origin{
		name: name,
		open: func() (*weights.File, error) {
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				return nil, err
			}
			return weights.OpenBytes(name, data)
		},
		beside: func(base string) (*config.Config, error) {
			base = path.Join(path.Dir(name), base)
			data, err := fs.ReadFile(fsys, base)
			if err != nil {
				return nil, err
			}
			return config.Parse(base, data)
		},
	}
}

func openCheckpoint(from origin, o *options) (*checkpoint, error) {
	file, err := from.open()
	if err != nil {
		return nil, err
	}
	c := o.config
	if c == nil {
		if c, err = configOf(file, from); err != nil {
			file.Close()
			return nil, err
		}
	}
	return &checkpoint{file: file, config: c}, nil
}

// configOf finds the configuration that a checkpoint carries, or one that lies
// beside it.
func configOf(file *weights.File, from origin) (*config.Config, error) {
	if text, ok := note(file, configKey); ok {
		return config.Parse(from.name+": config", []byte(text))
	}
	if from.beside == nil {
		return nil, fmt.Errorf("%s: %w in the checkpoint; give one with WithConfig", from.name, ErrNoConfig)
	}
	for _, base := range besideNames {
		c, err := from.beside(base)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return nil, fmt.Errorf("%s: %w in the checkpoint, nor a %s beside it; give one with --config",
		from.name, ErrNoConfig, strings.Join(besideNames, ", "))
}
