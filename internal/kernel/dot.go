package kernel

// dotSums is the number of partial sums of a dot product: element i goes to sum i
// modulo dotSums.
const dotSums = 32

// Dot returns Σ a[i]·b[i] over a's length, summed in float64, which holds the
// products exactly. The order of summation depends on the length only, and the
// result is the same with and without assembly.
func Dot(a, b []float32) float64 {
	b = b[:len(a)]
	var sums [dotSums]float64
	whole := len(a) / dotSums * dotSums
	dot(&sums, a[:whole], b[:whole])
	for i, v := range a[whole:] {
		sums[i] += float64(v) * float64(b[whole+i])
	}
	for n := dotSums / 2; n > 0; n /= 2 {
		for i := range n {
			sums[i] += sums[i+n]
		}
	}
	return sums[0]
}

// SumSquares returns Σ a[i]², as Dot of a with itself.
func SumSquares(a []float32) float64 { return Dot(a, a) }

// ones is what Sum multiplies with, a piece at a time.
var ones = func() (v [1024]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// Sum returns Σ a[i], summed in float64 in an order that depends on the length only.
func Sum(a []float32) (sum float64) {
	for len(a) > len(ones) {
		sum += Dot(a[:len(ones)], ones[:])
		a = a[len(ones):]
	}
	return sum + Dot(a, ones[:])
}
