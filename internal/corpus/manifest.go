package corpus

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A Manifest is a file in the folder of the outputs that says, in a line of JSON
// for each, what is there. A line is written when its output is whole, so that
// what a manifest lists is there. Each shard has its own, and reads those of the
// others: dividing a corpus in another way does nothing twice.
//
// Outputs are files of their own, or lines of one file, which is called after the
// shard as the manifest is. It is for one process at a time.
type Manifest struct {
	dir, name string
	lines     string // the output of lines, or the spool; "" without
	packBase  string // of packed outputs, "" without
	packExt   string
	own       []Entry
	torn      bool
	others    map[key]foreign

	file     *os.File // open when something was added
	lineFile *os.File
	at       int64 // the end of lineFile
}

// Errors of what lies in the folder of the outputs.
var (
	// ErrUnknown: an output of lines has no manifest that says what is in it.
	ErrUnknown = errors.New("nothing says what is in it")
	// ErrOtherShards: a run with another number of shards has made an output.
	ErrOtherShards = errors.New("was made by a run with another number of shards; remove that run's files")
)

// A foreign entry is one of another shard's manifest.
type foreign struct {
	Entry
	manifest string
}

// Load reads the manifests in dir; nothing is changed yet. lines, if not "", is
// what the output of lines is called in front of the shard and its ending. force
// says that what an earlier run has left may go.
func Load(dir string, s Shard, lines string, force bool) (*Manifest, error) {
	m := newManifest(dir, s)
	if lines != "" {
		m.lines = s.Name(lines, ".jsonl")
	}
	return m, m.load(force)
}

func newManifest(dir string, s Shard) *Manifest {
	return &Manifest{dir: dir, name: s.Name("manifest", ".jsonl"), others: map[key]foreign{}}
}

func (m *Manifest) load(force bool) (err error) {
	if m.own, m.torn, err = readEntries(m.path(m.name)); err != nil {
		return err
	}
	if m.lines != "" {
		if err := m.verifyLines(force); err != nil {
			return err
		}
	}
	found, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, entry := range found {
		name := entry.Name()
		ok, _ := filepath.Match("manifest*.jsonl", name)
		if !ok || name == m.name || entry.IsDir() {
			continue
		}
		entries, _, err := readEntries(m.path(name))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if other, ok := m.others[e.key()]; !ok || other.isSpool() {
				m.others[e.key()] = foreign{e, name}
			}
		}
	}
	m.dropPacked()
	return nil
}

func (m *Manifest) path(output string) string {
	return filepath.Join(m.dir, filepath.FromSlash(output))
}

// Find returns, for each path, the entry that lists what is there, in the
// format that the file extension sets: the output has the size that it should have.
func (m *Manifest) Find(paths []string, ext string) (map[string]Entry, error) {
	all := map[key]Entry{}
	for k, e := range m.others {
		if !e.isSpool() { // of no use to anyone but the process that packs it
			all[k] = e.Entry
		}
	}
	for _, e := range m.own {
		all[e.key()] = e
	}
	found := map[string]Entry{}
	for _, p := range paths {
		e, ok := all[key{p, ext}]
		if !ok {
			continue
		}
		info, err := os.Stat(m.path(e.Output))
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		if info.Size() == e.Bytes || (ext == ".jsonl" || e.isSpool()) && info.Size() >= e.Offset+e.Bytes {
			found[p] = e
		}
	}
	return found, nil
}

// Replaceable returns an error if another shard's manifest lists one of
// paths: what this one made again would be there twice.
func (m *Manifest) Replaceable(paths []string, ext string) error {
	for _, p := range paths {
		if e, ok := m.others[key{p, ext}]; ok && !e.isSpool() {
			return fmt.Errorf("%s: %w: it is in %s", p, ErrOtherShards, m.path(e.manifest))
		}
	}
	return nil
}

// Start makes ready to add what is made of paths: what the manifest says of them
// is dropped, and what a kill has left is repaired.
func (m *Manifest) Start(paths []string, ext string) error {
	redo := map[key]bool{}
	for _, p := range paths {
		redo[key{p, ext}] = true
	}
	var kept []Entry
	for _, e := range m.own {
		if !redo[e.key()] {
			kept = append(kept, e)
		}
	}
	if m.packBase != "" {
		if err := m.checkPacks(redo); err != nil {
			return err
		}
	}
	dropped := m.own
	changed := m.torn || len(kept) < len(m.own)
	if m.lines != "" {
		moved, err := m.repairLines(kept)
		if err != nil {
			return err
		}
		changed = changed || moved
	}
	if m.own = kept; !changed {
		return nil
	}
	if err := m.rewriteOwn(); err != nil || m.packBase == "" {
		return err
	}
	return m.removePacks(dropped)
}

// rewriteOwn replaces the manifest by one of what it lists now.
func (m *Manifest) rewriteOwn() error {
	return m.rewrite(m.name, func(out *os.File) error {
		w := bufio.NewWriter(out)
		for _, e := range m.own {
			line, err := e.line()
			if err != nil {
				return err
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return w.Flush()
	})
}

// Add lists an output that is a file of its own.
func (m *Manifest) Add(e Entry) error {
	line, err := e.line()
	if err != nil {
		return err
	}
	if m.file == nil {
		if m.file, err = m.open(m.name); err != nil {
			return err
		}
	}
	if err := m.append(m.file, line); err != nil {
		return err
	}
	if m.packBase != "" {
		m.own = append(m.own, e)
	}
	return nil
}

func (m *Manifest) open(name string) (*os.File, error) {
	return os.OpenFile(m.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
}

// append writes a line at once: a kill leaves all of it, or a part that has no end.
func (m *Manifest) append(f *os.File, line []byte) error {
	_, err := f.Write(line)
	return err
}

// Close makes what was added last. Once it is closed it does nothing.
func (m *Manifest) Close() error {
	var errs []error
	for _, f := range []*os.File{m.lineFile, m.file} {
		if f != nil {
			errs = append(errs, f.Sync(), f.Close())
		}
	}
	m.lineFile, m.file = nil, nil
	return errors.Join(errs...)
}
