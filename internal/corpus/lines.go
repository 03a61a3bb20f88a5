package corpus

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/facodec-go/facodec/internal/atomicfile"
)

// verifyLines drops the entries whose lines are not in the file as they should be.
// Files of their own are synced before they are listed, lines are not: after
// a power cut some may be missing.
func (m *Manifest) verifyLines(force bool) error {
	f, err := os.Open(m.path(m.lines))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		defer f.Close()
		if err := m.checkOurs(f); err != nil && !force {
			return err
		}
	}
	var intact []Entry
	at := int64(0)
	var r *bufio.Reader
	for _, e := range m.own {
		if e.Output != m.lines {
			intact = append(intact, e)
			continue
		}
		if f == nil {
			continue
		}
		if r == nil || at != e.Offset { // one after the other, unless someone edited
			if _, err := f.Seek(e.Offset, io.SeekStart); err != nil {
				return err
			}
			r = bufio.NewReaderSize(f, 1<<20)
		}
		h := sha256.New()
		n, err := io.CopyN(h, r, e.Bytes)
		if err != nil && err != io.EOF {
			return err
		}
		at = e.Offset + n
		if n == e.Bytes && hex.EncodeToString(h.Sum(nil)) == e.SHA256 {
			intact = append(intact, e)
		}
	}
	m.torn = m.torn || len(intact) < len(m.own) // to be written again
	m.own = intact
	return nil
}

// checkOurs refuses a file with something in it and no manifest next to it.
func (m *Manifest) checkOurs(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	if _, err := os.Stat(m.path(m.name)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: no %s", m.path(m.lines), ErrUnknown, m.name)
	}
	return nil
}

// repairLines leaves in the file the lines of kept and nothing else, and sets their
// offsets. Usually the file is as it should be, or is cut to what is listed.
func (m *Manifest) repairLines(kept []Entry) (moved bool, err error) {
	m.at = 0
	for _, e := range kept {
		if e.Output == m.lines {
			moved = moved || e.Offset != m.at
			m.at += e.Bytes
		}
	}
	file := m.path(m.lines)
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // none of kept is in it then
	}
	if err != nil {
		return false, err
	}
	if !moved {
		if info.Size() == m.at {
			return false, nil
		}
		return false, os.Truncate(file, m.at)
	}
	in, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer in.Close()
	return true, m.rewrite(m.lines, func(out *os.File) error {
		at := int64(0)
		for i, e := range kept {
			if e.Output != m.lines {
				continue
			}
			if _, err := io.Copy(out, io.NewSectionReader(in, e.Offset, e.Bytes)); err != nil {
				return err
			}
			kept[i].Offset = at
			at += e.Bytes
		}
		return nil
	})
}

// rewrite replaces a file by what fill writes.
func (m *Manifest) rewrite(name string, fill func(out *os.File) error) error {
	f, err := atomicfile.Create(m.path(name))
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := fill(f.File); err != nil {
		return err
	}
	return f.Commit()
}

// Lines returns the path of the output of lines.
func (m *Manifest) Lines() string { return m.path(m.lines) }

// AddLine adds a line to the output of lines, and lists it in the manifest. The entry needs
// neither output nor offset.
func (m *Manifest) AddLine(line []byte, e Entry) (err error) {
	if m.lineFile == nil {
		// The manifest comes first: without it the lines are nobody's.
		if m.file, err = m.open(m.name); err != nil {
			return err
		}
		if m.lineFile, err = m.open(m.lines); err != nil {
			return err
		}
	}
	if err := m.append(m.lineFile, line); err != nil {
		return err
	}
	e.Output, e.Offset = path.Base(m.lines), m.at
	m.at += int64(len(line))
	return m.Add(e)
}
