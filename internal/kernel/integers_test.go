package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFromInt16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 32))
		for n := 0; n <= 6*Width; n += Width {
			x := make([]int16, n)
			for i := range x {
				x[i] = int16(r.IntN(1<<16) - 1<<15)
			}
			got, want := random(r, n+Width), make([]float32, n+Width)
			copy(want, got)
			fromInt16(got[:n], x)
			fromInt16Generic(want[:n], x)
			same(t, "float32", got, want)
		}
	})
}

// TestIntegers compares what makes integers of weights with the generic loops, bit for bit.
func TestIntegers(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(33, 34))
		for n := 0; n <= 6*Width; n += Width {
			x := random(r, n)
			got, want := make([]float32, Width), make([]float32, Width)
			largestRows(got, x)
			largestRowsGeneric(want, x)
			same(t, "largest", got, want)

			factors := make([]float32, Width)
			for i, v := range want {
				factors[i] = maxInt16 / max(v, 0.1)
			}
			a, b := make([]int16, n+Width), make([]int16, n+Width)
			toInt16(a[:n], x, factors)
			toInt16Generic(b[:n], x, factors)
			if !slices.Equal(a, b) {
				t.Fatalf("16 bits: %v, want %v", a, b)
			}
		}
		for range 20 {
			x, y, factors := random(r, Width), random(r, Width), random(r, Width)
			for i := range factors {
				factors[i] = maxInt8 / max(x[i], -x[i], y[i], -y[i])
			}
			a, b := make([]int8, 3*Width), make([]int8, 3*Width)
			pairInt8(a[:2*Width], x, y, factors)
			pairInt8Generic(b[:2*Width], x, y, factors)
			if !slices.Equal(a, b) {
				t.Fatalf("8 bits: %v, want %v", a, b)
			}
		}
	})
}

// TestRoundEven: integers are rounded to, halves to the even one.
func TestRoundEven(t *testing.T) {
	for v, want := range map[float32]int32{0.5: 0, 1.5: 2, -0.5: 0, -1.5: -2, 2.4999: 2, -126.51: -127, 32766.5: 32766} {
		if got := roundEven(v); got != want {
			t.Errorf("%v became %d, want %d", v, got, want)
		}
	}
}
