package dsp

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"
)

func gaussian(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// lane returns one lane of an array.
func lane(x []float32, l, lanes int) (v []float64) {
	for i := l; i < len(x); i += lanes {
		v = append(v, float64(x[i]))
	}
	return v
}

// eachFFT runs a test for every length on numbers of lanes even and odd.
func eachFFT(t *testing.T, test func(t *testing.T, r *rand.Rand, f *FFT, n, lanes int)) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := MinFFTSize; n <= MaxFFTSize; n *= 2 {
		for _, lanes := range []int{1, 5, 16, 33, 48} {
			if n > 2048 && lanes > 16 {
				continue
			}
			test(t, r, NewFFT(n), n, lanes)
		}
	}
}

func TestFFTAgainstFloat64(t *testing.T) {
	worst := 0.0
	eachFFT(t, func(t *testing.T, r *rand.Rand, f *FFT, n, lanes int) {
		x := gaussian(r, n*lanes)
		re, im := gaussian(r, f.Bins()*lanes), gaussian(r, f.Bins()*lanes)
		f.Forward(re, im, x, lanes)
		plan := fourier.NewFFT(n)
		for l := range lanes {
			gotRe, gotIm := lane(re, l, lanes), lane(im, l, lanes)
			var e, size float64
			for k, c := range plan.Coefficients(nil, lane(x, l, lanes)) {
				e += (real(c)-gotRe[k])*(real(c)-gotRe[k]) + (imag(c)-gotIm[k])*(imag(c)-gotIm[k])
				size += real(c)*real(c) + imag(c)*imag(c)
			}
			e = math.Sqrt(e / size)
			worst = max(worst, e)
			if !(e < 5e-7) {
				t.Fatalf("%d samples, lane %d of %d: relative error %.3g", n, l, lanes, e)
			}
		}
	})
	t.Logf("largest relative RMS error %.3g", worst)
}

// TestFFTAdjointAgainstFloat64 compares with the inverse transform in float64,
// which counts the bins between the first and the last twice.
func TestFFTAdjointAgainstFloat64(t *testing.T) {
	worst := 0.0
	eachFFT(t, func(t *testing.T, r *rand.Rand, f *FFT, n, lanes int) {
		re, im := gaussian(r, f.Bins()*lanes), gaussian(r, f.Bins()*lanes)
		x := gaussian(r, n*lanes)
		f.Adjoint(x, re, im, lanes)
		plan := fourier.NewFFT(n)
		for l := range lanes {
			var c []complex128
			b := lane(im, l, lanes)
			for k, v := range lane(re, l, lanes) {
				z := complex(v/2, b[k]/2)
				if k == 0 || k == n/2 {
					z = complex(v, 0)
				}
				c = append(c, z)
			}
			got := lane(x, l, lanes)
			var e, size float64
			for i, v := range plan.Sequence(nil, c) {
				e += (v - got[i]) * (v - got[i])
				size += v * v
			}
			e = math.Sqrt(e / size)
			worst = max(worst, e)
			if !(e < 5e-7) {
				t.Fatalf("%d samples, lane %d of %d: relative error %.3g", n, l, lanes, e)
			}
		}
	})
	t.Logf("largest relative RMS error %.3g", worst)
}

// TestFFTIsAdjoint says <Fx, y> = <x, F'y>.
func TestFFTIsAdjoint(t *testing.T) {
	eachFFT(t, func(t *testing.T, r *rand.Rand, f *FFT, n, lanes int) {
		x := gaussian(r, n*lanes)
		a, b := gaussian(r, f.Bins()*lanes), gaussian(r, f.Bins()*lanes)
		re, im, y := make([]float32, len(a)), make([]float32, len(a)), make([]float32, len(x))
		f.Forward(re, im, x, lanes)
		f.Adjoint(y, a, b, lanes)
		var left, right, size float64
		for i := range re {
			left += float64(re[i])*float64(a[i]) + float64(im[i])*float64(b[i])
			size += math.Abs(float64(re[i])*float64(a[i])) + math.Abs(float64(im[i])*float64(b[i]))
		}
		for i := range x {
			right += float64(x[i]) * float64(y[i])
		}
		if math.Abs(left-right) > 2e-7*size {
			t.Errorf("%d samples, %d lanes: %v and %v", n, lanes, left, right)
		}
	})
}

func TestFFTIsLinear(t *testing.T) {
	eachFFT(t, func(t *testing.T, r *rand.Rand, f *FFT, n, lanes int) {
		forward := func(x []float32) []float32 {
			re, im := make([]float32, f.Bins()*lanes), make([]float32, f.Bins()*lanes)
			f.Forward(re, im, x, lanes)
			return append(re, im...)
		}
		x, y := gaussian(r, n*lanes), gaussian(r, n*lanes)
		sum := make([]float32, len(x))
		for i := range x {
			sum[i] = 3*x[i] - y[i]
		}
		a, b, c := forward(x), forward(y), forward(sum)
		for i, v := range c {
			if d := math.Abs(float64(3*a[i]) - float64(b[i]) - float64(v)); d > 4e-6*math.Sqrt(float64(n)) {
				t.Fatalf("%d samples, %d lanes: value %d differs by %g", n, lanes, i, d)
			}
		}
	})
}

