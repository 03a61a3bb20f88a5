package lockfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary be a process that holds a lock until it is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("FACODEC_TEST_LOCK"); path != "" {
		if _, err := Acquire(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	os.Exit(m.Run())
}

func acquired(t *testing.T, path string) *Lock {
	t.Helper()
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l
}

func TestAcquire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := acquired(t, path)
	host, _ := os.Hostname()
	_, err := Acquire(path)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on %s", os.Getpid(), host)) {
		t.Errorf("taken twice: %v", err)
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	l.Release()
	l.Release()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a released lock leaves its file: %v", err)
	}
	acquired(t, path)
	path = filepath.Join(t.TempDir(), "no folder", "lock")
	if _, err := Acquire(path); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), path+": ") || strings.Count(err.Error(), path) != 1 {
		t.Errorf("no folder: %v", err)
	}
}

// TestKilled: a process that holds a lock keeps others out, and its lock is stale once
// it is killed.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FACODEC_TEST_LOCK="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 5)
	if _, err := out.Read(line); err != nil || string(line) != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := Acquire(path); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", cmd.Process.Pid)) {
		t.Errorf("held by %d: %v", cmd.Process.Pid, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	acquired(t, path)
}

// TestOneOfMany: of processes that begin at once one has the lock.
func TestOneOfMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var mu sync.Mutex
	var all []*Lock
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if l, err := Acquire(path); err == nil {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, l)
			} else if !errors.Is(err, ErrHeld) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(all) != 1 {
		t.Errorf("%d have the lock", len(all))
	}
	for _, l := range all {
		l.Release()
	}
}

// TestWithoutLocks: where the system has no locks, the file says whether it is held.
func TestWithoutLocks(t *testing.T) {
	settle = 20 * time.Millisecond
	none := func(*os.File) (bool, error) { return false, errors.ErrUnsupported }
	host, _ := os.Hostname()
	old := time.Now().Add(-3 * stale)
	for name, k := range map[string]struct {
		tryLock func(*os.File) (bool, error)
		record  any
		changed time.Time // of the file; zero for now
		held    bool
	}{
		"nobody":                        {none, nil, time.Time{}, false},
		"damaged":                       {none, "what", time.Time{}, false},
		"running":                       {none, Holder{os.Getpid(), host, old, "a"}, time.Time{}, true},
		"dead":                          {none, Holder{1 << 30, host, old, "a"}, time.Time{}, false},
		"of another host":               {none, Holder{7, "elsewhere", old, "a"}, time.Time{}, true},
		"of another host, long ago":     {none, Holder{7, "elsewhere", old, "a"}, old, false},
		"another's PID, long ago":       {none, Holder{os.Getpid(), host, old, "a"}, old, false},
		"locked, but of another host":   {TryLock, Holder{7, "elsewhere", old, "a"}, time.Time{}, true},
		"locked, killed on this host":   {TryLock, Holder{os.Getpid(), host, old, "a"}, time.Time{}, false},
		"locked, long ago of elsewhere": {TryLock, Holder{7, "elsewhere", old, "a"}, old, false},
	} {
		path := filepath.Join(t.TempDir(), "lock")
		if k.record != nil {
			data, err := json.Marshal(k.record)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append([]byte("\n"), data...), 0o644); err != nil {
				t.Fatal(err)
			}
			if !k.changed.IsZero() {
				if err := os.Chtimes(path, k.changed, k.changed); err != nil {
					t.Fatal(err)
				}
			}
		}
		l, err := acquire(path, k.tryLock)
		if errors.Is(err, ErrHeld) != k.held || (err == nil) == k.held {
			t.Errorf("%s: %v", name, err)
		}
		if l != nil {
			l.Release()
		}
	}
}

// TestLost: who loses a lock, because the file system keeps no locks or someone removes
// the file, is told, and leaves the other's file alone.
func TestLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := acquired(t, path)
	data, err := json.Marshal(Holder{42, "elsewhere", time.Now(), "other"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("\n"), data...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "process 42 on elsewhere") {
		t.Errorf("overwritten: %v", err)
	}
	l.Release()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the other's lock is removed: %v", err)
	}
	path = filepath.Join(t.TempDir(), "lock")
	l = acquired(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); !errors.Is(err, ErrLost) {
		t.Errorf("removed: %v", err)
	}
}

// TestBeat: a lock that is held does not become stale.
func TestBeat(t *testing.T) {
	was := beat
	beat = 5 * time.Millisecond
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-3 * stale)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		time.Sleep(10 * time.Millisecond)
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) < stale {
			break
		}
	}
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > stale {
		t.Errorf("%v, %v", info, err)
	}
	l.Release()
	beat = was
}
