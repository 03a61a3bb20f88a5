package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// A vectorCase is a vector function with its reference in float64.
type vectorCase struct {
	name    string
	inputs  int
	run     func(dst []float32, in [][]float32)
	generic func(dst []float32, in [][]float32)
}

var vectorCases = []vectorCase{
	{"Snake", 3, func(d []float32, in [][]float32) { Snake(d, in[0], in[1], in[2]) },
		func(d []float32, in [][]float32) { snakeGeneric(d, in[0], in[1], in[2]) }},
	{"Tanh", 1, func(d []float32, in [][]float32) { Tanh(d, in[0]) },
		func(d []float32, in [][]float32) { tanhGeneric(d, in[0]) }},
	{"Sigmoid", 1, func(d []float32, in [][]float32) { Sigmoid(d, in[0]) },
		func(d []float32, in [][]float32) { sigmoidGeneric(d, in[0]) }},
	{"Exp", 1, func(d []float32, in [][]float32) { Exp(d, in[0]) },
		func(d []float32, in [][]float32) { expGeneric(d, in[0]) }},
	{"Mish", 1, func(d []float32, in [][]float32) { Mish(d, in[0]) },
		func(d []float32, in [][]float32) { mishGeneric(d, in[0]) }},
	{"Gate", 2, func(d []float32, in [][]float32) { Gate(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { gateGeneric(d, in[0], in[1]) }},
	{"GLU", 2, func(d []float32, in [][]float32) { GLU(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { gluGeneric(d, in[0], in[1]) }},
	{"Add", 2, func(d []float32, in [][]float32) { Add(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { addGeneric(d, in[0], in[1]) }},
	{"Sub", 2, func(d []float32, in [][]float32) { Sub(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { subGeneric(d, in[0], in[1]) }},
	{"Mul", 2, func(d []float32, in [][]float32) { Mul(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { mulGeneric(d, in[0], in[1]) }},
	{"Scale", 1, func(d []float32, in [][]float32) { Scale(d, in[0], -0.7) },
		func(d []float32, in [][]float32) { scaledGeneric(d, in[0], -0.7) }},
	{"AddScaled", 2, func(d []float32, in [][]float32) { copy(d, in[0]); AddScaled(d, in[1], 0.7) },
		func(d []float32, in [][]float32) { copy(d, in[0]); addScaledGeneric(d, in[1], 0.7) }},
	{"Lerp", 2, func(d []float32, in [][]float32) { copy(d, in[0]); Lerp(d, in[1], 0.1) },
		func(d []float32, in [][]float32) { copy(d, in[0]); lerpGeneric(d, in[1], 0.1) }},
	{"LeakyReLU", 1, func(d []float32, in [][]float32) { LeakyReLU(d, in[0], 0.1) },
		func(d []float32, in [][]float32) { leakyReLUGeneric(d, in[0], 0.1) }},
	{"LeakyReLUGrad", 2, func(d []float32, in [][]float32) { LeakyReLUGrad(d, in[0], in[1], 0.1) },
		func(d []float32, in [][]float32) { leakyReLUGradGeneric(d, in[0], in[1], 0.1) }},
}

// TestVectorAgainstGeneric runs every length and offset, and compares elements
// with the generic function's, and with what they are computed to alone.
func TestVectorAgainstGeneric(t *testing.T) {
	const guard = 5
	for _, v := range vectorCases {
		t.Run(v.name, func(t *testing.T) {
			eachLevel(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				for n := range 68 {
					for offset := range 3 {
						var in [][]float32
						for range v.inputs {
							in = append(in, randomWithSpecials(r, n+2*guard+offset)[guard+offset:][:n])
						}
						switch v.name {
						case "Snake":
							tame(in[0], in[1])
						case "GLU":
							normal(in[1])
						}
						out := random(r, n+2*guard+offset)
						before := append([]float32(nil), out...)
						dst := out[guard+offset:][:n]
						v.run(dst, in)
						same(t, "in front", out[:guard+offset], before[:guard+offset])
						same(t, "behind", out[guard+offset+n:], before[guard+offset+n:])
						want := make([]float32, n)
						v.generic(want, in)
						for i := range n {
							if !near(dst[i], want[i], 5e-7) {
								t.Fatalf("length %d, offset %d: element %d of %v is %v, want %v", n, offset, i, column(in, i), dst[i], want[i])
							}
							var alone [1]float32
							v.run(alone[:], column(in, i))
							same(t, fmt.Sprintf("length %d, element %d alone", n, i), alone[:], dst[i:i+1])
						}
						// In place of the first input.
						v.run(in[0], in)
						same(t, "in place", in[0], dst)
					}
				}
			})
		})
	}
}

// tame leaves no product beyond a million, where the sine is only bounded.
func tame(x, alpha []float32) {
	for i, v := range x {
		if y := math.Abs(float64(v) * float64(alpha[i])); y > 1e6 && !math.IsInf(y, 0) {
			alpha[i] = 1 / v
		}
	}
}

// normal replaces what has a sigmoid that is zero or not by the level, which an
// infinite factor would show.
func normal(x []float32) {
	for i, v := range x {
		if v < -86 {
			x[i] = -86
		}
	}
}

// column returns element i of every slice, as slices of one.
func column(in [][]float32, i int) [][]float32 {
	var c [][]float32
	for _, v := range in {
		c = append(c, v[i:i+1])
	}
	return c
}

var specials = []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
	1e-45, -1e-45, 1e-38, math.MaxFloat32, -math.MaxFloat32, 88.7, 88.8, 89, -87, -88, -103, -104, 1e4, -1e4, 9.01, 20}

func randomWithSpecials(r *rand.Rand, n int) []float32 {
	v := random(r, n)
	for i := range v {
		if r.IntN(3) == 0 {
			v[i] = specials[r.IntN(len(specials))]
		}
	}
	return v
}

// near says whether got is want within a tolerance relative to 1 or to want,
// whichever is larger. Infinite and NaN must be the same.
func near(got, want float32, tolerance float64) bool {
	g, w := float64(got), float64(want)
	if math.IsNaN(w) || math.IsNaN(g) {
		return math.IsNaN(w) && math.IsNaN(g)
	}
	if g == w {
		return true
	}
	return math.Abs(g-w) <= tolerance*max(1, math.Abs(w))
}

// TestAccuracy measures the largest errors over dense ranges, in units of the
// last place of the float32 nearest to the true value or, where so stated,
// absolute.
func TestAccuracy(t *testing.T) {
	ones := make([]float32, 1<<12)
	for i := range ones {
		ones[i] = 1
	}
	snakeOnly := func(d, x []float32) {
		// sin² alone: what Snake adds to x, which is exact for the small x that
		// alpha makes large.
		zero := make([]float32, len(x))
		for i := range zero {
			zero[i] = 1e-30
		}
		alpha := make([]float32, len(x))
		for i, v := range x {
			alpha[i] = v * 1e30
		}
		Snake(d, zero, alpha, ones[:len(x)])
	}
	sin2 := func(x float64) float64 { s := math.Sin(x); return s * s }
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	mish := func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) }
	for _, c := range []struct {
		name     string
		run      func(d, x []float32)
		exact    func(float64) float64
		from, to float64
		ulp, abs float64 // 0 for no bound
	}{
		{"sin²", nil, sin2, -10, 10, 0, 2.5e-7},
		{"sin²", nil, sin2, 0, 10000, 0, 2.5e-7},
		{"exp", Exp, math.Exp, -86.6, 88.7, 2, 0},
		{"exp", Exp, math.Exp, -1e-3, 1e-3, 1, 0},
		{"tanh", Tanh, math.Tanh, -10, 10, 4, 2e-7},
		{"tanh", Tanh, math.Tanh, 1e-6, 1e-2, 4, 0},
		{"tanh", Tanh, math.Tanh, 1e-40, 1e-37, 4, 0},
		{"sigmoid", Sigmoid, sigmoid, -86.6, 20, 4, 1e-7},
		{"mish", Mish, mish, -80, 30, 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachLevel(t, func(t *testing.T) {
				const steps = 1 << 18
				var ulp, abs, ulpAt, absAt float64
				x, d := make([]float32, 1<<12), make([]float32, 1<<12)
				for at := 0; at < steps; at += len(x) {
					for i := range x {
						x[i] = float32(c.from + (c.to-c.from)*float64(at+i)/steps)
					}
					if c.run == nil {
						// The arguments that Snake makes of them.
						snakeOnly(d, x)
						for i, v := range x {
							x[i] = float32(v*1e30) * 1e-30
						}
					} else {
						c.run(d, x)
					}
					for i, v := range x {
						want := c.exact(float64(v))
						e := math.Abs(float64(d[i]) - want)
						if e > abs {
							abs, absAt = e, float64(v)
						}
						if u := e / unit(want); u > ulp {
							ulp, ulpAt = u, float64(v)
						}
					}
				}
				t.Logf("[%g, %g]: %.3g absolute at %.9g, %.2f units in the last place at %.9g", c.from, c.to, abs, absAt, ulp, ulpAt)
				if c.ulp > 0 && ulp > c.ulp || c.abs > 0 && abs > c.abs {
					t.Error("too far")
				}
			})
		})
	}
}

// unit returns the distance of float32 values around v.
func unit(v float64) float64 {
	f := float32(math.Abs(v))
	return float64(math.Nextafter32(f, math.MaxFloat32)) - float64(f)
}

func TestSnakeOfLargeArguments(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		alpha, inv, x, d := []float32{1}, []float32{1}, []float32{0}, []float32{0}
		r := rand.New(rand.NewPCG(1, 2))
		for range 200000 {
			y := math.Exp(r.Float64() * 87)
			// All of the value in alpha, so that x is lost beside sin².
			x[0], alpha[0] = 1e-20, float32(y*1e20)
			if y > 1e18 {
				x[0], alpha[0] = float32(y/1e38), 1e38
			}
			Snake(d, x, alpha, inv)
			if s := d[0] - x[0]; !(s >= 0 && s <= 1+1e-6) {
				t.Fatalf("sin² of %g is %g", y, s)
			}
		}
	})
}

func TestLSTMCell(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 0; n <= 80; n += Width {
			gates := random(r, 4*n+3)
			for i := range gates {
				gates[i] *= 4
			}
			if n > 16 {
				gates[17], gates[64+3] = float32(math.Inf(1)), float32(math.NaN())
			}
			h, c := random(r, n+9), random(r, n+9)
			h2, c2 := append([]float32(nil), h...), append([]float32(nil), c...)
			LSTMCell(h[3:3+n], c[3:3+n], gates[:4*n])
			lstmCellGeneric(h2[3:3+n], c2[3:3+n], gates[:4*n])
			for i := range h {
				if !near(h[i], h2[i], 5e-7) || !near(c[i], c2[i], 5e-7) {
					t.Fatalf("%d units: unit %d is %v, %v, want %v, %v", n, i-3, h[i], c[i], h2[i], c2[i])
				}
			}
			same(t, "guards", append(h[:3:3], c[3+n:]...), append(h2[:3:3], c2[3+n:]...))
		}
	})
}

func TestSoftmax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 68 {
			for trial := range 6 {
				x := random(r, n+7)
				for i := range x {
					x[i] *= 10
				}
				in := x[3 : 3+n]
				if n > 0 {
					switch i := r.IntN(n); trial {
					case 1:
						in[i] = -inf
					case 2:
						in[i] = nan
					case 3:
						in[i] = inf
					case 4:
						for i := range in {
							in[i] = -inf
						}
					case 5:
						in[i] = 1e30
					}
				}
				want := append([]float32(nil), x...)
				Softmax(in)
				softmaxGeneric(want[3 : 3+n])
				for i := range x {
					if !near(x[i], want[i], 5e-7) {
						t.Fatalf("%d values, trial %d: element %d is %v, want %v", n, trial, i-3, x[i], want[i])
					}
				}
				same(t, "guards", append(x[:3:3], x[3+n:]...), append(want[:3:3], want[3+n:]...))
			}
		}
	})
}

// TestSoftmaxOfMaskedEnd is what lets a caller mask the end of a row instead of
// shortening it.
func TestSoftmaxOfMaskedEnd(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n < 70; n++ {
			x := random(r, n)
			y := append([]float32(nil), x...)
			for range r.IntN(40) {
				y = append(y, float32(math.Inf(-1)))
			}
			Softmax(x)
			Softmax(y)
			same(t, "with a masked end", y[:n], x)
		}
	})
}
