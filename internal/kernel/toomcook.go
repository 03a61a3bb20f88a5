package kernel

import (
	"fmt"
	"math"
	"sync"
)

// ToomCookTaps is the length of the filters that a ToomCook computes.
const ToomCookTaps = 7

// A ToomCook computes Outputs neighboring outputs of a filter of seven taps from
// Points = Outputs+6 inputs with Points multiplications instead of 7·Outputs: the
// one-dimensional Toom-Cook algorithm F(m, 7) (S. Winograd, Arithmetic Complexity of
// Computations, 1980; A. Lavin and S. Gray, arXiv 1509.09308). Filter and inputs are taken
// for polynomials, evaluated at Points points, multiplied there, and the outputs are
// interpolated:
//
//	y = Aᵀ·[(G·w) ⊙ (Bᵀ·x)]
//
// In a convolution the multiplications are products over the input channels, one for each
// point, Bᵀ·x is Input and Aᵀ· is Output, channel by channel, and G·w is computed once, by
// Weights. The points are 0, pairs ±p and ∞, in this order; the pairs were chosen for the
// least error in float32: with 192 channels, 1.6e-6 of the outputs' standard deviation for
// F(4, 7), and 3.8e-6 for F(6, 7).
type ToomCook struct {
	Outputs, Points int

	input, output []float32 // coefficients in the order in which kernels use them
	weights       [][ToomCookTaps]float32

	// GradRows is, [Points][Outputs], G of F(7, Outputs), which has the same points: with the
	// rows of an output's gradient as the filter, and the inputs that Input transforms, it has
	// the gradient of the weights as its seven outputs, which GradWeights interpolates.
	GradRows []float32
	pairs    []float64
}

var toomCookPairs = map[int][]float64{
	2: {1, 1. / 2, 2},
	4: {5. / 4, 4. / 5, 2. / 5, 5. / 2},
	6: {1, 3. / 2, 2. / 3, 3. / 8, 5. / 2},
}

// NewToomCook returns the algorithm for 2, 4 or 6 outputs.
func NewToomCook(outputs int) *ToomCook {
	if toomCookPairs[outputs] == nil {
		panic(fmt.Sprintf("kernel: no Toom-Cook algorithm for %d outputs", outputs))
	}
	return toomCooks()[outputs]
}

var toomCooks = sync.OnceValue(func() map[int]*ToomCook {
	all := map[int]*ToomCook{}
	for outputs, pairs := range toomCookPairs {
		all[outputs] = newToomCook(outputs, pairs)
	}
	return all
})

// newToomCook computes the matrices. With M(x) = x·Π(x² - p²) over all pairs, the row of
// Bᵀ for a point p is M(x)/(x - p), that of ∞ is M(x), and the row of G is 1, p, … p⁶ over
// the value of the former at p. Rows of Bᵀ are scaled by powers of two to values around 1,
// and those of G by the inverse.
func newToomCook(outputs int, pairs []float64) *ToomCook {
	t := &ToomCook{Outputs: outputs, Points: outputs + ToomCookTaps - 1, pairs: pairs}
	// even returns the coefficients of Π(x² - q²), in x², over all pairs but p's.
	even := func(p float64) []float64 {
		c := []float64{1}
		for _, q := range pairs {
			if q == p {
				continue
			}
			next := make([]float64, len(c)+1)
			for i, v := range c {
				next[i] -= v * q * q
				next[i+1] += v
			}
			c = next
		}
		return c
	}
	scaled := func(c []float64) (scale float64) {
		for _, v := range c {
			scale = max(scale, math.Abs(v))
		}
		scale = math.Exp2(-math.Round(math.Log2(scale)))
		for _, v := range c {
			t.input = append(t.input, float32(v*scale))
		}
		return scale
	}
	row := func(p, first float64) {
		var w [ToomCookTaps]float32
		for k := range max(ToomCookTaps, outputs) {
			if k < ToomCookTaps {
				w[k] = float32(first)
			}
			if k < outputs {
				t.GradRows = append(t.GradRows, float32(first))
			}
			first *= p
		}
		t.weights = append(t.weights, w)
	}
	all := even(0)
	scale := scaled(all)
	row(0, 1/all[0]/scale)
	for _, p := range pairs {
		c := even(p)
		scale := scaled(c)
		t.input = append(t.input, float32(p))
		// M(x)/(x - p) = x·(x + p)·c(x²), at p.
		var value, power float64 = 0, 1
		for _, v := range c {
			value += v * power
			power *= p * p
		}
		value *= 2 * p * p * scale
		row(p, 1/value)
		row(-p, 1/value)
		for k, power := 1, p; k < outputs; k++ {
			t.output = append(t.output, float32(power))
			power *= p
		}
	}
	t.weights = append(t.weights, [ToomCookTaps]float32{ToomCookTaps - 1: float32(1 / scale)})
	t.GradRows = append(t.GradRows, make([]float32, outputs)...)
	t.GradRows[len(t.GradRows)-1] = float32(1 / scale)
	return t
}

