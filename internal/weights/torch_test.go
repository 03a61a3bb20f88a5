package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var oneTensor = tensorOf(storageOf("FloatStorage", "0", 6), 0, integers(2, 3), integers(3, 1))

func TestTorchNames(t *testing.T) {
	for _, c := range []struct {
		name, pickle string
		names        []string
		values       []string
	}{
		{"networks under net", state(text("net"), state(text("encoder"), state(text("a.b"), oneTensor)), text("epoch"), "K\x03"),
			[]string{"encoder.a.b"}, []string{"epoch"}},
		{"bare networks", state(text("encoder"), state(text("a.b"), oneTensor), text("optimizer"), state(text("state"), "}")),
			[]string{"encoder.a.b"}, []string{"optimizer"}},
		{"flat under net", state(text("net"), state(text("conv.weight"), oneTensor)), []string{"conv.weight"}, nil},
		{"bare and flat", state(text("module.conv.weight"), oneTensor, text("step"), "K\x03"), []string{"conv.weight"}, []string{"step"}},
		{"distributed training", state(text("encoder"), state(text("module.a.b"), oneTensor)), []string{"encoder.a.b"}, nil},
		{"newer weight norm", state(text("encoder"), state(text("a.parametrizations.weight.original0"), oneTensor,
			text("module.a.parametrizations.weight.original1"), oneTensor, text("a.parametrizations.weight.original2"), oneTensor)),
			[]string{"encoder.a.parametrizations.weight.original2", "encoder.a.weight_g", "encoder.a.weight_v"}, nil},
		{"extra state", state(text("net"), state(text("encoder"), state(text("x"), oneTensor, text("_extra_state"), "N"), text("note"), text("hi"))),
			[]string{"encoder.x"}, []string{"net.encoder._extra_state", "net.note"}},
		{"no tensors", state(text("epoch"), "K\x03"), nil, []string{"epoch"}},
		{"keys that are not names", "}(K\x01" + oneTensor + "u.", nil, nil},
	} {
		f, err := OpenBytes("f", torchFile(t, c.pickle+".", floats(1, 2, 3, 4, 5, 6)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := f.Names(); !slices.Equal(got, c.names) {
			t.Errorf("%s: names %q, want %q", c.name, got, c.names)
		}
		if len(f.Values()) != len(c.values) {
			t.Errorf("%s: values %v, want %q", c.name, f.Values(), c.values)
		}
		for _, key := range c.values {
			if _, ok := f.Values()[key]; !ok {
				t.Errorf("%s: no value %q", c.name, key)
			}
		}
		exercise(t, f)
	}
	_, err := OpenBytes("f", torchFile(t, state(text("encoder"), state(text("a"), oneTensor, text("module.a"), oneTensor))+".", floats(1, 2, 3, 4, 5, 6)))
	wantError(t, err, "encoder.a and encoder.module.a are both encoder.a")
	_, err = OpenBytes("f", torchFile(t, state(text("encoder"), state(text("a.weight_g"), oneTensor, text("a.parametrizations.weight.original0"), oneTensor))+".", floats(1, 2, 3, 4, 5, 6)))
	wantError(t, err, "encoder.a.weight_g and encoder.a.parametrizations.weight.original0")
}

func TestTorchStrides(t *testing.T) {
	storage := floats(0, 1, 2, 3, 4, 5)
	for _, c := range []struct {
		name           string
		offset         int64
		shape, strides []int64
		want           []float32
		view           bool
	}{
		{"contiguous", 0, []int64{2, 3}, []int64{3, 1}, []float32{0, 1, 2, 3, 4, 5}, true},
		{"part", 2, []int64{4}, []int64{1}, []float32{2, 3, 4, 5}, true},
		{"transposed", 0, []int64{3, 2}, []int64{1, 3}, []float32{0, 3, 1, 4, 2, 5}, false},
		{"every other", 1, []int64{3}, []int64{2}, []float32{1, 3, 5}, false},
		{"expanded", 4, []int64{2, 2}, []int64{0, 1}, []float32{4, 5, 4, 5}, false},
		{"strides of ones do not count", 0, []int64{1, 6, 1}, []int64{99, 1, -7}, []float32{0, 1, 2, 3, 4, 5}, true},
		{"scalar", 5, nil, nil, []float32{5}, true},
		{"empty", 6, []int64{0, 1 << 40}, []int64{1 << 40, 1}, nil, false},
	} {
		x := tensorOf(storageOf("FloatStorage", "0", 6), c.offset, integers(c.shape...), integers(c.strides...))
		f, err := OpenBytes("f", torchFile(t, state(text("x"), x)+".", storage))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := f.tensors["x"].Float32()
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		if view := f.tensors["x"].strides == nil && len(got) > 0; view != c.view {
			t.Errorf("%s: strides %v", c.name, f.tensors["x"].strides)
		}
	}
	for _, c := range []struct {
		name           string
		offset         int64
		shape, strides []int64
		want           string
	}{
		{"too long", 0, []int64{7}, []int64{1}, "beyond a storage of 6"},
		{"offset", 4, []int64{3}, []int64{1}, "beyond a storage"},
		{"offset at the end", 6, []int64{1}, []int64{1}, "offset 6"},
		{"offset beyond", 7, []int64{1}, []int64{1}, "arguments"},
		{"negative offset", -1, []int64{1}, []int64{1}, "arguments"},
		{"negative dimension", 0, []int64{-1, -6}, []int64{1, 1}, "negative dimension"},
		{"negative stride", 5, []int64{2}, []int64{-1}, "negative"},
		{"overflow of the shape", 0, []int64{1 << 32, 1 << 32}, []int64{0, 0}, "too large"},
		{"overflow of the strides", 1, []int64{3}, []int64{math.MaxInt64}, "beyond a storage"},
		{"overflow of their sum", 1, []int64{2, 2, 2}, []int64{5, 5, math.MaxInt64 - 5}, "beyond a storage"},
		{"strides missing", 0, []int64{2, 3}, []int64{1}, "strides"},
	} {
		x := tensorOf(storageOf("FloatStorage", "0", 6), c.offset, integers(c.shape...), integers(c.strides...))
		_, err := OpenBytes("f", torchFile(t, state(text("x"), x)+".", storage))
		wantError(t, err, c.want)
	}
}

// A tensor that repeats its storage beyond what memory is taken for is there, and has no
// values; the others are read.
func TestTorchExpandedTensor(t *testing.T) {
	x := tensorOf(storageOf("FloatStorage", "0", 6), 0, integers(1<<40), integers(0))
	f, err := OpenBytes("f", torchFile(t, state(text("x"), x, text("y"), oneTensor)+".", floats(1, 2, 3, 4, 5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.tensors["y"].Float32(); err != nil {
		t.Error(err)
	}
	_, err = f.tensors["x"].Float32()
	if !errors.Is(err, ErrOpaque) {
		t.Errorf("values of 2^40 elements: %v", err)
	}
	wantError(t, err, "repeats a storage")
}

func TestTorchContainerFaults(t *testing.T) {
	good := map[string]string{"x/data.pkl": state(text("x"), oneTensor) + ".", "x/data/0": floats(1, 2, 3, 4, 5, 6), "x/byteorder": "little"}
	with := func(name, content string) []byte {
		records := map[string]string{}
		for k, v := range good {
			records[k] = v
		}
		if records[name] = content; content == "none" {
			delete(records, name)
		}
		return zipFile(t, zip.Store, records)
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{with("x/byteorder", "middle"), "byte order"},
		{with("x/data.pkl", "none"), "0 files called data.pkl"},
		{with("y/data.pkl", "N."), "2 files called data.pkl"},
		{with("x/data/0", "none"), "storage data/0 is missing"},
		{with("x/data/0", floats(1, 2)), "storage data/0 has 8 bytes, not 6 elements of F32"},
		{with("x/data.pkl", "]."), "holds a list, not a dict"},
		{with("x/data.pkl", oneTensor+"."), "holds a tensor, not a dict"},
		{with("x/data.pkl", state(text("x"), storageOf("OddStorage", "0", 3))+"."), "tensors of type torch.OddStorage are not supported"},
		{with("x/data.pkl", state(text("x"), storageOf("FloatStorage", "0", -1))+"."), "not understood"},
		{[]byte("PK\x03\x04 and no more"), "no directory"},
		{[]byte("\x80\x02K\x01."), "torch's magic number"},
		{[]byte(legacyHead[:30]), "truncated"},
		{[]byte(strings.Replace(legacyHead, "M\xe9\x03", "M\xe8\x03", 1) + "}."), "version"},
		{[]byte(strings.Replace(legacyHead, "\x88s", "\x89s", 1) + "}."), "big-endian"},
		{[]byte(legacyHead + "}."), "truncated"},
		{[]byte(legacyHead + "}.N."), "keys of the storages"},
		{[]byte(legacyHead + "}.]" + text("7") + "a."), "belongs to no tensor"},
	} {
		_, err := OpenBytes("f.pth", c.data)
		wantError(t, err, "f.pth: ", c.want)
	}
	twice := with("x/data/1", "")
	_, err := OpenBytes("f", []byte(strings.ReplaceAll(string(twice), "x/data/1", "x/data/0")))
	wantError(t, err, "twice")
}

func TestTorchLegacy(t *testing.T) {
	length := string(binary.LittleEndian.AppendUint64(nil, 6))
	object := "\x80\x02" + state(text("x"), oneTensor) + "."
	keys := "\x80\x02]" + text("0") + "a."
	data := floats(1, 2, 3, 4, 5, 6)
	f, err := OpenBytes("f", []byte(legacyHead+object+keys+length+data))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.tensors["x"].Float32(); err != nil || !slices.Equal(got, []float32{1, 2, 3, 4, 5, 6}) {
		t.Error(got, err)
	}
	// A view of a storage, as PyTorch 0.4 wrote it: elements 2 to 5, of which
	// the tensor takes all but the first.
	view := tuple(text("storage"), "ctorch\nFloatStorage\n", text("0"), text("cpu"), integer(6),
		tuple(text("1"), integer(2), integer(4))) + "Q"
	f, err = OpenBytes("f", []byte(legacyHead+state(text("x"), tensorOf(view, 1, integers(3), integers(1)))+"."+keys+length+data))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.tensors["x"].Float32(); err != nil || !slices.Equal(got, []float32{4, 5, 6}) {
		t.Error(got, err)
	}
	for _, c := range []struct{ data, want string }{
		{legacyHead + object + "].", "storage 0 is not in the file"},
		{legacyHead + object + keys, "storage 0 is missing"},
		{legacyHead + object + keys + "\x07" + length[1:] + data, "7 elements, its tensors expect 6"},
		{legacyHead + object + keys + length + data[1:], "truncated: storage 0"},
		{legacyHead + object + "](" + text("0") + text("0") + "e." + length + data, "occurs twice"},
	} {
		_, err := OpenBytes("f", []byte(c.data))
		wantError(t, err, c.want)
	}
}

func TestTorchCompressed(t *testing.T) {
	records := map[string]string{"x/data.pkl": state(text("x"), oneTensor) + ".", "x/data/0": floats(1, 2, 3, 4, 5, 6)}
	f, err := OpenBytes("f", zipFile(t, zip.Deflate, records))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.tensors["x"].Float32(); err != nil || !slices.Equal(got, []float32{1, 2, 3, 4, 5, 6}) {
		t.Error(got, err)
	}
	f.tensors["x"].Release() // must not touch memory of Go's
	if got, err := f.tensors["x"].Float32(); err != nil || got[5] != 6 {
		t.Error(got, err)
	}
	records["x/data/0"] = strings.Repeat("\x00", 1<<20)
	_, err = OpenBytes("f", zipFile(t, zip.Deflate, records))
	wantError(t, err, "out of proportion")
	records = map[string]string{"x/data.pkl": strings.Repeat("}", 40_000)}
	bomb := zipFile(t, zip.Deflate, records)
	if n := allocated(func() { _, err = OpenBytes("f", bomb) }); n > 4<<20 {
		t.Errorf("%d bytes allocated for a file of %d", n, len(bomb))
	}
	wantError(t, err, "out of proportion")
}

// TestTorchDamaged: a byte of a storage that has changed is seen, unless the file has no checksums, as torch writes it if it is
// told to.
func TestTorchDamaged(t *testing.T) {
	records := map[string]string{"x/data.pkl": state(text("x"), oneTensor) + ".", "x/data/0": floats(1, 2, 3, 4, 5, 6)}
	values := func(data []byte) ([]float32, error) {
		f, err := OpenBytes("f", data)
		if err != nil {
			t.Fatal(err)
		}
		return f.tensors["x"].Float32()
	}
	damaged := bytes.Replace(zipFile(t, zip.Store, records), []byte(floats(3)), []byte(floats(7)), 1)
	for range 2 {
		_, err := values(damaged)
		wantError(t, err, `damaged: "x/data/0" does not have its checksum`)
	}
	for i := range damaged { // in the directory, and before the records
		for head, at := range map[string]int{"PK\x01\x02": 16, "PK\x03\x04": 14} {
			if bytes.HasPrefix(damaged[i:], []byte(head)) {
				clear(damaged[i+at:][:4])
			}
		}
	}
	if got, err := values(damaged); err != nil || !slices.Equal(got, []float32{1, 2, 7, 4, 5, 6}) {
		t.Error(got, err)
	}
	pickle := bytes.Replace(zipFile(t, zip.Store, records), []byte("FloatStorage"), []byte("DoubleSorage"), 1)
	_, err := OpenBytes("f", pickle)
	wantError(t, err, `damaged: "x/data.pkl" does not have its checksum`)
	packed := zipFile(t, zip.Deflate, records)
	sum := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(records["x/data/0"])))
	_, err = values(bytes.ReplaceAll(packed, sum, []byte("1234")))
	wantError(t, err, `damaged: "x/data/0" does not have its checksum`)
}

// TestOneDictInManyPlaces unfolds to 10^8 names unless something stops it.
func TestOneDictInManyPlaces(t *testing.T) {
	var inner, outer []string
	for i := range int64(1000) {
		name := text("key" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		inner = append(inner, name, "h\x01")
		outer = append(outer, name, "h\x00")
	}
	pickle := oneTensor + "q\x010" + state(inner...) + "q\x000" + state(outer...) + "."
	data := torchFile(t, pickle, floats(1, 2, 3, 4, 5, 6))
	var err error
	if n := allocated(func() { _, err = OpenBytes("f", data) }); n > 4<<20+1000*len(data) {
		t.Errorf("%d bytes allocated for a file of %d", n, len(data))
	}
	wantError(t, err, "out of proportion")
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := Open(filepath.Join(dir, "missing.pth")); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "missing.pth") != 1 {
		t.Error(err)
	}
	for _, c := range []struct{ path, want string }{
		{t.TempDir(), "is a folder without a checkpoint"},
		{file("empty.pth", ""), "not a checkpoint: the file is empty"},
		{file("pointer.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), "git lfs pull"},
		{file("short.pth", "a"), `not a checkpoint: starts with "a", expected safetensors or a PyTorch file`},
		{file("text.pth", "Hello, this is a text.\n"), `starts with "Hello, this "`},
		{file("wave.pth", "RIFF\x00\x00\x00\x00WAVE"), "not a checkpoint"},
	} {
		_, err := Open(c.path)
		wantError(t, err, c.path+": ", c.want)
		if err != nil && strings.Count(err.Error(), c.path) != 1 {
			t.Errorf("%v names the file more than once", err)
		}
	}
}

// TestTorchBigEndian: what torch wrote on a machine of the other byte order, which its
// own reader turns round, too.
func TestTorchBigEndian(t *testing.T) {
	records := func(pickle, data string) map[string]string {
		return map[string]string{"x/data.pkl": pickle + ".", "x/data/0": data, "x/byteorder": "big"}
	}
	var data []byte
	for _, v := range []float32{1, 2, 3, 4, 5, -6.5} {
		data = binary.BigEndian.AppendUint32(data, math.Float32bits(v))
	}
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		f, err := OpenBytes("f", zipFile(t, method, records(state(text("x"), oneTensor), string(data))))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.tensors["x"].Float32(); err != nil || !slices.Equal(got, []float32{1, 2, 3, 4, 5, -6.5}) {
			t.Error(got, err)
		}
	}
	// The storage of a newer type does not say how wide its elements are.
	untyped := tuple(text("storage"), "ctorch.storage\nUntypedStorage\n", text("0"), text("cpu"), integer(24)) + "Q"
	v3 := "ctorch._utils\n_rebuild_tensor_v3\n" + tuple(untyped, integer(0), integers(12), integers(1), "\x89", "ccollections\nOrderedDict\n)R", "ctorch\nuint16\n") + "R"
	f, err := OpenBytes("f", zipFile(t, zip.Store, records(state(text("x"), v3), string(data))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.tensors["x"].Float32(); !errors.Is(err, ErrOpaque) {
		t.Error(err)
	}
}

// TestTorchMetadata: views whose values are not those of the storage.
func TestTorchMetadata(t *testing.T) {
	for metadata, want := range map[string][]float32{
		"}":                         {1, 2},
		"N":                         {1, 2},
		state(text("neg"), "\x88"):  {-1, -2},
		state(text("neg"), "\x89"):  {1, 2},
		state(text("conj"), "\x88"): {1, 2}, // of real numbers
		state(text("new"), "\x88"):  nil,
		state(text("neg"), "K\x01"): nil,
	} {
		x := "ctorch._utils\n_rebuild_tensor_v2\n" + tuple(storageOf("FloatStorage", "0", 2), integer(0), integers(2), integers(1), "\x89", "ccollections\nOrderedDict\n)R", metadata) + "R"
		f, err := OpenBytes("f", torchFile(t, state(text("x"), x)+".", floats(1, 2)))
		if err != nil {
			t.Errorf("%q: %v", metadata, err)
			continue
		}
		if got, err := f.tensors["x"].Float32(); !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v", metadata, got, err)
		}
	}
}
