package hub

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/facodec-go/facodec/internal/lockfile"
)

// A partial is a file that is on its way to a blob. Each download has a file of its
// own,
//
//	<etag>.<host>-<process>-<n>.incomplete
//
// because a lock is not enough: on Lustre and NFS it may do nothing, and nobody is
// told. What a download leaves behind goes to the next one, which renames it: only
// one can.
type partial struct {
	file  *os.File
	blob  string // what it becomes
	done  int64
	bound int64 // of a file whose length is not known
}

const incomplete = ".incomplete"

// abandoned is how long nothing comes to a file before it is taken for left behind:
// much longer than a download waits for a byte, and than the clocks of two machines
// should differ.
const abandoned = time.Hour

var downloads atomic.Int64

// unique is part of the names of this download's files.
func unique() string {
	return fmt.Sprintf("%s-%d", processName(), downloads.Add(1))
}

// processName is "<host>-<process>", with what a name of a file may have.
func processName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "host"
	}
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, host)
	return fmt.Sprintf("%.32s-%d", host, os.Getpid())
}

// openPartial goes on with what an earlier download of the blob left, or begins.
func openPartial(blob string) (*partial, error) {
	name := blob + "." + unique() + incomplete
	for _, left := range leftBehind(blob) {
		if os.Rename(left, name) == nil {
			break
		}
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	p := &partial{file: file, blob: blob}
	if p.done, err = file.Seek(0, io.SeekEnd); err != nil {
		return nil, p.keep(err)
	}
	return p, nil
}

// leftBehind lists the files of downloads of a blob that are over: what an error left
// (and other programs leave), those of processes of this machine that are no more, and
// those to which nothing has come for long.
func leftBehind(blob string) (found []string) {
	if _, err := os.Stat(blob + incomplete); err == nil {
		found = append(found, blob+incomplete)
	}
	entries, err := os.ReadDir(filepath.Dir(blob))
	if err != nil {
		return found
	}
	host, _, _ := cutLast(processName(), "-")
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(blob)+".")
		owner, ok2 := strings.CutSuffix(rest, incomplete)
		if !ok || !ok2 {
			continue
		}
		owner, _, _ = cutLast(owner, "-")
		from, process, _ := cutLast(owner, "-")
		info, err := e.Info()
		switch {
		case err != nil:
		case from == host && hasEnded(process), time.Since(info.ModTime()) > abandoned:
			found = append(found, filepath.Join(filepath.Dir(blob), e.Name()))
		}
	}
	return found
}

// hasEnded reports whether no process of this machine has this number any more; false
// where that is not known: age tells then.
func hasEnded(process string) bool {
	pid, err := strconv.Atoi(process)
	return err == nil && pid > 0 && !lockfile.Running(pid)
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (p *partial) restart() error {
	if p.done == 0 {
		return nil
	}
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	p.done = 0
	return err
}

// keep leaves what has come to the next download.
func (p *partial) keep(err error) error {
	name := p.file.Name()
	p.file.Close()
	if p.done == 0 {
		os.Remove(name)
	} else {
		_ = os.Rename(name, p.blob+incomplete)
	}
	return err
}

// drop deletes what has come.
func (p *partial) drop(err error) error {
	p.file.Close()
	os.Remove(p.file.Name())
	return err
}

// commit makes the file the blob. Another download may have done so before: then
// theirs stays where it cannot be replaced, open files on Windows.
func (p *partial) commit() error {
	name := p.file.Name()
	if err := p.file.Close(); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	err := os.Rename(name, p.blob)
	if err != nil && whole(p.blob, p.done) {
		return os.Remove(name)
	}
	return err
}
