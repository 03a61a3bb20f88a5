package npz

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadErrors(t *testing.T) {
	good := "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
	with := func(old, repl string) []byte { return npy(strings.Replace(good, old, repl, 1), 0, 0, 0, 0) }
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not a NumPy array"},
		{"another file", []byte("RIFF....WAVE"), "not a NumPy array"},
		{"version", []byte(magic + "\x09\x00"), "version 9.0 is not supported"},
		{"no length", []byte(magic + "\x01\x00\x04"), "unexpected EOF"},
		{"cut header", npy(good)[:20], "unexpected EOF"},
		{"long header", []byte(magic + "\x02\x00\xff\xff\xff\xff"), "header of 4294967295 bytes is not supported"},
		{"short data", npy(good, 0, 0, 0), "array data is too short: float32 [1] takes 4 bytes"},
		{"long data", npy(good, 0, 0, 0, 0, 0), "array data is followed by more bytes"},
		{"objects", with("<f4", "|O"), `element type "|O" is not supported`},
		{"complex", with("<f4", "<c8"), `element type "<c8" is not supported`},
		{"no order", with("<f4", "|f4"), `element type "|f4" is not supported`},
		{"structure", with("'<f4'", "[('a', '<f4')]"), `not understood at "[('a', '<f4')]`},
		{"lacks a key", with("'fortran_order': False, ", ""), "lacks descr, fortran_order or shape"},
		{"key twice", with("'fortran_order': False", "'descr': '<f4'"), `has "descr" twice`},
		{"key", with("fortran_order", "order"), "not understood"},
		{"negative", with("(1,)", "(-1,)"), `not understood at "-1,), }"`},
		{"code", with("False", "open('x')"), "not understood at \"open('x')"},
		{"rest", npy(good+" x", 0, 0, 0, 0), "not understood"},
		{"open", npy("{'descr': '<f4"), "not understood"},
		{"huge", with("(1,)", "(2000000000, 2000000000)"), "is too large"},
		{"huger", with("(1,)", "(99999999999999999999,)"), "not understood"},
		{"more than memory", with("(1,)", "(2000000000,)"), "would take 8000000000 bytes"},
		{"lie", with("(1,)", "(1000000000,)"), "array data is too short"},
		{"axes", with("(1,)", "("+strings.Repeat("1,", 33)+")"), "not understood"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if a, err := ReadNPY(bytes.NewReader(tc.data)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %+v, error %v, want %q", a, err, tc.want)
			}
		})
	}
}