// TestFFTLanesAreIndependent compares each lane with the same frame alone, bit
// for bit, beside a lane of NaN, and sees that nothing but the result is written.
func TestFFTLanesAreIndependent(t *testing.T) {
	nan := float32(math.NaN())
	eachFFT(t, func(t *testing.T, r *rand.Rand, f *FFT, n, lanes int) {
		if n > 1024 {
			return
		}
		x, a, b := gaussian(r, n*lanes), gaussian(r, f.Bins()*lanes), gaussian(r, f.Bins()*lanes)
		if lanes > 1 {
			for i := lanes - 2; i < len(x); i += lanes {
				x[i] = nan
			}
			a[lanes-2+r.IntN(f.Bins())*lanes] = nan
		}
		const guard = 3
		re, im, y := gaussian(r, len(a)+guard), gaussian(r, len(a)+guard), gaussian(r, len(x)+guard)
		keepX, keepA, keepB := slices.Clone(x), slices.Clone(a), slices.Clone(b)
		keepRe, keepIm, keepY := slices.Clone(re[len(a):]), slices.Clone(im[len(a):]), slices.Clone(y[len(x):])
		f.Forward(re, im, x, lanes)
		f.Adjoint(y, a, b, lanes)
		for i, pair := range [][2][]float32{{x, keepX}, {a, keepA}, {b, keepB},
			{re[len(a):], keepRe}, {im[len(a):], keepIm}, {y[len(x):], keepY}} {
			if !slices.EqualFunc(pair[0], pair[1], identical) {
				t.Fatalf("%d samples, %d lanes: memory %d was written", n, lanes, i)
			}
		}
		column := func(v []float32, l int) (c []float32) {
			for i := l; i < len(v); i += lanes {
				c = append(c, v[i])
			}
			return c
		}
		for _, l := range []int{0, lanes / 2, max(0, lanes-2), lanes - 1} {
			re1, im1, y1 := make([]float32, f.Bins()), make([]float32, f.Bins()), make([]float32, n)
			f.Forward(re1, im1, column(x, l), 1)
			f.Adjoint(y1, column(a, l), column(b, l), 1)
			for i, pair := range [][2][]float32{{re1, column(re[:len(a)], l)}, {im1, column(im[:len(a)], l)}, {y1, column(y[:len(x)], l)}} {
				if !slices.EqualFunc(pair[0], pair[1], identical) {
					t.Fatalf("%d samples, lane %d of %d: result %d is another alone", n, l, lanes, i)
				}
			}
			if lanes > 1 && l == lanes-2 && (re1[0] == re1[0] || re1[n/2] == re1[n/2] || y1[0] == y1[0] || y1[n-1] == y1[n-1]) {
				t.Fatalf("%d samples: a NaN is lost", n)
			}
		}
	})
}

// identical is ==, and true of two NaN.
func identical(a, b float32) bool { return a == b || a != a && b != b }

func TestFFTConcurrently(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, lanes = 512, 20
	f := NewFFT(n)
	x := gaussian(r, n*lanes)
	want := make([]float32, 2*f.Bins()*lanes)
	f.Forward(want[:f.Bins()*lanes], want[f.Bins()*lanes:], x, lanes)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			re, im := make([]float32, f.Bins()*lanes), make([]float32, f.Bins()*lanes)
			for range 20 {
				f.Forward(re, im, x, lanes)
				if !slices.Equal(append(re[:len(re):len(re)], im...), want) {
					t.Error("another result")
				}
			}
		})
	}
	wg.Wait()
}

// TestFFTSizeSupported: what the function reports is what NewFFT does.
func TestFFTSizeSupported(t *testing.T) {
	for n, want := range map[int]bool{
		-8: false, 0: false, 1: false, 4: false, 8: true, 12: false, 1000: false, 1024: true, 2048: true,
		8191: false, 8192: true, 16384: false, math.MinInt: false,
	} {
		if got := FFTSizeSupported(n); got != want {
			t.Errorf("%d: supported %v, want %v", n, got, want)
		}
		func() {
			defer func() {
				if e := recover(); (e == nil) != want {
					t.Errorf("%d: NewFFT panicked with %v, supported is %v", n, e, want)
				}
			}()
			NewFFT(n)
		}()
	}
}

func TestFFTRefuses(t *testing.T) {
	f, v := NewFFT(8), make([]float32, 80)
	for name, call := range map[string]func(){
		"short x":  func() { f.Forward(v, v, v[:79], 10) },
		"short re": func() { f.Forward(v[:49], v, v, 10) },
		"short im": func() { f.Adjoint(v, v, v[:49], 10) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
	if first, again := NewFFT(64), NewFFT(64); first != again {
		t.Error("a plan is made twice")
	}
	f.Forward(nil, nil, nil, 0)
	f.Adjoint(nil, nil, nil, 0)
}
