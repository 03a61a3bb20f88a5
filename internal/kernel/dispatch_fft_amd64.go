//go:build !noasm

package kernel

func fftRadix4(dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, quarter, blocks int) {
	switch current {
	case levelAVX512:
		fftRadix4AVX512(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &tw[0], 4*ldSrc, quarter, blocks)
	case levelAVX2:
		fftRadix4AVX2(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &tw[0], 4*ldSrc, quarter, blocks)
	default:
		fftRadix4Generic(dstRe, dstIm, srcRe, srcIm, tw, ldSrc, quarter, blocks)
	}
}

func fftLast4(dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int) {
	switch current {
	case levelAVX512:
		fftLast4AVX512(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &rows[0], 4*ldDst, 4*ldSrc, 4*step*ldDst, len(rows))
	case levelAVX2:
		fftLast4AVX2(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &rows[0], 4*ldDst, 4*ldSrc, 4*step*ldDst, len(rows))
	default:
		fftLast4Generic(dstRe, dstIm, srcRe, srcIm, rows, ldDst, ldSrc, step)
	}
}

func fftLast8(dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int) {
	switch current {
	case levelAVX512:
		fftLast8AVX512(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &rows[0], 4*ldDst, 4*ldSrc, 4*step*ldDst, len(rows))
	case levelAVX2:
		fftLast8AVX2(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &rows[0], 4*ldDst, 4*ldSrc, 4*step*ldDst, len(rows))
	default:
		fftLast8Generic(dstRe, dstIm, srcRe, srcIm, rows, ldDst, ldSrc, step)
	}
}

func fftSplit(re, im, tw []float32, ld, n int) {
	switch current {
	case levelAVX512:
		fftSplitAVX512(&re[0], &im[0], &tw[0], 4*ld, n)
	case levelAVX2:
		fftSplitAVX2(&re[0], &im[0], &tw[0], 4*ld, n)
	default:
		fftSplitGeneric(re, im, tw, ld, n)
	}
}

func fftMerge(dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, n int) {
	switch current {
	case levelAVX512:
		fftMergeAVX512(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &tw[0], 4*ldSrc, n)
	case levelAVX2:
		fftMergeAVX2(&dstRe[0], &dstIm[0], &srcRe[0], &srcIm[0], &tw[0], 4*ldSrc, n)
	default:
		fftMergeGeneric(dstRe, dstIm, srcRe, srcIm, tw, ldSrc, n)
	}
}