func archive(t *testing.T, method uint16, members ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := 0; i < len(members); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: members[i], Method: method})
		if err == nil {
			_, err = io.WriteString(w, members[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestFileErrors(t *testing.T) {
	one := string(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 1, 2, 3, 4))
	open := func(data []byte) (*File, error) { return NewFile("f", bytes.NewReader(data), int64(len(data))) }
	for _, tc := range []struct {
		data []byte
		want string
	}{
		{nil, "open f: not a NumPy archive: "},
		{[]byte("RIFF"), "open f: not a NumPy archive: "},
		{archive(t, zip.Store, "a.npy", one, "data.pkl", "x"), `open f: not a NumPy archive: it holds "data.pkl"`},
		{archive(t, zip.Store, "a.npy", one, "a.npy", one), `open f: array "a" is there twice`},
	} {
		if _, err := open(tc.data); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("error %v, want %q", err, tc.want)
		}
	}
	flipped := archive(t, zip.Store, "a.npy", one)
	flipped[bytes.Index(flipped, []byte{1, 2, 3, 4})] ^= 1
	f, err := open(flipped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("a"); !errors.Is(err, zip.ErrChecksum) {
		t.Errorf("flipped bit: %v", err)
	}
	// 32 MiB of zeros in 32 KiB.
	bomb := string(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (33554432,), }", make([]byte, 32<<20)...))
	f, err = open(archive(t, zip.Deflate, "a.npy", bomb))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("a"); err == nil || !strings.Contains(err.Error(), "more than the file can hold") {
		t.Errorf("bomb: %v", err)
	}
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || err.Error() != "open "+dir+": is a directory" {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name  string
		write func(*Writer) error
		want  string
	}{
		{"short", func(w *Writer) error { return w.Write("a", []int{3}, []float32{1, 2}) }, `write array "a": 4 bytes of data missing for float32 [3]`},
		{"long", func(w *Writer) error { return w.Write("a", []int{1}, []float32{1, 2}) }, `write array "a": 4 bytes of data too many`},
		{"negative", func(w *Writer) error { return w.Write("a", []int{-1}, []float32{}) }, "shape [-1] is not possible"},
		{"overflow", func(w *Writer) error { return w.Write("a", []int{1 << 31, 1 << 31}, []float32{}) }, "is not possible"},
		{"axes", func(w *Writer) error { return w.Write("a", make([]int, 33), []float32{}) }, "33 axes are more"},
		{"type", func(w *Writer) error { return w.Write("a", []int{1}, [][]float32{{1}}) }, "elements of [][]float32 are not supported"},
		{"no type", func(w *Writer) error { return w.WriteFunc("a", nil, 0, nil) }, "DType(0) is not an element type"},
		{"no name", func(w *Writer) error { return w.Write("", nil, []float32{1}) }, "name is empty or used already"},
		{"twice", func(w *Writer) error {
			return errors.Join(w.Write("a", nil, []float32{1}), w.Write("a", nil, []float32{1}))
		}, "name is empty or used already"},
		{"source", func(w *Writer) error {
			return w.WriteFunc("a", nil, Float32, func(io.Writer) error { return broken })
		}, `write array "a": broken`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWriter(io.Discard)
			if err := tc.write(w); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			// A file with a fault must not be ended as if it were whole.
			if w.Write("b", nil, []float32{1}) == nil || w.Close() == nil {
				t.Error("the writer goes on after an error")
			}
		})
	}
	w := NewWriter(&failingWriter{left: 100})
	err := w.Write("a", []int{1 << 16}, make([]float32, 1<<16))
	if err == nil {
		err = w.Close()
	}
	if !errors.Is(err, errFull) {
		t.Errorf("full disk: %v", err)
	}
}

var errFull = errors.New("disk full")

type failingWriter struct{ left int }

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// WriteFunc takes an array in pieces of any size.
func TestWriteFunc(t *testing.T) {
	f := write(t, func(w *Writer) error {
		return w.WriteFunc("a", []int{2, 500}, Int32, func(out io.Writer) error {
			var all []byte
			for i := range uint32(1000) {
				all = binary.LittleEndian.AppendUint32(all, i)
			}
			for n := 1; len(all) > 0; n++ {
				n = min(n, len(all))
				if _, err := out.Write(all[:n]); err != nil {
					return err
				}
				all = all[n:]
			}
			return nil
		})
	})
	a, err := f.Read("a")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range a.Int {
		if v != int64(i) {
			t.Fatalf("[%d] = %d", i, v)
		}
	}
}

// TestOpenNoFile: what cannot be read twice is refused before it is opened, which would wait for
// whoever writes to a pipe.
func TestOpenNoFile(t *testing.T) {
	for path, message := range map[string]string{t.TempDir(): "is a directory", os.DevNull: "is not a regular file"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %s", path, err, message)
		}
	}
}

func FuzzReadNPY(f *testing.F) {
	for _, dict := range []string{
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n",
		"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }\n",
		"{'descr': '|b1', 'fortran_order': True, 'shape': (0, 4, 1)}",
		"{'shape': (), 'descr': \">i2\", 'fortran_order': True}",
		"{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647, 0)}",
	} {
		f.Add(npy(dict, 1, 2, 3, 4))
	}
	f.Add([]byte(magic + "\x03\x00\x01\x00\x00\x00{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ReadNPY(bytes.NewReader(data))
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if a.Len() != n || n*a.DType.Size() > len(data) {
			t.Errorf("%d elements for shape %v", a.Len(), a.Shape)
		}
	})
}

func FuzzFile(f *testing.F) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	if err := errors.Join(w.Write("a", []int{2}, []int32{1, 2}), w.Write("b", nil, []float32{1}), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := NewFile("f", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			if a, err := file.Read(name); err == nil && a.Len()*a.DType.Size() > 200*len(data)+maxPacked {
				t.Errorf("%d bytes give %d elements", len(data), a.Len())
			}
		}
	})
}
