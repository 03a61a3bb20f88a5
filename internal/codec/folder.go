package codec

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/facodec-go/facodec/internal/weights"
)

// A folder holds checkpoints that belong together: a codec of the NaturalSpeech 3
// family is several files.
type folder struct {
	name string // in messages
	list func() ([]string, error)
	open func(base string) (*weights.File, error)
	path func(base string) string // of a file, in messages
}

// folderOnDisk returns the folder of a path, and the file in it that path names: ""
// where path is the folder.
func folderOnDisk(name string) (_ *folder, base string) {
	dir := weights.Folder(name)
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		dir, base = filepath.Dir(name), filepath.Base(name)
	}
	return &folder{
		name: dir,
		list: func() ([]string, error) { return checkpointNames(os.ReadDir(dir)) },
		open: func(base string) (*weights.File, error) { return weights.Open(filepath.Join(dir, base)) },
		path: func(base string) string { return filepath.Join(dir, base) },
	}, base
}

// folderInFS is folderOnDisk for a file system.
func folderInFS(fsys fs.FS, name string) (_ *folder, base string) {
	dir := name
	if info, err := fs.Stat(fsys, name); err != nil || !info.IsDir() {
		dir, base = path.Dir(name), path.Base(name)
	}
	return &folder{
		name: dir,
		list: func() ([]string, error) { return checkpointNames(fs.ReadDir(fsys, dir)) },
		open: func(base string) (*weights.File, error) { return openFS(fsys, path.Join(dir, base)) },
		path: func(base string) string { return path.Join(dir, base) },
	}, base
}

func openFS(fsys fs.FS, name string) (*weights.File, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return weights.OpenBytes(name, data)
}

func checkpointNames(entries []fs.DirEntry, err error) (names []string, _ error) {
	for _, e := range entries {
		if !e.IsDir() && weights.IsCheckpointName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}