// Input transforms the inputs of a number of tiles:
//
//	for i in tiles, for p in points, for c in [0, cols):
//	    dst[i*step + p*ldDst + c] = Σ_k Bᵀ[p][k] · x[i*stepX + k*ldX + c]
//
// cols is a multiple of Width; dst and x must not overlap.
func (t *ToomCook) Input(dst []float32, step, ldDst int, x []float32, stepX, ldX, tiles, cols int) {
	if tiles <= 0 || cols == 0 {
		return
	}
	wholePanels(cols)
	checkTiles(dst, step, ldDst, t.Points, tiles, cols)
	checkTiles(x, stepX, ldX, t.Points, tiles, cols)
	switch t.Outputs {
	case 2:
		toomCook2Input(dst, x, t.input, step, ldDst, stepX, ldX, tiles, cols)
	case 4:
		toomCook4Input(dst, x, t.input, step, ldDst, stepX, ldX, tiles, cols)
	default:
		toomCook6Input(dst, x, t.input, step, ldDst, stepX, ldX, tiles, cols)
	}
}

// Output interpolates the outputs of a number of tiles:
//
//	for i in tiles, for k in outputs, for c in [0, cols):
//	    dst[i*step + k*ldDst + c] = bias[c] + Σ_p Aᵀ[k][p] · m[i*stepM + p*ldM + c]
//
// cols is a multiple of Width; dst must not overlap m.
func (t *ToomCook) Output(dst []float32, step, ldDst int, m []float32, stepM, ldM, tiles, cols int, bias []float32) {
	if tiles <= 0 || cols == 0 {
		return
	}
	wholePanels(cols)
	checkTiles(dst, step, ldDst, t.Outputs, tiles, cols)
	checkTiles(m, stepM, ldM, t.Points, tiles, cols)
	if len(bias) < cols {
		panic(fmt.Sprintf("kernel: %d biases for %d columns", len(bias), cols))
	}
	switch t.Outputs {
	case 2:
		toomCook2Output(dst, m, bias, t.output, step, ldDst, stepM, ldM, tiles, cols)
	case 4:
		toomCook4Output(dst, m, bias, t.output, step, ldDst, stepM, ldM, tiles, cols)
	default:
		toomCook6Output(dst, m, bias, t.output, step, ldDst, stepM, ldM, tiles, cols)
	}
}

// checkTiles panics unless x holds the rows of all tiles.
func checkTiles(x []float32, step, ld, rows, tiles, cols int) {
	if step < 0 || ld < 0 || len(x) < (tiles-1)*step+(rows-1)*ld+cols {
		panic(fmt.Sprintf("kernel: %d values for %d tiles, %d apart, of %d rows, %d apart, of %d channels",
			len(x), tiles, step, rows, ld, cols))
	}
}

// Weights writes G·w for input channels k0 to k1 of a panel of weights, seven taps of it,
// w [7][K][Width], to the same panel of the points' panels, which have one tap each.
func (t *ToomCook) Weights(points []*Panels, w []float32, panel, k0, k1 int) {
	for i, row := range t.weights {
		p := points[i]
		to := p.Data[p.Index(0, k0, panel*Width):][:(k1-k0)*Width]
		for k, v := range row {
			from := w[(k*p.K+k0)*Width:][:len(to)]
			switch {
			case k == 0:
				Scale(to, from, v)
			case v != 0:
				AddScaled(to, from, v)
			}
		}
	}
}

// GradWeights interpolates the gradient of a filter from the products at the points, which it
// overwrites:
//
//	for k in [0, 7), for c in [0, cols):
//	    dw[k*ldDW + c] = Σ_p pᵏ · m[p*ldM + c]
//
// of ∞ for the last k alone.
func (t *ToomCook) GradWeights(dw []float32, ldDW int, m []float32, ldM, cols int) {
	at := func(p int) []float32 { return m[p*ldM:][:cols] }
	out := func(k int) []float32 { return dw[k*ldDW:][:cols] }
	copy(out(0), at(0))
	copy(out(ToomCookTaps-1), at(t.Points-1))
	for i, p := range t.pairs {
		even, odd := at(2*i+1), at(2*i+2)
		Add(even, even, odd)
		Scale(odd, odd, -2)
		Add(odd, odd, even)
		power := 1.
		for k := range ToomCookTaps {
			from := even
			if k%2 == 1 {
				from = odd
			}
			if i == 0 && k > 0 && k < ToomCookTaps-1 {
				Scale(out(k), from, float32(power))
			} else {
				AddScaled(out(k), from, float32(power))
			}
			power *= p
		}
	}
}
