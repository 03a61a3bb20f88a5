package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommitReplacesAndDiscardLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.txt")
	for _, content := range []string{"first", "second"} {
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Discard()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		if old, err := os.ReadFile(path); err == nil && string(old) == content {
			t.Fatal("destination changed before Commit")
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Fatalf("got %q, %v; want %q", got, err, content)
		}
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("third")
	f.Discard()
	if got, _ := os.ReadFile(path); string(got) != "second" {
		t.Fatalf("a discarded write changed the file to %q", got)
	}
	if err := f.Commit(); err == nil {
		t.Fatal("Commit after Discard succeeded")
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Fatalf("left behind: %v", entries)
	}
}

func TestCreateNamesTheDestination(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing", "x.wav"), dir, filepath.Join(dir, "loop")} {
		_, err := Create(path)
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), ".tmp-") {
			t.Errorf("Create(%s): %v", path, err)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestLinks: a link stays one, and what it leads to is written, whether it is there or
// not.
func TestLinks(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	link, second, target := filepath.Join(dir, "link"), filepath.Join(dir, "second"), filepath.Join(elsewhere, "target")
	for from, to := range map[string]string{link: target, second: "link"} {
		if err := os.Symlink(to, from); err != nil {
			t.Skip(err)
		}
	}
	for i, path := range []string{second, link} {
		text := []string{"through two", "through one"}[i]
		put(t, path, text)
		if got, err := os.ReadFile(target); err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link was replaced: %v", err)
		}
	}
	if got := names(t, elsewhere); !slices.Equal(got, []string{"target"}) {
		t.Errorf("beside the target: %q", got)
	}
	if IsStream(link) || IsStream(filepath.Join(dir, "new")) {
		t.Error("a file is taken for a stream")
	}
}

// TestLongName: a file aside needs no longer a name than its destination.
func TestLongName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 255))
	put(t, path, "text")
	if got, err := os.ReadFile(path); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSweep: what a process that was killed has left goes, and what others are at work
// on, and what is no file of ours, stays.
func TestSweep(t *testing.T) {
	if dir := os.Getenv("ATOMICFILE_TEST"); dir != "" {
		if _, err := Create(filepath.Join(dir, "x")); err != nil {
			t.Fatal(err)
		}
		fmt.Println("created")
		time.Sleep(time.Minute)
		return
	}
	if !locks {
		t.Skip("no locks")
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestSweep$")
	child.Env = append(os.Environ(), "ATOMICFILE_TEST="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "created\n" {
		child.Process.Kill()
		t.Fatalf("%q, %v", line, err)
	}
	strangers := []string{".x.tmp-1", asidePrefix + "00000000-0123456789abc", ".facodec", "facodec.tmp-1"}
	for _, name := range strangers {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweep(dir)
	if got := names(t, dir); len(got) != len(strangers)+1 {
		t.Errorf("while the other process is at work: %q", got)
	}
	child.Process.Kill()
	child.Wait()
	sweep(dir)
	slices.Sort(strangers)
	if got := names(t, dir); !slices.Equal(got, strangers) {
		t.Errorf("after it was killed: %q, want %q", got, strangers)
	}
	old := time.Now().Add(-2 * leftAge)
	if err := os.Chtimes(filepath.Join(dir, strangers[1]), old, old); err != nil {
		t.Fatal(err)
	}
	sweep(dir)
	if got := names(t, dir); slices.Contains(got, asidePrefix+"00000000-0123456789abc") {
		t.Error("a file that another machine left long ago stays")
	}
}

func TestCommitUnsynced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache")
	for _, text := range []string{"one", "another"} {
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := f.CommitUnsynced(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != text || err != nil {
			t.Errorf("%q, error %v", got, err)
		}
		if err := f.Commit(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("committed again: error %v", err)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

// TestProbe: what would keep a file from being written is known before, and nothing is left.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	folder, file := filepath.Join(dir, "folder"), filepath.Join(dir, "file")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, file, "first")
	for _, test := range []struct {
		path string
		want error // nil for none
	}{
		{file, nil},
		{filepath.Join(dir, "new"), nil},
		{os.DevNull, nil},
		{folder, syscall.EISDIR},
		{filepath.Join(dir, "missing", "x"), fs.ErrNotExist},
		{filepath.Join(file, "x"), syscall.ENOTDIR},
	} {
		err := Probe(test.path)
		if !errors.Is(err, test.want) || err != nil && !strings.HasPrefix(err.Error(), "write "+test.path+": ") {
			t.Errorf("%s: error %v, want %v", test.path, err, test.want)
		}
	}
	if got, err := os.ReadFile(file); string(got) != "first" {
		t.Errorf("a file that was there is %q, error %v", got, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}
