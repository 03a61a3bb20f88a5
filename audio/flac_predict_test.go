package audio

import (
	"bytes"
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

// TestPredictPairs: two at a time gives the same samples as one by one, up to the largest
// sums that it takes, and the first sample that is out of range, too.
func TestPredictPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for order := 2; order <= maxPaired; order++ {
		for _, n := range []int{order, order + 1, order + 2, order + 3, order + 6, 200} {
			for _, broken := range []int{-1, n / 2, n - 1} {
				coefs, want := make([]int64, order), make([]int64, n)
				largest := int64((1<<16 - 1) / order) // that predict takes for 16 bits
				for i := range coefs {
					coefs[i] = []int64{-largest, largest, random.Int64N(largest)}[random.IntN(3)]
				}
				for i := range want {
					want[i] = []int64{-1 << 15, 1<<15 - 1, random.Int64N(1<<16) - 1<<15}[random.IntN(3)]
				}
				if broken >= order {
					want[broken] = 1 << 40
				}
				const shift = 9
				dst := slices.Clone(want)
				for i := order; i < n; i++ {
					var sum int64
					for k, c := range coefs {
						sum += c * want[i-1-k]
					}
					dst[i] -= sum >> shift
				}
				predictPairs(dst, coefs, shift, make([]int64, n))
				right := n
				if broken >= order {
					right = broken + 1
				}
				if !slices.Equal(dst[:right], want[:right]) {
					t.Fatalf("order %d, %d samples, %d of them right: %v, want %v", order, n, right, dst, want)
				}
			}
		}
	}
}

// TestReadRice: residuals of every parameter, long unary parts among them, in readers whose
// buffers end anywhere.
func TestReadRice(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for param := range 31 {
		for range 20 {
			var stream []byte
			used := 0
			bit := func(b uint64) {
				if used%8 == 0 {
					stream = append(stream, 0)
				}
				stream[used/8] |= byte(b) << (7 - used%8)
				used++
			}
			want := make([]int64, 1+random.IntN(40))
			for i := range want {
				high := uint64(random.IntN(4))
				if random.IntN(8) == 0 {
					high = min(uint64(random.IntN(200)), (1<<32-1)>>param)
				}
				x := high<<param | random.Uint64N(1<<param)
				want[i] = int64(x>>1) ^ -int64(x&1)
				for range high {
					bit(0)
				}
				bit(1)
				for b := param - 1; b >= 0; b-- {
					bit(x >> b & 1)
				}
			}
			br := newBitReader(&fewBytes{bytes.NewReader(stream), random})
			got := make([]int64, len(want))
			if !readRice(br, got, param) || br.err != nil || !slices.Equal(got, want) {
				t.Fatalf("parameter %d: %v (%v), want %v", param, got, br.err, want)
			}
			if br = newBitReader(bytes.NewReader(stream[:len(stream)-1])); !readRice(br, got, param) || br.err == nil {
				t.Fatalf("parameter %d, a byte less: no error", param)
			}
		}
	}
	// More than 32 bits.
	br := newBitReader(bytes.NewReader([]byte{0, 0b01000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
	if readRice(br, make([]int64, 1), 30) {
		t.Error("nine times 1<<30 is a residual")
	}
}

// fewBytes reads a few bytes at a time.
type fewBytes struct {
	*bytes.Reader
	random *rand.Rand
}

func (f *fewBytes) Read(b []byte) (int, error) {
	return f.Reader.Read(b[:min(len(b), 1+f.random.IntN(20))])
}
