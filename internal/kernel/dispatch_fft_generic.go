//go:build !amd64 || noasm

package kernel

func fftRadix4(dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, quarter, blocks int) {
	fftRadix4Generic(dstRe, dstIm, srcRe, srcIm, tw, ldSrc, quarter, blocks)
}
func fftLast4(dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int) {
	fftLast4Generic(dstRe, dstIm, srcRe, srcIm, rows, ldDst, ldSrc, step)
}
func fftLast8(dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int) {
	fftLast8Generic(dstRe, dstIm, srcRe, srcIm, rows, ldDst, ldSrc, step)
}
func fftSplit(re, im, tw []float32, ld, n int) {
	fftSplitGeneric(re, im, tw, ld, n)
}
func fftMerge(dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, n int) {
	fftMergeGeneric(dstRe, dstIm, srcRe, srcIm, tw, ldSrc, n)
}
