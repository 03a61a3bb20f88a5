package kernel

import "unsafe"

// BFloat16 is a bfloat16: the upper half of the bits of a float32, so that it has its
// range and 8 bits of precision.
type BFloat16 = uint16

// ToBF16 computes dst[i] = x[i], rounded to the nearest value and to the even one of
// two. The length is a multiple of Width. A NaN stays one.
func ToBF16(dst []BFloat16, x []float32) {
	checkBF16(len(dst), len(x))
	toBF16(dst, x)
}

// FromBF16 computes dst[i] = x[i]. The length is a multiple of Width.
func FromBF16(dst []float32, x []BFloat16) {
	checkBF16(len(dst), len(x))
	fromBF16(dst, x)
}

// PairBF16 computes dst[2·i] = a[i] and dst[2·i+1] = b[i], rounded as ToBF16 does. The
// length of a and b is a multiple of Width. Two rows of a matrix become a row of pairs of
// PanelsBF16 in this way.
func PairBF16(dst []BFloat16, a, b []float32) {
	checkBF16(len(a), len(b))
	checkBF16(2*len(a), len(dst))
	pairBF16(dst, a, b)
}

// SnakeBF16 computes dst[i] = x[i] + sin²(alpha[i]·x[i])·inv[i], rounded as ToBF16 does.
// The length is a multiple of Width.
func SnakeBF16(dst []BFloat16, x, alpha, inv []float32) {
	checkBF16(len(dst), len(x))
	checkBF16(len(x), len(alpha))
	checkBF16(len(x), len(inv))
	snakeBF16(dst, x, alpha, inv)
}

// SplitBF16 computes high[i] = x[i], rounded as ToBF16 does, and low[i] = x[i] - high[i],
// rounded likewise: two values whose sum has 16 bits of precision. The length is a
// multiple of Width.
func SplitBF16(high, low []BFloat16, x []float32) {
	checkBF16(len(high), len(x))
	checkBF16(len(low), len(x))
	splitBF16(high, low, x)
}

// SnakeSplitBF16 computes what SplitBF16 does of x[i] + sin²(alpha[i]·x[i])·inv[i].
func SnakeSplitBF16(high, low []BFloat16, x, alpha, inv []float32) {
	checkBF16(len(high), len(x))
	checkBF16(len(low), len(x))
	checkBF16(len(x), len(alpha))
	checkBF16(len(x), len(inv))
	snakeSplitBF16(high, low, x, alpha, inv)
}

func checkBF16(a, b int) {
	if a != b || a%Width != 0 {
		panic("kernel: slices of different lengths, or no multiple of a panel's width")
	}
}

// BFloat16s returns the memory of v as twice as many bfloat16 values.
func BFloat16s(v []float32) []BFloat16 {
	return unsafe.Slice((*BFloat16)(unsafe.Pointer(unsafe.SliceData(v))), 2*len(v))
}

// int8s returns the memory of v as four times as many bytes.
func int8s(v []float32) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
