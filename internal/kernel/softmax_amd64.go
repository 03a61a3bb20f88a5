//go:build !noasm

package kernel

func softmaxAVX512(x []float32) {
	scaleAVX512(x, x, 1/expSumAVX512(x, maximumAVX512(x)))
}

func softmaxAVX2(x []float32) {
	scaleAVX2(x, x, 1/expSumAVX2(x, maximumAVX2(x)))
}
