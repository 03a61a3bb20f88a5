package facodec

import (
	"io/fs"
	"path"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// openedCheckpoint is an open file with the configuration that belongs to it.
type openedCheckpoint struct {
	file   *weights.File
	config *config.Config
}

func (c *openedCheckpoint) Close() error { return c.file.Close() }

// origin says where a checkpoint is read from.
type origin struct {
	name   string // in messages
	open   func() (*weights.File, error)
	beside func(base string) (*config.Config, error) // a configuration next to it; nil where nothing can be
}

// onDisk is the origin of a file, or of the one in a folder.
func onDisk(path string) origin {
	return origin{
		name: path,
		open: func() (*weights.File, error) { return weights.Open(path) },
		beside: func(base string) (*config.Config, error) {
			file, err := weights.Resolve(path)
			if err != nil {
				return nil, err
			}
			return checkpoint.Beside(file)(base)
		},
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

func openCheckpoint(from origin, o *options) (*openedCheckpoint, error) {
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
	return &openedCheckpoint{file: file, config: c}, nil
}

// configOf finds the configuration that a checkpoint carries, or one that lies
// beside it.
func configOf(file *weights.File, from origin) (*config.Config, error) {
	cure := "give one with --config"
	if from.beside == nil {
		cure = "give one with WithConfig"
	}
	return checkpoint.Config(file, from.name, from.beside, cure)
}
