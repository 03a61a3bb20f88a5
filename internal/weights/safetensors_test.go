package weights

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// safetensors makes a file of a header and data.
func safetensors(header, data string) []byte {
	return []byte(string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + data)
}

func TestSafetensorsTypes(t *testing.T) {
	header := `{"__metadata__":{"a":"1"},
		"e.half":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},
		"e.bf":{"dtype":"BF16","shape":[1],"data_offsets":[6,8]},
		"e.i16":{"dtype":"I16","shape":[1],"data_offsets":[8,10]},
		"e.i8":{"dtype":"I8","shape":[1],"data_offsets":[10,11]},
		"e.u8":{"dtype":"U8","shape":[],"data_offsets":[11,12]},
		"e.i32":{"dtype":"I32","shape":[1,1],"data_offsets":[12,16]},
		"e.bool":{"dtype":"BOOL","shape":[2],"data_offsets":[16,18]},
		"e.f64":{"shape":[1],"dtype":"F64","data_offsets":[18,26]},
		"e.i64":{"shape":[1],"dtype":"I64","data_offsets":[26,34]},
		"e.none":{"shape":[0,7],"dtype":"F32","data_offsets":[34,34]},
		"e.f32":{"shape":[1],"dtype":"F32","data_offsets":[34,38]}}   `
	data := "\x00\x3c\x01\x80\x00\xfc" + "\x80\xbf" + "\xfe\xff" + "\xff" + "\xff" + "\xff\xff\xff\xff" + "\x00\x01" +
		"\x00\x00\x00\x00\x00\x00\x04\x40" + "\xfe\xff\xff\xff\xff\xff\xff\xff" + floats(0.5)
	f, err := OpenBytes("f", safetensors(header, data))
	if err != nil {
		t.Fatal(err)
	}
	if f.Format() != "safetensors" || f.Root() != nil || !maps.Equal(f.Metadata(), map[string]string{"a": "1"}) {
		t.Error(f.Format(), f.Root(), f.Metadata())
	}
	for name, want := range map[string]string{
		"e.half": "[1 -5.960464477539063e-08 -Inf]", "e.bf": "[-1]", "e.i16": "[-2]", "e.i8": "[-1]", "e.u8": "[255]",
		"e.i32": "[-1]", "e.bool": "[0 1]", "e.f64": "[2.5]", "e.i64": "[-2]", "e.none": "[]", "e.f32": "[0.5]",
	} {
		x, ok := f.Lookup(name)
		if !ok {
			t.Errorf("%s is missing", name)
			continue
		}
		got, err := x.Float64()
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("%s: %v, want %s, %v", name, got, want, err)
		}
	}
	exercise(t, f)
}

