package audio

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPredict: every order, on blocks from as short as the order on, is the sum that RFC 9639
// defines.
func TestPredict(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for order := range maxPredictor + 1 {
		for _, n := range []int{order, order + 1, order + 3, order + 4, 3*order + 50} {
			coefs, dst := make([]int64, order), make([]int64, n)
			for i := range coefs {
				coefs[i] = random.Int64N(1<<15) - 1<<14
			}
			for i := range dst {
				dst[i] = random.Int64N(1<<24) - 1<<23
			}
			const shift = 12
			want := slices.Clone(dst)
			for i := order; i < n; i++ {
				var sum int64
				for k, c := range coefs {
					sum += c * want[i-1-k]
				}
				want[i] += sum >> shift
			}
			predict(dst, coefs, shift)
			if !slices.Equal(dst, want) {
				t.Fatalf("order %d, %d samples: %v, want %v", order, n, dst, want)
			}
		}
	}
}
