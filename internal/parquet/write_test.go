package parquet

import (
	"bytes"
	"fmt"
	"testing"
)

// writeTable writes columns of every kind, with nulls and empty lists.
func writeTable(t *testing.T, rows int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, []Field{
		{Name: "key", Type: String}, {Name: "who", Type: String, Optional: true}, {Name: "n", Type: Int64}, {Name: "small", Type: Int32},
		{Name: "codes", Type: Int32, Lists: 2}, {Name: "timbre", Type: Float32, Lists: 1}, {Name: "half", Type: Float16, Lists: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		w.String(0, fmt.Sprintf("key/%d", i))
		if i%3 == 0 {
			w.Null(1)
		} else {
			w.String(1, fmt.Sprint("speaker ", i))
		}
		w.Int(2, int64(i)<<33)
		w.Int(3, int64(-i))
		var codes [][]int32
		for j := range i % 4 {
			list := []int32{}
			for k := range i % 5 * j {
				list = append(list, int32(i*100+k))
			}
			codes = append(codes, list)
		}
		w.Ints(4, codes)
		var timbre []float32
		for j := range i % 3 {
			timbre = append(timbre, float32(i)/8-float32(j))
		}
		w.Floats(5, timbre)
		w.Floats(6, timbre)
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
		if i == rows/2 { // a second group
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWriter: the columns without lists read as they were set; scripts/interop/shards.py
// reads all of them with pyarrow, pandas and datasets.
func TestWriter(t *testing.T) {
	data := writeTable(t, 40)
	f := open(t, data)
	if f.Groups() != 2 {
		t.Errorf("%d groups", f.Groups())
	}
	for column, want := range map[string]func(i int) string{
		"key": func(i int) string { return fmt.Sprintf("key/%d", i) },
		"who": func(i int) string {
			if i%3 == 0 {
				return ""
			}
			return fmt.Sprint("speaker ", i)
		},
		"n":     func(i int) string { return fmt.Sprint(int64(i) << 33) },
		"small": func(i int) string { return fmt.Sprint(-i) },
	} {
		values, err := all(f, f.Column(column))
		if err != nil || len(values) != 40 {
			t.Fatalf("%s: %d values, %v", column, len(values), err)
		}
		for i, v := range values {
			if string(v) != want(i) || (v == nil) != (column == "who" && i%3 == 0) {
				t.Errorf("%s, row %d: %q, want %q", column, i, v, want(i))
			}
		}
	}
	if empty := open(t, writeTable(t, 0)); empty.Groups() != 0 || len(empty.Columns()) != 7 {
		t.Error("a table without rows")
	}
}