func TestSafetensorsNames(t *testing.T) {
	var header strings.Builder
	names := []string{"encoder.module.a.weight", "module.b", "c", "decoder.x.parametrizations.weight.original0"}
	for i, name := range names {
		fmt.Fprintf(&header, `,"%s":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}`, name, i, i+1)
	}
	f, err := OpenBytes("f", safetensors("{"+header.String()[1:]+"}", "abcd"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b", "c", "decoder.x.weight_g", "encoder.a.weight"}; !slices.Equal(f.Names(), want) {
		t.Errorf("%q, want %q", f.Names(), want)
	}
	if got := f.Original("encoder.a.weight"); got != names[0] {
		t.Error(got)
	}
}

func TestSafetensorsFaults(t *testing.T) {
	one := func(fields string) []byte { return safetensors(`{"x":{`+fields+`}}`, "0123") }
	for _, c := range []struct {
		data []byte
		want string
	}{
		{[]byte("\xff\xff\xff\x7f\x00\x00\x00\x00{}"), "the header claims 2147483647 bytes"},
		{[]byte("\xff\x00\x00\x00\x00\x00\x00\x00{}"), "truncated: the header claims 255 bytes, 2 are there"},
		{safetensors(`{"x":`, ""), "not valid JSON"},
		{safetensors(`{} x`, ""), "after the object"},
		{safetensors("{\"\xff\":1}", ""), "not UTF-8"},
		{safetensors(`{"x":1}`, ""), `"x": expected {`},
		{safetensors(`{"__metadata__":{"a":1}}`, ""), "not a string"},
		{safetensors(`{"__metadata__":{},"__metadata__":{}}`, ""), "twice"},
		{safetensors(`{}`, "0"), "1 byte after the last tensor"},
		{one(`"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]`), "twice"},
		{one(`"dtype":"F32","shape":[1]`), "not all there"},
		{one(`"dtype":"F4","shape":[1],"data_offsets":[0,4]`), "no whole bytes are filled by 1 element of 4 bits"},
		{one(`"dtype":"F4","shape":[6],"data_offsets":[0,4]`), "F4 of shape [6] is 3 bytes"},
		{one(`"dtype":"C128","shape":[1],"data_offsets":[0,4]`), `"x": dtype C128 is not supported`},
		{one(`"dtype":"","shape":[1],"data_offsets":[0,4]`), `dtype "" is not supported`},
		{safetensors(`{"__metadata__":[]}`, ""), "__metadata__: expected {"},
		{one(`"dtype":7,"shape":[1],"data_offsets":[0,4]`), "dtype 7 is not supported"},
		{one(`"dtype":"F32","shape":[-1],"data_offsets":[0,4]`), "-1 is not a size"},
		{one(`"dtype":"F32","shape":[1.5],"data_offsets":[0,4]`), "1.5 is not a size"},
		{one(`"dtype":"F32","shape":["1"],"data_offsets":[0,4]`), "expected a number"},
		{one(`"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]`), "is not a size"},
		{one(`"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]`), "too large"},
		{one(`"dtype":"F32","shape":[1],"data_offsets":[0]`), "1 data_offsets"},
		{one(`"dtype":"F32","shape":[2],"data_offsets":[0,4]`), "of shape [2] is 8 bytes"},
		{one(`"dtype":"F32","shape":[2],"data_offsets":[4,0]`), "is 8 bytes"},
		{one(`"dtype":"F32","shape":[2],"data_offsets":[0,8]`), "truncated"},
		{one(`"dtype":"U8","shape":[2],"data_offsets":[2,4]`), "hole of 2 bytes"},
		{one(`"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]`), "overlaps"},
		{one(`"dtype":"U8","shape":[2],"data_offsets":[0,2]},"module.x":{"dtype":"U8","shape":[2],"data_offsets":[2,4]`), "x and module.x are both x"},
	} {
		_, err := OpenBytes("f.safetensors", c.data)
		wantError(t, err, "f.safetensors: ", c.want)
	}
	_, err := OpenBytes("f", one(`"dtype":"F32","shape":[`+strings.Repeat("0,", 100)+`0],"data_offsets":[0,0]`))
	wantError(t, err, "more than 64 dimensions")
	deep := strings.Repeat("[", 1<<20)
	_, err = OpenBytes("f", safetensors(`{"x":`+deep, ""))
	wantError(t, err, "f: ")
}

// TestSafetensorsLeniency reads what the format's own library (0.8.0) reads.
func TestSafetensorsLeniency(t *testing.T) {
	const x = `"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`
	for header, metadata := range map[string]map[string]string{
		`{"__metadata__":null,` + x + `}`:                                            nil,
		`{"__metadata__":{"a":"1","a":"2"},` + x + `}`:                               {"a": "2"},
		`{` + x + `,` + x + `}`:                                                      nil,
		`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":{"a":[1,{}]}}}`: nil,
		`{"x":{"dtype":"U8","shape":[9],"data_offsets":[7,9]},` + x + "}\n\n":        nil,
		`  {` + x + `}  `: nil,
	} {
		f, err := OpenBytes("f", safetensors(header, floats(1.5)))
		if err != nil {
			t.Errorf("%s: %v", header, err)
			continue
		}
		if got, err := f.tensors["x"].Float32(); err != nil || !slices.Equal(got, []float32{1.5}) || f.Metadata()["a"] != metadata["a"] {
			t.Errorf("%s: %v, %v, %v", header, got, err, f.Metadata())
		}
	}
}
