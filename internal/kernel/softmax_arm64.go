//go:build !noasm

package kernel

func softmaxNEON(x []float32) {
	scaleNEON(x, x, 1/expSumNEON(x, maximumNEON(x)))
}
