package train

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/facodec-go/facodec/internal/weights"
)

// TestFullDisk trains on a disk that is too small, of one size after the other, so
// that it fails at one write after the other. Each time the error must say so, what
// was written before must be whole, and with more room the run must go on to what it
// would have become.
//
// The disk is a tmpfs in namespaces of the test's own, which is where the test runs
// again.
func TestFullDisk(t *testing.T) {
	const inside = "FACODEC_TEST_FULL_DISK"
	if os.Getenv(inside) != "" {
		fullDisk(t)
		return
	}
	if testing.Short() {
		t.Skip("starts a process")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("no namespaces here: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
	t.Logf("%s", out)
}

func fullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	resize := func(kib int) {
		if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dk", kib)); err != nil {
			t.Fatal(err)
		}
	}
	const steps = 5
	whole := smallExperiment(filepath.Join(disk, "whole"))
	if _, err := runSmall(t, whole, steps, nil); err != nil {
		t.Fatal(err)
	}
	used := func() int {
		var s syscall.Statfs_t
		if err := syscall.Statfs(disk, &s); err != nil {
			t.Fatal(err)
		}
		return int(s.Blocks-s.Bfree) * int(s.Bsize) / 1024
	}
	needed := used()
	// Room for the second run, in KiB. The small files come first, page by page.
	const page, pages, parts = 4, 16, 20
	var rooms []int
	for i := range pages {
		rooms = append(rooms, i*page)
	}
	for i := range parts {
		rooms = append(rooms, pages*page+i*(needed-pages*page)/parts)
	}
	// Full from the start, where nothing but the checkpoints goes: that is found out first.
	elsewhere := smallExperiment(t.TempDir())
	full := filepath.Join(disk, "full")
	if err := errors.Join(os.Mkdir(full, 0o755), os.MkdirAll(RunDir(elsewhere), 0o755), os.Symlink(full, filepath.Join(RunDir(elsewhere), checkpointDir))); err != nil {
		t.Fatal(err)
	}
	resize(used())
	_, err := runSmall(t, elsewhere, 1, func(o *RunOptions) {
		o.Progress = func(p Progress) { t.Errorf("no room for checkpoints: %s comes first", p.Phase) }
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(RunDir(elsewhere), checkpointDir)) {
		t.Errorf("no room for checkpoints: error %v", err)
	}
	every := 8
	if os.Getenv("FACODEC_HEAVY") != "" {
		every = 1
	}
	failed := map[string]int{}
	for i := 0; i < len(rooms); i += every {
		room := rooms[i]
		c := smallExperiment(filepath.Join(disk, fmt.Sprint(room)))
		resize(needed + room)
		_, err := runSmall(t, c, steps, nil)
		switch {
		case err == nil:
			t.Errorf("room of %d KiB where a run needs %d: no error", room, needed)
		case !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), RunDir(c)):
			t.Errorf("room of %d KiB: error %q does not say which file the disk is too full for", room, err)
		default:
			failed[strings.ReplaceAll(err.Error(), c.LogDir, "")]++
		}
		wholeFiles(t, RunDir(c))
		resize(64 << 10)
		if _, err := runSmall(t, c, steps, nil); err != nil {
			t.Errorf("room of %d KiB, and then more: %v", room, err)
			continue
		}
		sameRuns(t, RunDir(c), RunDir(whole), steps)
		if err := os.RemoveAll(c.LogDir); err != nil {
			t.Fatal(err)
		}
	}
	for text, n := range failed {
		t.Logf("%d times: %s", n, text)
	}
}

// wholeFiles complains of what a failed run should not have left.
func wholeFiles(t *testing.T, dir string) {
	t.Helper()
	written, err := checkpoints(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, path := range written {
		f, err := weights.Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		f.Close()
	}
	entries, _ := os.ReadDir(filepath.Join(dir, checkpointDir))
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".safetensors") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}
