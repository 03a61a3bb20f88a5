package npz

import (
	"archive/zip"
	"bytes"
	"math"
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

// TestFloat16: half precision is rounded to the nearest.
func TestFloat16(t *testing.T) {
	f := write(t, func(w *Writer) error { return w.WriteFloat16("h", []int{2}, []float32{0.1, -3}) })
	if a, err := f.Read("h"); err != nil || !reflect.DeepEqual(a.F32, []float32{0.099975586, -3}) {
		t.Errorf("got %+v, %v", a, err)
	}
}
