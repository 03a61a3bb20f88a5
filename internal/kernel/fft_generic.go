package kernel

import "math"

// A complexRow is a row of Width complex values.
type complexRow struct{ re, im [Width]float32 }

func loadRow(re, im []float32, at int) (x complexRow) {
	copy(x.re[:], re[at:])
	copy(x.im[:], im[at:])
	return x
}

func (x *complexRow) store(re, im []float32, at int) {
	copy(re[at:][:Width], x.re[:])
	copy(im[at:][:Width], x.im[:])
}

// twiddle multiplies by the factor (wr, wi).
func (x *complexRow) twiddle(wr, wi float32) {
	for i, a := range x.re {
		b := x.im[i]
		x.re[i] = float32(a*wr) - float32(b*wi)
		x.im[i] = float32(b*wr) + float32(a*wi)
	}
}

// rotateEighths multiplies by exp(-iπk/4).
func (x *complexRow) rotateEighths(k int) {
	const h = float32(math.Sqrt2 / 2)
	for i, a := range x.re {
		b := x.im[i]
		switch k {
		case 1:
			x.re[i], x.im[i] = h*(a+b), h*(b-a)
		case 2:
			x.re[i], x.im[i] = b, -a
		case 3:
			x.re[i], x.im[i] = h*(b-a), -h*(a+b)
		}
	}
}

// conjugateSum returns (a + conj(b))/2 and a - conj(b).
func conjugateSum(a, b *complexRow) (sum, difference complexRow) {
	for i := range a.re {
		sum.re[i], sum.im[i] = (a.re[i]+b.re[i])/2, (a.im[i]-b.im[i])/2
		difference.re[i], difference.im[i] = a.re[i]-b.re[i], a.im[i]+b.im[i]
	}
	return sum, difference
}

// bothEnds returns a+b and conj(a-b).
func bothEnds(a, b *complexRow) (low, high complexRow) {
	for i := range a.re {
		low.re[i], low.im[i] = a.re[i]+b.re[i], a.im[i]+b.im[i]
		high.re[i], high.im[i] = a.re[i]-b.re[i], b.im[i]-a.im[i]
	}
	return low, high
}

func dft4(x0, x1, x2, x3 *complexRow) {
	for i := range x0.re {
		ar, ai, br, bi := x0.re[i], x0.im[i], x1.re[i], x1.im[i]
		cr, ci, dr, di := x2.re[i], x2.im[i], x3.re[i], x3.im[i]
		s0r, s0i, s1r, s1i := ar+cr, ai+ci, ar-cr, ai-ci
		s2r, s2i, s3r, s3i := br+dr, bi+di, br-dr, bi-di
		x0.re[i], x0.im[i] = s0r+s2r, s0i+s2i
		x1.re[i], x1.im[i] = s1r+s3i, s1i-s3r
		x2.re[i], x2.im[i] = s0r-s2r, s0i-s2i
		x3.re[i], x3.im[i] = s1r-s3i, s1i+s3r
	}
}

func fftRadix4Generic(dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, quarter, blocks int) {
	var x [4]complexRow
	for b := range blocks {
		for j := range quarter {
			first := 4*b*quarter + j
			for i := range x {
				x[i] = loadRow(srcRe, srcIm, (first+i*quarter)*ldSrc)
			}
			dft4(&x[0], &x[1], &x[2], &x[3])
			for i := range x {
				if i > 0 {
					w := tw[6*j+2*(i-1):]
					x[i].twiddle(w[0], w[1])
				}
				x[i].store(dstRe, dstIm, (first+i*quarter)*Width)
			}
		}
	}
}

func fftLast4Generic(dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int) {
	var x [4]complexRow
	for b, row := range rows {
		for i := range x {
			x[i] = loadRow(srcRe, srcIm, (4*b+i)*ldSrc)
		}
		dft4(&x[0], &x[1], &x[2], &x[3])
		for k := range x {
			x[k].store(dstRe, dstIm, (int(row)+k*step)*ldDst)
		}
	}
}

func fftLast8Generic(dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int) {
	var even, odd [4]complexRow
	for b, row := range rows {
		for j := range even {
			x, y := loadRow(srcRe, srcIm, (8*b+j)*ldSrc), loadRow(srcRe, srcIm, (8*b+j+4)*ldSrc)
			for i := range x.re {
				even[j].re[i], even[j].im[i] = x.re[i]+y.re[i], x.im[i]+y.im[i]
				odd[j].re[i], odd[j].im[i] = x.re[i]-y.re[i], x.im[i]-y.im[i]
			}
			odd[j].rotateEighths(j)
		}
		dft4(&even[0], &even[1], &even[2], &even[3])
		dft4(&odd[0], &odd[1], &odd[2], &odd[3])
		for k := range even {
			even[k].store(dstRe, dstIm, (int(row)+2*k*step)*ldDst)
			odd[k].store(dstRe, dstIm, (int(row)+(2*k+1)*step)*ldDst)
		}
	}
}

func fftSplitGeneric(re, im, tw []float32, ld, n int) {
	z := loadRow(re, im, 0)
	var low, high complexRow
	for i := range z.re {
		low.re[i], high.re[i] = z.re[i]+z.im[i], z.re[i]-z.im[i]
	}
	low.store(re, im, 0)
	high.store(re, im, n*ld)
	for k := 1; k <= n/2; k++ {
		x, y := loadRow(re, im, k*ld), loadRow(re, im, (n-k)*ld)
		a, b := conjugateSum(&x, &y)
		b.twiddle(tw[2*k], tw[2*k+1])
		x, y = bothEnds(&a, &b)
		x.store(re, im, k*ld)
		y.store(re, im, (n-k)*ld)
	}
}

func fftMergeGeneric(dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, n int) {
	x, y := loadRow(srcRe, srcIm, 0), loadRow(srcRe, srcIm, n*ldSrc)
	var z complexRow
	for i := range z.re {
		z.re[i], z.im[i] = x.re[i]+y.re[i], x.re[i]-y.re[i]
	}
	z.store(dstRe, dstIm, 0)
	for k := 1; k <= n/2; k++ {
		x, y := loadRow(srcRe, srcIm, k*ldSrc), loadRow(srcRe, srcIm, (n-k)*ldSrc)
		a, b := conjugateSum(&x, &y)
		b.twiddle(tw[2*k], tw[2*k+1])
		x, y = bothEnds(&a, &b)
		x.store(dstRe, dstIm, k*Width)
		y.store(dstRe, dstIm, (n-k)*Width)
	}
}
