package codec

import (
	"io/fs"
	"path"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/weights"
)

// An Origin says where a checkpoint is read from.
type Origin struct {
	name   string // in messages
	open   func() (*weights.File, error)
	beside func(base string) (*config.Config, error) // a configuration next to it; nil where nothing can be
}

// OnDisk is the origin of a file, or of the one in a folder.
func OnDisk(path string) Origin {
	return Origin{
		name:   path,
		open:   func() (*weights.File, error) { return weights.Open(path) },
		beside: checkpoint.Beside(path),
	}
}

// InMemory is the origin of a checkpoint that someone else has read.
func InMemory(name string, data []byte) Origin {
	return Origin{name: name, open: func() (*weights.File, error) { return weights.OpenBytes(name, data) }}
}

// InFS is the origin of a file in a file system.
func InFS(fsys fs.FS, name string) Origin {
	return Origin{
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

// opened is an open checkpoint with the configuration that belongs to it.
type opened struct {
	file   *weights.File
	config *config.Config
}

func openCheckpoint(from Origin, c *config.Config) (*opened, error) {
	file, err := from.open()
	if err != nil {
		return nil, err
	}
	if c == nil {
		if c, err = checkpoint.Config(file, from.name, from.beside); err != nil {
			file.Close()
			return nil, err
		}
	}
	return &opened{file: file, config: c}, nil
}
