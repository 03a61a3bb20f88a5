package atomicfile

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/facodec-go/facodec/internal/lockfile"
)

// The names of files aside: ours, of this machine, and of any length of their
// destination's. They are hidden, so that nothing takes them for outputs.
const asidePrefix = ".facodec.tmp-"

var asideHost = func() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprintf("%08x-", h.Sum32())
}()

// locks says whether files aside are locked. On Windows a lock would keep another
// program, an encoder say, from writing to the file.
const locks = runtime.GOOS != "windows"

// createAside makes a file in dir. It is os.CreateTemp but for the mode, which there is
// private whatever the umask says, and for the lock.
func createAside(dir string) (*os.File, error) {
	sweepOnce(dir)
	for try := 0; ; try++ {
		name := filepath.Join(dir, asidePrefix+asideHost+fmt.Sprintf("%013x", rand.Uint64()>>12))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil && lock(f, name) {
			return f, nil
		}
		if err == nil {
			f.Close()
			os.Remove(name)
			err = fs.ErrExist
		}
		if !errors.Is(err, fs.ErrExist) || try == 100 {
			return nil, err
		}
	}
}

// lock locks a file that was just made. It is false where another process, which took it
// for one that was left, was quicker.
func lock(f *os.File, name string) bool {
	if !locks {
		return true
	}
	taken, err := lockfile.TryLock(f)
	if err != nil {
		return true // no locks here
	}
	own, ownErr := f.Stat()
	there, err := os.Stat(name)
	return taken && ownErr == nil && err == nil && os.SameFile(own, there)
}

// leftAge is how long nothing was written to a file that is taken for left where no lock
// tells.
const leftAge = 24 * time.Hour

var swept sync.Map // folders, by path

func sweepOnce(dir string) {
	if _, before := swept.LoadOrStore(dir, true); !before {
		sweep(dir)
	}
}

// sweep removes the files aside in dir whose processes have ended: those of this machine
// that nobody has locked, and those of others, and all where there are no locks, that
// are a day old.
func sweep(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1 << 10)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), asidePrefix) && e.Type().IsRegular() {
				sweepFile(filepath.Join(dir, e.Name()), strings.HasPrefix(e.Name(), asidePrefix+asideHost))
			}
		}
		if err != nil {
			return
		}
	}
}

func sweepFile(path string, ours bool) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	left := time.Since(info.ModTime()) > leftAge
	if locks {
		free, err := lockfile.TryLock(f)
		if err == nil {
			left = free && (ours || left)
		}
	}
	if left {
		os.Remove(path)
	}
}
