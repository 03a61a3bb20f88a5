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

	// folder and base are where it lies and the file's name there, "" of a folder; nil
	// where no other file can lie beside it.
	folder *folder
	base   string
}

// OnDisk is the origin of a file, or of the one in a folder.
func OnDisk(path string) Origin {
	folder, base := folderOnDisk(path)
	return Origin{
		name: path, folder: folder, base: base,
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
	folder, base := folderInFS(fsys, name)
	return Origin{
		name: name, folder: folder, base: base,
		open: func() (*weights.File, error) { return openFS(fsys, name) },
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

// withConfig finds the configuration of an open checkpoint, c being the one given, nil
// for none.
func withConfig(file *weights.File, from Origin, c *config.Config) (_ *opened, err error) {
	if c == nil {
		if c, err = checkpoint.Config(file, from.name, from.beside); err != nil {
			return nil, err
		}
	}
	return &opened{file: file, config: c}, nil
}
