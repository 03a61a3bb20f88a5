package npz

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// Deflate packs at most about 1000:1, and that only zeros. A packed array may
// be this many times its packed size (or small): a few kilobytes from a
// stranger then cannot ask for gigabytes.
const (
	maxRatio  = 100
	maxPacked = 16 << 20
)

// A File is an open .npz archive. Its methods may be called by several
// goroutines at once.
type File struct {
	path   string
	closer io.Closer
	names  []string
	member map[string]*zip.File
}

// Open opens an archive. Its arrays are read when asked for.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = errors.New("is a directory")
	case err == nil && !info.Mode().IsRegular(): // nobody may ever write to a pipe
		err = errors.New("is not a regular file")
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, fileerr.Cause(err))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, fileerr.Cause(err))
	}
	info, err = f.Stat()
	var file *File
	if err == nil {
		file, err = newFile(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", path, fileerr.Cause(err))
	}
	file.path, file.closer = path, f
	return file, nil
}

// NewFile reads an archive of size bytes; path stands in error messages.
func NewFile(path string, r io.ReaderAt, size int64) (*File, error) {
	file, err := newFile(r, size)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	file.path = path
	return file, nil
}

func newFile(r io.ReaderAt, size int64) (*File, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("not a NumPy archive: %w", err)
	}
	file := &File{member: make(map[string]*zip.File, len(z.File))}
	for _, m := range z.File {
		name, ok := strings.CutSuffix(m.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("not a NumPy archive: it holds %q", m.Name)
		}
		if file.member[name] != nil {
			return nil, fmt.Errorf("array %q is there twice", name)
		}
		file.member[name] = m
		file.names = append(file.names, name)
	}
	return file, nil
}

// Close closes the archive. Arrays that were read stay.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Names returns the arrays' names in the order of the file.
func (f *File) Names() []string { return append([]string(nil), f.names...) }

// Has says whether there is an array of that name.
func (f *File) Has(name string) bool { return f.member[name] != nil }

// Read reads one array.
func (f *File) Read(name string) (*Array, error) {
	m := f.member[name]
	if m == nil {
		return nil, fmt.Errorf("%s: no array %q", f.path, name)
	}
	a, err := readMember(m)
	if err != nil {
		return nil, fmt.Errorf("%s: array %q: %w", f.path, name, err)
	}
	return a, nil
}

func readMember(m *zip.File) (*Array, error) {
	limit := uint64(maxArray)
	if m.Method != zip.Store {
		limit = min(limit, max(maxPacked, m.CompressedSize64*maxRatio))
	}
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// readNPY reads to the end, which is where the zip reader checks the sum.
	return readNPY(r, int64(limit))
}
