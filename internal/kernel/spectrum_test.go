package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// close compares values with those of the generic function, relative to the larger of the
// value and 1.
func close(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	for i, w := range want {
		if !near(got[i], w, tolerance) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], w)
		}
	}
}

func TestSinCosAgainstGeneric(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 70 {
			x := random(r, n)
			for i := range x {
				x[i] *= 100
			}
			sin, cos, wantSin, wantCos := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			SinCos(sin, cos, x)
			sinCosGeneric(wantSin, wantCos, x)
			close(t, fmt.Sprint("sines of ", n), sin, wantSin, 5e-7)
			close(t, fmt.Sprint("cosines of ", n), cos, wantCos, 5e-7)
			SinCos(x, cos, x)
			same(t, "in place", x, sin)
		}
		bad := []float32{float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32, 3e20, -1e9}
		sin, cos := make([]float32, len(bad)), make([]float32, len(bad))
		SinCos(sin, cos, bad)
		for i, v := range sin {
			if v > 1.1 || v < -1.1 || cos[i] > 1.1 || cos[i] < -1.1 {
				t.Errorf("sine and cosine of %v are %v and %v", bad[i], v, cos[i])
			}
		}
		if sin[0] == sin[0] || cos[0] == cos[0] {
			t.Errorf("sine and cosine of NaN are %v and %v", sin[0], cos[0])
		}
	})
}

// magnitudes are not negative: some zero, some below the floor, some equal in both.
func magnitudes(r *rand.Rand, n int) (got, want []float32) {
	got, want = random(r, n), random(r, n)
	for i := range got {
		got[i], want[i] = got[i]*got[i], want[i]*want[i]
		switch r.IntN(6) {
		case 0:
			got[i] = 0
		case 1:
			want[i] = 1e-7
		case 2:
			got[i] = want[i]
		case 3:
			got[i] = 1e-6
		}
	}
	return got, want
}

func TestSpectralDistance(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 70 {
			for _, f := range [][2]float32{{0.4, 0}, {0, 1.5}, {0.8, 0.25}} {
				got, want := magnitudes(r, n)
				d, loss := slices.Clone(got), slices.Clone(want)
				spectralDistanceGeneric(d, loss, 1e-5, f[0], f[1])
				SpectralDistance(got, want, 1e-5, f[0], f[1])
				close(t, fmt.Sprint("derivatives of ", n), got, d, 2e-6)
				close(t, fmt.Sprint("losses of ", n), want, loss, 3e-6)
			}
		}
		nan := []float32{float32(math.NaN()), 1}
		SpectralDistance(nan, []float32{1, 1}, 1e-5, 1, 1)
		loss := []float32{1}
		SpectralDistance([]float32{float32(math.NaN())}, loss, 1e-5, 1, 1)
		if loss[0] == loss[0] {
			t.Errorf("the distance of NaN is %v", loss[0])
		}
	})
}

func TestMagnitudeGrad(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 70 {
			re, im, d, size := random(r, n), random(r, n), random(r, n), make([]float32, n)
			for i := range re {
				if r.IntN(4) == 0 {
					re[i], im[i] = 0, 0
				}
			}
			Magnitude(size, re, im)
			re2, im2 := slices.Clone(re), slices.Clone(im)
			MagnitudeGrad(re, im, d, size)
			magnitudeGradGeneric(re2, im2, d, size)
			close(t, fmt.Sprint("real parts of ", n), re, re2, 1e-6)
			close(t, fmt.Sprint("imaginary parts of ", n), im, im2, 1e-6)
		}
	})
}

func TestScaleRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for rows := range 5 {
			x, factors := random(r, 32*rows+3), random(r, rows)
			want := slices.Clone(x)
			scaleRowsGeneric(want, factors)
			ScaleRows(x, factors)
			same(t, fmt.Sprint(rows, " rows"), x, want)
		}
	})
}

// TestL1Rows also says that several calls, in order, have the sums of one.
func TestL1Rows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for c := 1; c < 40; c++ {
			const rows = 7
			stride := c + r.IntN(5)
			x, y := random(r, rows*stride), random(r, rows*stride)
			for i := range x {
				if r.IntN(5) == 0 {
					x[i] = y[i]
				}
			}
			before := random(r, rows*stride)
			dx, want := slices.Clone(before), slices.Clone(before)
			sums, wantSums := random(r, c), make([]float32, c)
			copy(wantSums, sums)
			L1Rows(dx, x, y, sums[:c], stride, 3, 0.25)
			L1Rows(dx[3*stride:], x[3*stride:], y[3*stride:], sums[:c], stride, rows-3, 0.25)
			l1RowsGeneric(want, x, y, wantSums, stride, rows, 0.25)
			same(t, fmt.Sprintf("gradients of rows of %d, %d apart", c, stride), dx, want)
			same(t, fmt.Sprintf("sums of rows of %d, %d apart", c, stride), sums, wantSums)
		}
	})
}
