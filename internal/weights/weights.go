// Package weights reads and writes checkpoint files: safetensors, and both
// container formats of PyTorch. Files are mapped into memory where the system
// allows, and the tensors of a file are views into it.
//
// What is read is not trusted. A file gives tensors, or an error that names it
// and the fault: no code in a pickle is ever run, and memory stays in
// proportion to the file.
//
// Networks find their tensors under canonical names, "<network>.<key>" as in
// "encoder.block.0.conv.conv.weight_g", whatever the file wraps them in.
package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// A Source is what a network loads its parameters from.
type Source interface {
	// Names returns all names, sorted.
	Names() []string
	Lookup(name string) (*Tensor, bool)
}

// A File is an opened checkpoint. It is safe for concurrent use, but for Close.
type File struct {
	name      string
	format    string
	content   *content // of a single file
	shards    []*File  // or the parts of one that is split
	entries   []entry  // as the file has them; nil once they are entered
	flat      bool     // the tensors lie in one state dict
	tensors   map[string]*Tensor
	originals map[string]string // canonical name → name in the file
	names     []string
	metadata  map[string]string
	values    map[string]any
	root      any
}

// ErrNotCheckpoint is wrapped by the error for a file whose first bytes are those
// of no format that is read here.
var ErrNotCheckpoint = errors.New("not a checkpoint")

// Open maps a checkpoint file and reads its directory of tensors. The format is
// told by the content, not by the name. A folder stands for the checkpoint in it
// (see Resolve), an index (model.safetensors.index.json) for the files that it
// lists.
func Open(path string) (*File, error) {
	path, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	f, err := open(path)
	if err != nil {
		return nil, naming(path, err)
	}
	if err := f.finish(); err != nil {
		f.Close()
		return nil, naming(path, err)
	}
	return f, nil
}

// naming puts the path in front of an error.
func naming(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the path stands in front already
	}
	return fmt.Errorf("%s: %w", path, err)
}

// open reads a file up to its entries.
func open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, errors.New("is a directory, not a checkpoint")
	case !info.Mode().IsRegular(): // opening a pipe would wait for its writer
		return nil, errors.New("is not a regular file")
	}
	handle, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer handle.Close() // a mapping outlives its file handle
	if info, err = handle.Stat(); err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, errEmpty
	}
	c, err := load(handle, info.Size())
	if err != nil {
		return nil, err
	}
	if isIndex(path, c.data) {
		defer c.close()
		return openIndex(path, c.data)
	}
	f, err := parse(path, c)
	if err != nil {
		c.close()
		return nil, err
	}
	return f, nil
}

// finish enters the tensors under their canonical names.
func (f *File) finish() error {
	f.tensors = make(map[string]*Tensor, len(f.entries))
	f.originals = make(map[string]string, len(f.entries))
	if err := f.enterAll(); err != nil {
		return err
	}
	f.entries = nil
	f.scale()
	f.names = slices.Sorted(maps.Keys(f.tensors))
	return nil
}

// OpenBytes reads a checkpoint that is in memory. data must not change while
// the File is in use; name stands in errors.
func OpenBytes(name string, data []byte) (*File, error) {
	f, err := parse(name, &content{data: data})
	if err == nil {
		err = f.finish()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

var errEmpty = fmt.Errorf("%w: the file is empty", ErrNotCheckpoint)

// parse tells the formats apart by their first bytes.
func parse(name string, c *content) (*File, error) {
	f := &File{name: name, content: c}
	var err error
	data := c.data
	switch {
	case len(data) == 0:
		err = errEmpty
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		f.format = "PyTorch zip"
		err = f.readTorchZip()
	case looksLikeSafetensors(data):
		f.format = "safetensors"
		err = f.readSafetensors()
	case data[0] == opProto, bytes.HasPrefix(data, []byte(legacyText)):
		f.format = "PyTorch legacy"
		err = f.readTorchLegacy()
	case bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/")):
		err = fmt.Errorf("%w: a pointer of Git LFS stands for the file; git lfs pull fetches it", ErrNotCheckpoint)
	default:
		err = fmt.Errorf("%w: starts with %s, expected safetensors or a PyTorch file", ErrNotCheckpoint, printable(data))
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// printable shows the first bytes of a file.
func printable(data []byte) string {
	return fmt.Sprintf("%q", data[:min(len(data), 12)])
}

// Close unmaps the file. Nothing that Float32 returned may be used afterwards.
func (f *File) Close() error {
	if f.content != nil {
		return f.content.close()
	}
	var errs []error
	for _, shard := range f.shards {
		errs = append(errs, shard.Close())
	}
	return errors.Join(errs...)
}

// Path returns the name that the file was opened by; for a folder, that of the file
// in it.
func (f *File) Path() string { return f.name }

// Size returns the length of the file in bytes; of one that is split, of all parts.
func (f *File) Size() int64 {
	if f.content != nil {
		return int64(len(f.content.data))
	}
	var n int64
	for _, shard := range f.shards {
		n += shard.Size()
	}
	return n
}

// Format returns "safetensors", "PyTorch zip" or "PyTorch legacy".
func (f *File) Format() string { return f.format }

// Names returns the canonical names of all tensors, sorted.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Lookup finds a tensor by its canonical name.
func (f *File) Lookup(name string) (*Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Original returns the name of a tensor as the file has it, for messages.
func (f *File) Original(name string) string { return f.originals[name] }

// Metadata returns the __metadata__ of a safetensors file; nil for others.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Values returns what stands at the top of a PyTorch file beside the networks:
// epoch, iters, optimizer and so on. See Root for the types.
func (f *File) Values() map[string]any { return maps.Clone(f.values) }

// Flat reports whether a PyTorch file is a single state dict, whose names begin
// with no network, like the pitch network's; false for safetensors, which do not
// say.
func (f *File) Flat() bool { return f.flat }

// Root returns the whole tree of a PyTorch file; nil for safetensors and for files
// that are split. It is made of nil, bool, int64, *big.Int, float64, complex128,
// string, Bytes, *List, *Tuple, *Set, *Dict, *Opaque and *Tensor; a class or storage
// that is only named is opaque. A hostile file's tree may contain itself.
func (f *File) Root() any { return f.root }
