//go:build unix

package dataset

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWalkTellsWhatCannotBeRead(t *testing.T) {
	root := t.TempDir()
	touch(t, filepath.Join(root, "a.wav"), filepath.Join(root, "locked/b.wav"))
	must(t, syscall.Mkfifo(filepath.Join(root, "pipe.wav"), 0o600))
	want := []string{"pipe.wav: is a pipe or a device"}
	if os.Getuid() != 0 { // root reads everything
		must(t, os.Chmod(filepath.Join(root, "locked"), 0))
		defer os.Chmod(filepath.Join(root, "locked"), 0o700)
		want = []string{"locked: folder cannot be read: permission denied", want[0]}
	}
	var r reports
	walked(t, root, r.add)
	r.want(t, want...)
}
