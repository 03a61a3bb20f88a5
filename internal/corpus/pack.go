package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// Packed outputs are files of many recordings each, codes-000000.tar and so on. What goes
// into the next of them waits as lines in a hidden file, the spool, from which a run that
// was killed goes on; packing makes a file of it at once, which is whole or not there.

// spoolExt is what the name of a spool ends in, behind the extension of the outputs.
const spoolExt = ".spool"

// ErrPartOfPack: a recording is to be made again whose output others share, which are not.
var ErrPartOfPack = errors.New("shares its output with recordings that are not made again; take all of them, or remove it")

// LoadPacks is Load for packed outputs, which are called after base, the shard and their
// number, with the extension ext.
func LoadPacks(dir string, s Shard, base, ext string, force bool) (*Manifest, error) {
	m := newManifest(dir, s)
	m.packBase, m.packExt = s.Name(base, ""), ext
	m.lines = "." + s.Name(base, ext) + spoolExt
	return m, m.load(force)
}

// isSpool says whether an entry waits to be packed.
func (e Entry) isSpool() bool { return strings.HasSuffix(e.Output, spoolExt) }

// dropPacked drops entries of the spool that another shard has packed meanwhile.
func (m *Manifest) dropPacked() {
	var own []Entry
	for _, e := range m.own {
		if other, ok := m.others[e.key()]; !ok || !e.isSpool() || other.isSpool() {
			own = append(own, e)
		}
	}
	m.torn = m.torn || len(own) < len(m.own)
	m.own = own
}

// removePacks removes the packed outputs of which the manifest, which listed before, lists
// nothing any more.
func (m *Manifest) removePacks(before []Entry) error {
	keep := map[string]bool{}
	for _, e := range m.own {
		keep[e.Output] = true
	}
	gone := map[string]bool{}
	for _, e := range before {
		if keep[e.Output] || e.isSpool() || gone[e.Output] {
			continue
		}
		gone[e.Output] = true
		if err := os.Remove(m.path(e.Output)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// checkPacks refuses to make a part of a packed output again: its other recordings would be
// there twice. A file that is gone, or is another, has none.
func (m *Manifest) checkPacks(redo map[key]bool) error {
	kept := map[string]bool{}
	for _, e := range m.own {
		if !redo[e.key()] {
			kept[e.Output] = true
		}
	}
	for _, e := range m.own {
		if !redo[e.key()] || !kept[e.Output] || e.isSpool() {
			continue
		}
		if info, err := os.Stat(m.path(e.Output)); err == nil && info.Size() == e.Bytes {
			return fmt.Errorf("%s: %s %w", m.path(e.Output), e.Path, ErrPartOfPack)
		}
	}
	return nil
}

// Spooled returns the entries that wait to be packed.
func (m *Manifest) Spooled() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range m.own {
			if e.Output == m.lines && !yield(e) {
				return
			}
		}
	}
}

// nextPack returns the name of the next packed output, behind all that the manifest names.
func (m *Manifest) nextPack() string {
	next := 0
	for _, e := range m.own {
		number, ok := strings.CutPrefix(strings.TrimSuffix(e.Output, m.packExt), m.packBase+"-")
		if n, err := strconv.Atoi(number); ok && err == nil {
			next = max(next, n+1)
		}
	}
	return fmt.Sprintf("%s-%06d%s", m.packBase, next, m.packExt)
}

// Pack makes an output of all that waits: write is called with its file, and with the
// entries and their lines. It returns the output's path, "" if nothing waited.
func (m *Manifest) Pack(write func(out io.Writer, rows iter.Seq2[Entry, []byte]) error) (output string, err error) {
	var waiting []int
	for i, e := range m.own {
		if e.Output == m.lines {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return "", nil
	}
	name := m.nextPack()
	bytes, sum, err := m.writePack(name, waiting, write)
	if err != nil {
		return "", err
	}
	for _, i := range waiting {
		e := &m.own[i]
		e.Output, e.Offset, e.Bytes, e.SHA256 = path.Base(name), 0, bytes, sum
	}
	// A kill before this leaves an output that the next one takes the place of.
	if err := errors.Join(m.Close(), m.rewriteOwn()); err != nil {
		return "", err
	}
	m.at = 0
	if err := os.Remove(m.path(m.lines)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return m.path(name), nil
}

func (m *Manifest) writePack(name string, waiting []int, write func(out io.Writer, rows iter.Seq2[Entry, []byte]) error) (size int64, sum string, err error) {
	in, err := os.Open(m.path(m.lines))
	if err != nil {
		return 0, "", err
	}
	defer in.Close()
	f, err := atomicfile.Create(m.path(name))
	if err != nil {
		return 0, "", err
	}
	defer f.Discard()
	hash := sha256.New()
	var lineErr error
	rows := func(yield func(Entry, []byte) bool) {
		for _, i := range waiting {
			e := m.own[i]
			line := make([]byte, e.Bytes)
			if _, err := in.ReadAt(line, e.Offset); err != nil {
				lineErr = err
				return
			}
			if got := sha256.Sum256(line); hex.EncodeToString(got[:]) != e.SHA256 {
				lineErr = fmt.Errorf("%s: has changed while this process wrote to it", in.Name())
				return
			}
			if !yield(e, line) {
				return
			}
		}
	}
	if err := errors.Join(write(io.MultiWriter(named{f}, hash), rows), lineErr); err != nil {
		return 0, "", err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return 0, "", err
	}
	return size, hex.EncodeToString(hash.Sum(nil)), f.Commit()
}

// A named file says in errors of writing which it is.
type named struct{ f *atomicfile.File }

func (n named) Write(p []byte) (int, error) {
	k, err := n.f.Write(p)
	if err != nil {
		err = fileerr.Write(n.f.Path(), err)
	}
	return k, err
}

// outputExt is the extension of the outputs that an output belongs to.
func outputExt(output string) string {
	return filepath.Ext(strings.TrimSuffix(output, spoolExt))
}
