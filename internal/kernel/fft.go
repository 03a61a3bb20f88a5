package kernel

import "fmt"

// The passes of a Fourier transform of Width real signals side by side, which
// internal/dsp makes a whole of. A complex row is Width values of one index, its
// real and its imaginary parts apart: row i of x is re[i·ld:] and im[i·ld:],
// Width values each. Twiddle factors are pairs of real and imaginary part.

// FFTRadix4 takes the first of the passes of decimation in frequency over blocks
// of 4·quarter complex rows, from src to dst, in which rows lie at a stride of
// Width:
//
//	for b := range blocks {
//		for j := range quarter {
//			i, w := 4*b*quarter+j, tw[3*j:]
//			x := [4]{src[i], src[i+quarter], src[i+2*quarter], src[i+3*quarter]}
//			dst[i] = x[0] + x[1] + x[2] + x[3]
//			dst[i+quarter] = (x[0] - 1i*x[1] - x[2] + 1i*x[3])*w[0]
//			dst[i+2*quarter] = (x[0] - x[1] + x[2] - x[3])*w[1]
//			dst[i+3*quarter] = (x[0] + 1i*x[1] - x[2] - 1i*x[3])*w[2]
//		}
//	}
//
// dst may be src.
func FFTRadix4(dstRe, dstIm, srcRe, srcIm []float32, ldSrc, quarter, blocks int, tw []float32) {
	n := 4 * quarter * blocks
	if n <= 0 {
		return
	}
	checkFFT(dstRe, dstIm, Width, n)
	checkFFT(srcRe, srcIm, ldSrc, n)
	fftRadix4(dstRe, dstIm, srcRe, srcIm, tw[:6*quarter], ldSrc, quarter, blocks)
}

// FFTLast takes the last pass, transforms of 4 or 8 neighboring rows of src.
// Value k of block b goes to row rows[b]+k·step of dst:
//
//	for b, row := range rows {
//		for k := range radix {
//			dst[row+k*step] = Σ src[radix*b+j]*exp(-2i*π*j*k/radix)
//		}
//	}
//
// Every entry of rows is below step. dst and src do not overlap.
func FFTLast(radix int, dstRe, dstIm []float32, ldDst int, srcRe, srcIm []float32, ldSrc int, rows []int32, step int) {
	if len(rows) == 0 {
		return
	}
	for _, r := range rows {
		if r < 0 || int(r) >= step {
			panic(fmt.Sprintf("kernel: row %d of a step of %d", r, step))
		}
	}
	checkFFT(dstRe, dstIm, ldDst, radix*step)
	checkFFT(srcRe, srcIm, ldSrc, radix*len(rows))
	switch radix {
	case 4:
		fftLast4(dstRe, dstIm, srcRe, srcIm, rows, ldDst, ldSrc, step)
	case 8:
		fftLast8(dstRe, dstIm, srcRe, srcIm, rows, ldDst, ldSrc, step)
	default:
		panic(fmt.Sprintf("kernel: no last pass of radix %d", radix))
	}
}

// FFTSplit turns the transform z of n complex values, n even, into that of the
// 2n real ones whose even ones were the real and whose odd ones the imaginary
// parts. Of row n only the place is needed:
//
//	z[0], z[n] = re(z[0]) + im(z[0]), re(z[0]) - im(z[0])
//	for k := 1; k <= n/2; k++ {
//		a, b := (z[k] + conj(z[n-k]))/2, (z[k] - conj(z[n-k]))*tw[k]
//		z[k], z[n-k] = a+b, conj(a-b)
//	}
//
// where tw[k] = exp(-iπk/n)/2i.
func FFTSplit(re, im []float32, ld, n int, tw []float32) {
	checkEven(n)
	checkFFT(re, im, ld, n+1)
	fftSplit(re, im, tw[:n+2], ld, n)
}

// FFTMerge turns the spectrum src of 2n real values, n even, into the spectrum of n
// complex values, whose real and imaginary parts are the even and the odd ones of
// these, with each of the n+1 bins counted once. The imaginary parts of rows 0 and
// n count as zero:
//
//	dst[0] = re(src[0]) + re(src[n]) + 1i*(re(src[0]) - re(src[n]))
//	for k := 1; k <= n/2; k++ {
//		a, b := (src[k] + conj(src[n-k]))/2, (src[k] - conj(src[n-k]))*tw[k]
//		dst[k], dst[n-k] = a+b, conj(a-b)
//	}
//
// where tw[k] = i·exp(iπk/n)/2, and rows of dst lie at a stride of Width.
func FFTMerge(dstRe, dstIm, srcRe, srcIm []float32, ldSrc, n int, tw []float32) {
	checkEven(n)
	checkFFT(dstRe, dstIm, Width, n)
	checkFFT(srcRe, srcIm, ldSrc, n+1)
	fftMerge(dstRe, dstIm, srcRe, srcIm, tw[:n+2], ldSrc, n)
}

func checkEven(n int) {
	if n < 2 || n%2 != 0 {
		panic(fmt.Sprintf("kernel: transform of %d complex values", n))
	}
}

func checkFFT(re, im []float32, ld, rows int) {
	if need := (rows-1)*ld + Width; len(re) < need || len(im) < need || ld < Width && rows > 1 {
		panic(fmt.Sprintf("kernel: %d and %d values for %d complex rows at a stride of %d", len(re), len(im), rows, ld))
	}
}
