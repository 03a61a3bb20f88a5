package kernel

// Sub computes dst[i] = a[i] - b[i]. dst may be a or b.
func Sub(dst, a, b []float32) { sub(dst, a[:len(dst)], b[:len(dst)]) }

// Mul computes dst[i] = a[i]·b[i]. dst may be a or b.
func Mul(dst, a, b []float32) { mul(dst, a[:len(dst)], b[:len(dst)]) }

// Scale computes dst[i] = s·x[i]. dst may be x.
func Scale(dst, x []float32, s float32) { scaled(dst, x[:len(dst)], s) }

// AddScaled computes dst[i] += s·x[i], rounded once. dst may be x.
func AddScaled(dst, x []float32, s float32) { addScaled(dst, x[:len(dst)], s) }

// Lerp computes dst[i] += w·(x[i] - dst[i]), a step of an exponential moving
// average of decay 1-w. dst may be x.
func Lerp(dst, x []float32, w float32) { lerp(dst, x[:len(dst)], w) }

// dotSums is the number of partial sums of a dot product: element i goes to sum
// i modulo dotSums.
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
