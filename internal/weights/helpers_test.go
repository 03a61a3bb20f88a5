package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// zipFile makes a zip archive of the given records, stored or deflated.
func zipFile(t testing.TB, method uint16, records map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(records)) {
		r, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Write([]byte(records[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// torchFile makes a zip checkpoint of a pickle and storages 0, 1, ….
func torchFile(t testing.TB, pickle string, storages ...string) []byte {
	t.Helper()
	records := map[string]string{"x/data.pkl": pickle, "x/byteorder": "little", "x/version": "3\n"}
	for i, s := range storages {
		records["x/data/"+string(rune('0'+i))] = s
	}
	return zipFile(t, zip.Store, records)
}

// legacyHead is the three pickles before the object of a legacy file.
const legacyHead = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + "\x80\x02M\xe9\x03." + "\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."

// text pickles a string.
func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// integer pickles an integer.
func integer(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func tuple(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func integers(values ...int64) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = integer(v)
	}
	return tuple(items...)
}

// storageOf pickles a reference to a storage.
func storageOf(kind, key string, elements int64) string {
	return tuple(text("storage"), "ctorch\n"+kind+"\n", text(key), text("cpu"), integer(elements)) + "Q"
}

// tensorOf pickles the call that makes a tensor.
func tensorOf(storage string, offset int64, shape, strides string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n" +
		tuple(storage, integer(offset), shape, strides, "\x89", "ccollections\nOrderedDict\n)R") + "R"
}

// state pickles {key: value, …}.
func state(items ...string) string { return "}(" + strings.Join(items, "") + "u" }

// floats returns the bytes of a float32 storage.
func floats(values ...float32) string {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

// exercise reads all of a file and checks what always holds.
func exercise(t *testing.T, f *File) {
	t.Helper()
	for _, name := range f.Names() {
		x, ok := f.Lookup(name)
		if !ok || x.Name != name {
			t.Fatalf("%q is not found under its name", name)
		}
		narrow, err := x.Float32()
		if err != nil {
			continue // a damaged compressed storage
		}
		wide, err := x.Float64()
		if err != nil || len(narrow) != x.Elements() || len(wide) != x.Elements() {
			t.Fatalf("%q: %d and %d values for shape %v, %v", name, len(narrow), len(wide), x.Shape, err)
		}
		for i := range narrow { // touches every byte; NaN is unequal to itself
			if narrow[i] != float32(wide[i]) && wide[i] == wide[i] && x.DType != I64 {
				t.Fatalf("%q[%d]: %v and %v", name, i, narrow[i], wide[i])
			}
		}
		x.Release()
	}
	f.Metadata()
	f.Values()
}

// allocated returns the bytes that a function allocates in all.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// wantError fails unless err is one line that holds all of the parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("error %q has several lines", err)
	}
}
