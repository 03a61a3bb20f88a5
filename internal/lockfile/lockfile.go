// Package lockfile keeps two processes from writing into one folder: a file in it is
// locked and says who holds it.
//
// On file systems without locks, or with locks for one machine only, the file's
// modification time serves: the holder writes to it regularly, and a file that was not
// written for a while is stale. Check decides between two processes that start at almost
// the same time.
package lockfile

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// ErrHeld is wrapped by the error of Acquire for a lock that another process holds, and
// ErrLost by that of Check.
var (
	ErrHeld = errors.New("in use by another process")
	ErrLost = errors.New("taken by another process")
)

// A Holder is a process that holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	Token string    `json:"token"` // tells it from every other, of the same PID too
}

// String names the holder in a message.
func (h Holder) String() string {
	if h.Token == "" {
		return "a process that does not say which it is"
	}
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.Local().Format("2006-01-02 15:04:05"))
}

// How often a holder says that it holds its lock, and from when on it is taken for dead
// where nothing else tells.
var (
	beat  = 20 * time.Second
	stale = 2 * time.Minute
	// settle is how long two processes may take to see each other's writing where there
	// are no locks.
	settle = 200 * time.Millisecond
)

// A Lock is held until Release. It is safe for concurrent use.
type Lock struct {
	path string
	file *os.File
	own  Holder
	stop chan struct{}
	done sync.WaitGroup
}

// Acquire takes the lock of the file at path, which is made where it is missing. An
// error that wraps ErrHeld names the process that holds it.
func Acquire(path string) (*Lock, error) { return acquire(path, TryLock) }

func acquire(path string, tryLock func(*os.File) (bool, error)) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, naming(path, err)
		}
		taken, lockErr := tryLock(f)
		if !taken && lockErr == nil {
			h, ok := read(f)
			for range 10 { // who has just taken it may not have written yet
				if ok {
					break
				}
				time.Sleep(settle / 10)
				h, ok = read(f)
			}
			f.Close()
			return nil, held(path, h)
		}
		if !current(f, path) { // it was released, and removed, meanwhile
			f.Close()
			continue
		}
		l, err := take(path, f, taken)
		if err != nil {
			f.Close()
			return nil, err
		}
		return l, nil
	}
}

// naming says once of which file an error is.
func naming(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func held(path string, h Holder) error {
	return fmt.Errorf("%s: %w: %v; wait until it has ended, or end it", path, ErrHeld, h)
}

// current says whether f is still the file at path.
func current(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// take writes into a file who holds it. locked says that the system has locked it, so
// that no process of this machine holds it.
func take(path string, f *os.File, locked bool) (*Lock, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	info, err := f.Stat()
	if err != nil {
		return nil, naming(path, err)
	}
	if h, ok := read(f); ok && time.Since(info.ModTime()) < stale {
		gone := h.Host == host && (locked || !Running(h.PID))
		if !gone {
			return nil, held(path, h)
		}
	}
	l := &Lock{path: path, file: f, own: Holder{os.Getpid(), host, time.Now().Truncate(time.Second), rand.Text()}, stop: make(chan struct{})}
	if err := l.write(); err != nil {
		return nil, naming(path, err)
	}
	if !locked {
		time.Sleep(settle)
		if h, _ := l.holder(); h.Token != l.own.Token {
			return nil, held(path, h)
		}
	}
	l.done.Go(l.beat)
	return l, nil
}

// The record stands behind a first byte, which is what Windows locks: what is locked
// cannot be read.
const recordAt = 1

func read(f *os.File) (h Holder, ok bool) {
	data, err := io.ReadAll(io.NewSectionReader(f, recordAt, 1<<12))
	if err != nil || json.Unmarshal(data, &h) != nil {
		return Holder{}, false
	}
	return h, h.Token != ""
}

func (l *Lock) write() error {
	data, err := json.Marshal(l.own)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	if _, err := l.file.WriteAt(append([]byte("\n"), data...), 0); err != nil {
		return err
	}
	return l.file.Sync()
}

// holder reads the file that is at the path now.
func (l *Lock) holder() (Holder, bool) {
	f, err := os.Open(l.path)
	if err != nil {
		return Holder{}, false
	}
	defer f.Close()
	return read(f)
}

// beat says now and then that the lock is held.
func (l *Lock) beat() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			now := time.Now()
			_ = os.Chtimes(l.path, now, now) // Check tells what is wrong
		case <-l.stop:
			return
		}
	}
}

// Check returns an error that wraps ErrLost where the file is no longer this lock's: it
// was removed, or another process, which the error names, has taken it.
func (l *Lock) Check() error {
	h, ok := l.holder()
	switch {
	case h.Token == l.own.Token:
		return nil
	case ok:
		return fmt.Errorf("%s: %w: %v", l.path, ErrLost, h)
	}
	return fmt.Errorf("%s: %w: it is gone, or another process is taking it", l.path, ErrLost)
}

// Release gives the lock back and removes the file. It may be called more than once.
func (l *Lock) Release() {
	select {
	case <-l.stop:
		return
	default:
	}
	close(l.stop)
	l.done.Wait()
	if l.Check() == nil {
		os.Remove(l.path)
	}
	l.file.Close()
	if l.Check() == nil {
		os.Remove(l.path) // where what is open cannot be removed
	}
}
