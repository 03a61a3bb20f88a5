package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// A elementwiseCase is a vector function with its reference in float64.
type elementwiseCase struct {
	name    string
	inputs  int
	run     func(dst []float32, in [][]float32)
	generic func(dst []float32, in [][]float32)
}

var elementwiseCases = []elementwiseCase{
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
		func(d []float32, in [][]float32) { scaleGeneric(d, in[0], -0.7) }},
	{"AddScaled", 2, func(d []float32, in [][]float32) { copy(d, in[0]); AddScaled(d, in[1], 0.7) },
		func(d []float32, in [][]float32) { copy(d, in[0]); addScaledGeneric(d, in[1], 0.7) }},
	{"Lerp", 2, func(d []float32, in [][]float32) { copy(d, in[0]); Lerp(d, in[1], 0.1) },
		func(d []float32, in [][]float32) { copy(d, in[0]); lerpGeneric(d, in[1], 0.1) }},
	{"Log", 1, func(d []float32, in [][]float32) { Log(d, in[0]) },
		func(d []float32, in [][]float32) { logGeneric(d, in[0]) }},
	{"TanhGrad", 2, func(d []float32, in [][]float32) { TanhGrad(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { tanhGradGeneric(d, in[0], in[1]) }},
	{"MishGrad", 2, func(d []float32, in [][]float32) { MishGrad(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { mishGradGeneric(d, in[0], in[1]) }},
	{"GELU", 1, func(d []float32, in [][]float32) { GELU(d, in[0]) },
		func(d []float32, in [][]float32) { geluGeneric(d, in[0]) }},
	{"GELUGrad", 2, func(d []float32, in [][]float32) { GELUGrad(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { geluGradGeneric(d, in[0], in[1]) }},
	{"Magnitude", 2, func(d []float32, in [][]float32) { Magnitude(d, in[0], in[1]) },
		func(d []float32, in [][]float32) { magnitudeGeneric(d, in[0], in[1]) }},
	{"LeakyReLU", 1, func(d []float32, in [][]float32) { LeakyReLU(d, in[0], 0.1) },
		func(d []float32, in [][]float32) { leakyReLUGeneric(d, in[0], 0.1) }},
	{"LeakyReLUGrad", 2, func(d []float32, in [][]float32) { LeakyReLUGrad(d, in[0], in[1], 0.1) },
		func(d []float32, in [][]float32) { leakyReLUGradGeneric(d, in[0], in[1], 0.1) }},
}

// TestElementwiseAgainstGeneric runs every length and offset, and compares elements
// with the generic function's, and with what they are computed to alone.
func TestElementwiseAgainstGeneric(t *testing.T) {
	const guard = 5
	for _, v := range elementwiseCases {
		t.Run(v.name, func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
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
						case "TanhGrad", "MishGrad", "GELUGrad":
							bounded(in[0], 1)
							bounded(in[1], 1e4)
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

// bounded leaves no value beyond a limit, for derivatives, whose errors grow with it.
func bounded(x []float32, limit float32) {
	for i, v := range x {
		x[i] = max(-limit, min(limit, v))
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
