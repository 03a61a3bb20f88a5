package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func sameBF16(t *testing.T, what string, got, want []BFloat16) {
	t.Helper()
	for i, v := range want {
		if got[i] != v {
			t.Fatalf("%s: value %d is %#04x, want %#04x", what, i, got[i], v)
		}
	}
}

func TestBF16AgainstGeneric(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 0; n <= 7*Width; n += Width {
			for range 20 {
				a, b := randomWithSpecials(r, n), randomWithSpecials(r, n)
				got, want := make([]BFloat16, 2*n), make([]BFloat16, 2*n)
				ToBF16(got[:n], a)
				toBF16Generic(want[:n], a)
				sameBF16(t, "to", got, want)
				back, wantBack := make([]float32, n), make([]float32, n)
				FromBF16(back, got[:n])
				fromBF16Generic(wantBack, got[:n])
				same(t, "from", back, wantBack)
				SplitBF16(got[:n], got[n:], a)
				splitBF16Generic(want[:n], want[n:], a)
				for i, v := range want {
					// What is left of an infinite value, or of one that becomes infinite, is
					// a NaN or infinite.
					if g, w := floatBF16(got[i]), floatBF16(v); g != w && (g == g || w == w) {
						t.Fatalf("split of %v: %v, want %v", a[i%n], g, w)
					}
				}
				PairBF16(got, a, b)
				pairBF16Generic(want, a, b)
				sameBF16(t, "pair", got, want)
			}
		}
	})
}

// TestRoundBF16 has what is halfway between two values, and what is near it.
func TestRoundBF16(t *testing.T) {
	for bits, want := range map[uint32]BFloat16{
		0x3f808000: 0x3f80, 0x3f808001: 0x3f81, 0x3f818000: 0x3f82, 0x3f817fff: 0x3f81,
		0x7f7fffff: 0x7f80, 0xff7fffff: 0xff80, 0x7f800000: 0x7f80, 0x00008000: 0, 0x00018000: 2, 0x80000000: 0x8000,
	} {
		if got := roundBF16(math.Float32frombits(bits)); got != want {
			t.Errorf("%#x is %#x, want %#x", bits, got, want)
		}
	}
	for _, bits := range []uint32{0x7fffffff, 0x7f800001, 0xffffffff, 0xff800001} {
		if v := floatBF16(roundBF16(math.Float32frombits(bits))); v == v {
			t.Errorf("%#x is %v, no NaN", bits, v)
		}
	}
}

// TestSnakeBF16 is the snake of float32, rounded.
func TestSnakeBF16(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for n := Width; n <= 5*Width; n += Width {
			x, alpha, inv, y := randomWithSpecials(r, n), random(r, n), random(r, n), make([]float32, n)
			got, want, generic := make([]BFloat16, n), make([]BFloat16, n), make([]BFloat16, n)
			SnakeBF16(got, x, alpha, inv)
			Snake(y, x, alpha, inv)
			ToBF16(want, y)
			sameBF16(t, "snake", got, want)
			SplitBF16(want, generic, y)
			low := make([]BFloat16, n)
			SnakeSplitBF16(got, low, x, alpha, inv)
			sameBF16(t, "high half", got, want)
			sameBF16(t, "low half", low, generic)
			snakeSplitBF16Generic(got, low, x, alpha, inv)
			for i, v := range y {
				sum := floatBF16(got[i]) + floatBF16(low[i])
				if math.Abs(float64(v)) < 1e30 && math.Abs(float64(x[i])) < 1e6 && !near(sum, v, 1.0/(1<<15)) {
					t.Fatalf("snake of %v in two halves is %v, want %v", x[i], sum, v)
				}
			}
			SnakeBF16(got, x, alpha, inv)
			snakeBF16Generic(generic, x, alpha, inv)
			for i, v := range generic {
				if !near(floatBF16(got[i]), floatBF16(v), 1.0/128) && x[i] == x[i] && math.Abs(float64(x[i])) < 1e6 {
					t.Fatalf("snake of %v is %v, want %v", x[i], floatBF16(got[i]), floatBF16(v))
				}
			}
		}
	})
}
