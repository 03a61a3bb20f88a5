package weights

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// scaleSuffix is what the tensor with the scales of an 8-bit one is called, after its
// name: "x.weight" holds integers [rows, …], and "x.weight_scale" what each row of them is
// multiplied with, [rows] or [rows, 1], or one scale for all. These are the names of compressed-tensors
// (github.com/vllm-project/compressed-tensors, format int-quantized).
const scaleSuffix = "_scale"

// maxInt8 is the integer of a row's largest magnitude.
const maxInt8 = 127

// scale has the tensors of 8-bit integers that come with scales read as the weights that
// they stand for; the scales are no tensors of their own then. Without scales, matrices of
// integers in safetensors are no weights that a network could use: a part of the file is
// missing.
func (f *File) scale() {
	for name, t := range f.tensors {
		scales := f.tensors[name+scaleSuffix]
		if t.DType != I8 || len(t.Shape) == 0 {
			continue
		}
		if scales == nil {
			if len(t.Shape) > 1 && !strings.HasPrefix(f.format, "PyTorch") {
				t.opaque = "integers of 8 bits without their scales, " + plain(f.originals[name]+scaleSuffix)
			}
			continue
		}
		n := scales.Elements()
		if !slices.Contains([]DType{F32, F16, BF16}, scales.DType) || n != t.Shape[0] && n != 1 ||
			n > 1 && scales.Shape[0] != n {
			t.opaque = fmt.Sprintf("the scales of its integers, %s, are %s %v; want one, or one for each row of %v",
				plain(f.originals[name+scaleSuffix]), scales.DType, scales.Shape, t.Shape)
			continue
		}
		t.scales = scales
	}
	for name, t := range f.tensors {
		if t.scales != nil {
			delete(f.tensors, name+scaleSuffix)
			delete(f.originals, name+scaleSuffix)
		}
	}
}

// scaleRows multiplies each of len(scales) rows of values, one or more, with its scale.
func scaleRows(values, scales []float32) {
	if len(values) == 0 {
		return
	}
	size := len(values) / len(scales)
	for row, scale := range scales {
		for i := range size {
			values[row*size+i] *= scale
		}
	}
}

// Int8 returns the two arrays that stand for a matrix or filter a with 8 bits a value:
// integers from -127 to 127, and a scale for each row, the first dimension. The rounding
// is by at most half a 127th of a row's largest magnitude, and none for what ArrayOf made of
// such a pair. Values of a are asked for twice.
func Int8(a Array) (integers, scales Array) {
	rows := a.Shape[0]
	if t := a.stored; t != nil {
		return Array{Name: a.Name, Shape: a.Shape, DType: I8, Values: t.float32, Release: a.Release},
			Array{Name: a.Name + scaleSuffix, Shape: []int{rows}, DType: F32, Scales: true, Values: t.scales.Float32}
	}
	integers = Array{Name: a.Name, Shape: a.Shape, DType: I8, Release: a.Release, Values: func() ([]float32, error) {
		values, scales, err := scalesOf(a)
		if err != nil || len(values) == 0 {
			return values, err
		}
		rounded := make([]float32, len(values))
		for i, v := range values {
			if scale := scales[i/(len(values)/rows)]; scale > 0 {
				rounded[i] = float32(math.RoundToEven(float64(v) / float64(scale)))
			}
		}
		return rounded, nil
	}}
	scales = Array{Name: a.Name + scaleSuffix, Shape: []int{rows}, DType: F32, Scales: true, Values: func() ([]float32, error) {
		_, scales, err := scalesOf(a)
		return scales, err
	}}
	return integers, scales
}

// scalesOf returns the values of an array, and what a 127th of each row's largest
// magnitude is.
func scalesOf(a Array) (values, scales []float32, err error) {
	if values, err = a.Values(); err != nil {
		return nil, nil, err
	}
	scales = make([]float32, a.Shape[0])
	if len(values) == 0 {
		return values, scales, nil
	}
	size := len(values) / len(scales)
	for row := range scales {
		largest := 0.0
		for _, v := range values[row*size:][:size] {
			largest = max(largest, math.Abs(float64(v)))
		}
		scales[row] = float32(largest / maxInt8)
	}
	return values, scales, nil
}
