package npz

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sbinet/npyio"
)

// npy makes a .npy file of any header text, padded as NumPy pads.
func npy(dict string, data ...byte) []byte {
	b := append([]byte(magic), 1, 0, byte(len(dict)), byte(len(dict)>>8))
	return append(append(b, dict...), data...)
}

func write(t *testing.T, fill func(*Writer) error) *File {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf)
	if err := fill(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile("buf", bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	nan := float32(math.NaN())
	long := make([]float32, 10001)
	for i := range long {
		long[i] = float32(i) / 7
	}
	cases := []struct {
		name  string
		shape []int
		data  any
		want  Array
	}{
		{"f32", []int{2, 3}, []float32{1, -2, 3.5, 0, float32(math.Inf(1)), 1e-45}, Array{DType: Float32, F32: []float32{1, -2, 3.5, 0, float32(math.Inf(1)), 1e-45}}},
		{"f64", []int{2}, []float64{math.Pi, -1e300}, Array{DType: Float64, F64: []float64{math.Pi, -1e300}}},
		{"codes/i32", []int{1, 2}, []int32{math.MinInt32, 7}, Array{DType: Int32, Int: []int64{math.MinInt32, 7}}},
		{"i64", []int{3}, []int64{math.MinInt64, -1, math.MaxInt64}, Array{DType: Int64, Int: []int64{math.MinInt64, -1, math.MaxInt64}}},
		{"number", nil, []float32{4}, Array{DType: Float32, F32: []float32{4}}},
		{"none", []int{4, 0, 2}, []float32{}, Array{DType: Float32, F32: []float32{}}},
		{"long", []int{10001}, long, Array{DType: Float32, F32: long}},
	}
	f := write(t, func(w *Writer) error {
		for _, tc := range cases {
			if err := w.Write(tc.name, tc.shape, tc.data); err != nil {
				return err
			}
		}
		return w.Write("nan", []int{1}, []float32{nan})
	})
	for i, tc := range cases {
		if f.Names()[i] != tc.name || !f.Has(tc.name) {
			t.Errorf("Names() = %v", f.Names())
		}
		got, err := f.Read(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		tc.want.Shape = append([]int{}, tc.shape...)
		if !reflect.DeepEqual(*got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, *got, tc.want)
		}
	}
	if got, err := f.Read("nan"); err != nil || got.F32[0] == got.F32[0] {
		t.Errorf("nan: %+v, %v", got, err)
	}
	if _, err := f.Read("other"); err == nil || err.Error() != `buf: no array "other"` {
		t.Errorf("missing array: %v", err)
	}
}

// The header is NumPy's to the byte; an independent reader agrees on the data.
func TestWriterIsNumPys(t *testing.T) {
	head, size, err := encodeHeader([]int{3, 80}, Int32)
	want := "\x93NUMPY\x01\x00\x76\x00{'descr': '<i4', 'fortran_order': False, 'shape': (3, 80), }"
	want += strings.Repeat(" ", 127-len(want)) + "\n"
	if err != nil || string(head) != want || size != 960 {
		t.Errorf("header %q, size %d, %v", head, size, err)
	}
	for _, shape := range [][]int{nil, {5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}} {
		if head, _, err := encodeHeader(shape, Float32); err != nil || len(head)%64 != 0 || head[len(head)-1] != '\n' {
			t.Errorf("header for %v: %q, %v", shape, head, err)
		}
	}
	f := write(t, func(w *Writer) error { return w.Write("a", []int{2, 2}, []float32{1, 2, 3, 4}) })
	r, err := f.member["a"].Open()
	if err != nil {
		t.Fatal(err)
	}
	if f.member["a"].Method != zip.Store {
		t.Error("member is packed")
	}
	var got []float32
	if err := npyio.Read(r, &got); err != nil || !reflect.DeepEqual(got, []float32{1, 2, 3, 4}) {
		t.Errorf("npyio reads %v, %v", got, err)
	}
}

func TestFortranOrder(t *testing.T) {
	// The array 0..5 of shape (2, 3), column by column; and 0..7 of (2, 2, 2).
	a, err := ReadNPY(bytes.NewReader(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", 0, 3, 1, 4, 2, 5)))
	if err != nil || !reflect.DeepEqual(a.Int, []int64{0, 1, 2, 3, 4, 5}) {
		t.Errorf("got %+v, %v", a, err)
	}
	a, err = ReadNPY(bytes.NewReader(npy("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 2, 2)}", 0, 4, 2, 6, 1, 5, 3, 7)))
	if err != nil || !reflect.DeepEqual(a.Int, []int64{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestReadTypes(t *testing.T) {
	for _, tc := range []struct {
		descr string
		data  []byte
		want  Array
	}{
		{"|b1", []byte{0, 1}, Array{DType: Bool, Int: []int64{0, 1}}},
		{"|i1", []byte{255, 1}, Array{DType: Int8, Int: []int64{-1, 1}}},
		{"<i2", []byte{254, 255, 1, 0}, Array{DType: Int16, Int: []int64{-2, 1}}},
		{">i2", []byte{255, 254, 0, 1}, Array{DType: Int16, Int: []int64{-2, 1}}},
		{"<u2", []byte{254, 255, 1, 0}, Array{DType: Uint16, Int: []int64{65534, 1}}},
		{">u4", []byte{255, 0, 0, 1, 0, 0, 0, 2}, Array{DType: Uint32, Int: []int64{0xff000001, 2}}},
		{"<u8", []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0}, Array{DType: Uint64, Int: []int64{1, 258}}},
		{">f4", []byte{0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}, Array{DType: Float32, F32: []float32{1, -2}}},
		{"<f2", []byte{0, 0x3c, 0, 0xc0}, Array{DType: Float16, F32: []float32{1, -2}}},
	} {
		a, err := ReadNPY(bytes.NewReader(npy("{'shape': (2,), \"descr\": '"+tc.descr+"', 'fortran_order': False}", tc.data...)))
		tc.want.Shape = []int{2}
		if err != nil || !reflect.DeepEqual(*a, tc.want) {
			t.Errorf("%s: got %+v, %v", tc.descr, a, err)
		}
	}
}

// Every half-precision number survives; what lies between two goes to the nearer.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := fromHalf(uint16(h))
		if f != f {
			if back := toHalf(f); back&0x7fff <= 0x7c00 {
				t.Fatalf("NaN %#x comes back as %#x", h, back)
			}
			continue
		}
		if back := toHalf(f); back != uint16(h) {
			t.Fatalf("%#x = %v comes back as %#x", h, f, back)
		}
		if h&0x7fff >= 0x7bff {
			continue // no finite number above
		}
		up := fromHalf(uint16(h + 1))
		mid := (f + up) / 2 // exact in float32
		even := uint16(h + h&1)
		if got := toHalf(mid); got != even {
			t.Fatalf("%v, between %v and %v, becomes %#x, want the even %#x", mid, f, up, got, even)
		}
		if got := toHalf(math.Nextafter32(mid, f)); got != uint16(h) {
			t.Fatalf("just below %v becomes %#x, want %#x", mid, got, h)
		}
	}
	for _, tc := range []struct {
		f    float32
		want uint16
	}{{65519, 0x7bff}, {65520, 0x7c00}, {-1e9, 0xfc00}, {float32(math.Inf(-1)), 0xfc00}, {1e-30, 0}} {
		if got := toHalf(tc.f); got != tc.want {
			t.Errorf("toHalf(%v) = %#x, want %#x", tc.f, got, tc.want)
		}
	}
	f := write(t, func(w *Writer) error { return w.WriteFloat16("h", []int{2}, []float32{0.1, -3}) })
	if a, err := f.Read("h"); err != nil || !reflect.DeepEqual(a.F32, []float32{0.099975586, -3}) {
		t.Errorf("got %+v, %v", a, err)
	}
}

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
		{"short", func(w *Writer) error { return w.Write("a", []int{3}, []float32{1, 2}) }, `write array "a": 4 bytes of data are missing for float32 [3]`},
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
