package weights

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestScales: integers of 8 bits with scales are weights, in each of the shapes that scales
// have; without scales, or with scales that do not fit, reading the
// values is an error.
func TestScales(t *testing.T) {
	integers := "\x01\xff\x7f\x81\x00\x02"
	for _, c := range []struct{ shape, scale, data, want string }{
		{"[2,3]", `"F32","shape":[2]`, floats(0.5, 2), "[0.5 -0.5 63.5 -254 0 4]"},
		{"[2,3]", `"F32","shape":[2,1]`, floats(0.5, 2), "[0.5 -0.5 63.5 -254 0 4]"},
		{"[2,3]", `"F16","shape":[2]`, "\x00\x38\x00\x40", "[0.5 -0.5 63.5 -254 0 4]"},
		{"[3,1,2]", `"F32","shape":[3,1]`, floats(1, 2, 3), "[1 -1 254 -254 0 6]"},
		{"[2,3]", `"F32","shape":[]`, floats(2), "[2 -2 254 -254 0 4]"},
		{"[1,6]", `"F32","shape":[]`, floats(2), "[2 -2 254 -254 0 4]"},
		{"[6]", `"F32","shape":[1]`, floats(2), "[2 -2 254 -254 0 4]"},
		{"[2,3]", `"F32","shape":[3]`, floats(1, 2, 3), "F32 [3]"},
		{"[2,3]", `"F32","shape":[1,2]`, floats(1, 2), "F32 [1 2]"},
		{"[2,3]", `"F32","shape":[2,3]`, floats(1, 2, 3, 4, 5, 6), "F32 [2 3]"},
		{"[2,3]", `"I8","shape":[2]`, "\x01\x02", "I8 [2]"},
	} {
		header := fmt.Sprintf(`{"a.x_scale":{"dtype":%s,"data_offsets":[0,%d]},"a.x":{"dtype":"I8","shape":%s,"data_offsets":[%d,%d]}}`,
			c.scale, len(c.data), c.shape, len(c.data), len(c.data)+len(integers))
		f, err := OpenBytes("f", safetensors(header, c.data+integers))
		if err != nil {
			t.Fatal(header, err)
		}
		x, _ := f.Lookup("a.x")
		values, err := x.Float32()
		if strings.HasPrefix(c.want, "[") {
			wide, errWide := x.Float64()
			if fmt.Sprint(values) != c.want || err != nil || fmt.Sprint(wide) != c.want || errWide != nil {
				t.Errorf("%s: %v, %v, %v, %v", header, values, err, wide, errWide)
			}
			if !slices.Equal(f.Names(), []string{"a.x"}) {
				t.Errorf("%s: %v", header, f.Names())
			}
		} else if err == nil || !errors.Is(err, ErrOpaque) || !strings.Contains(err.Error(), "a.x_scale, are "+c.want) {
			t.Errorf("%s: %v, %v", header, values, err)
		}
		exercise(t, f)
	}
	f, err := OpenBytes("f", safetensors(`{"a.x":{"dtype":"I8","shape":[2,3],"data_offsets":[0,6]}}`, integers))
	if err != nil {
		t.Fatal(err)
	}
	x, _ := f.Lookup("a.x")
	if values, err := x.Float32(); !errors.Is(err, ErrOpaque) || !strings.Contains(err.Error(), "without their scales, a.x_scale") {
		t.Error("without scales:", values, err)
	}
}

// TestInt8: what is written in 8 bits is read with the largest value of each row as it was,
// and the others within half a step.
func TestInt8(t *testing.T) {
	values := []float32{0.5, -1.27, 0.004, 0, 0, 0, 100, -3, 12.7}
	for _, shape := range [][]int{{3, 3}, {3, 1, 3}, {9, 1}, {0, 4}} {
		in := values
		if shape[0] == 0 {
			in = nil
		}
		integers, scales := Int8(Array{Name: "a.weight", Shape: shape, Values: func() ([]float32, error) { return in, nil }})
		var b bytes.Buffer
		if err := EncodeSafetensors(&b, []Array{integers, scales}, nil, nil); err != nil {
			t.Fatal(err)
		}
		f, err := OpenBytes("f", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		x, ok := f.Lookup("a.weight")
		if !ok || len(f.Names()) != 1 || x.DType != I8 {
			t.Fatal(shape, f.Names())
		}
		out, err := x.Float32()
		if err != nil || len(out) != len(in) {
			t.Fatal(shape, out, err)
		}
		row := 1
		for _, d := range shape[1:] {
			row *= d
		}
		for i, v := range in {
			largest := 0.0
			for _, w := range in[i/row*row:][:row] {
				largest = max(largest, math.Abs(float64(w)))
			}
			if d := math.Abs(float64(out[i] - v)); d > largest/254*1.0001 || math.Abs(float64(v)) == largest && d > 1e-6*largest {
				t.Errorf("%v: %g became %g", shape, v, out[i])
			}
		}
	}
	nan := float32(math.NaN())
	integers, scales := Int8(Array{Name: "a", Shape: []int{1, 2}, Values: func() ([]float32, error) { return []float32{1, nan}, nil }})
	if err := EncodeSafetensors(&bytes.Buffer{}, []Array{Finite(integers), Finite(scales)}, nil, nil); !errors.Is(err, ErrNotFinite) {
		t.Error(err)
	}
}

// TestInt8Again: what was read in 8 bits is written as it was, though 127 times a scale
// rounds, and a 127th of that does not always round back.
func TestInt8Again(t *testing.T) {
	const rows = 1 << 16
	scales := make([]float32, rows)
	for i := range scales {
		scales[i] = math.Float32frombits(math.Float32bits(1) + uint32(i*127)) // from 1 to 2
	}
	var b bytes.Buffer
	if err := EncodeSafetensors(&b, []Array{
		{Name: "a", Shape: []int{rows, 1}, DType: I8, Values: func() ([]float32, error) { return slices.Repeat([]float32{127}, rows), nil }},
		{Name: "a_scale", Shape: []int{rows}, Values: func() ([]float32, error) { return scales, nil }},
	}, nil, nil); err != nil {
		t.Fatal(err)
	}
	f, err := OpenBytes("f", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	x, _ := f.Lookup("a")
	integers, again := Int8(ArrayOf(x))
	var c bytes.Buffer
	if err := EncodeSafetensors(&c, []Array{integers, again}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), c.Bytes()) {
		t.Error("another file")
	}
}
