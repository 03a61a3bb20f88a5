package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A snakeCase holds the arguments of SnakeGradRows.
type snakeCase struct {
	dx, dy, x           []float32
	stride, rows, c     int
	alpha, inv, a, b    []float32
	sizeX, sizeA, sizeB []float64 // of what is added up to each result
}

func newSnakeCase(r *rand.Rand, rows, c int) *snakeCase {
	k := &snakeCase{stride: c + r.IntN(5), rows: rows, c: c}
	values := func(n int) []float32 { return randomWithSpecials(r, n+1)[1:] }
	n := rows*k.stride + 3
	k.dx, k.dy, k.x = random(r, n), values(n), values(n)
	k.alpha, k.inv = values(c), random(r, c)
	k.a, k.b = random(r, c), random(r, c)
	for i, v := range k.dy {
		if v > 1e30 || v < -1e30 { // the last bit decides whether a product of it is finite
			k.dy[i] = 1
		}
	}
	for row := range rows {
		tame(k.x[row*k.stride:][:c], k.alpha)
	}
	k.sizeX, k.sizeA, k.sizeB = make([]float64, n), make([]float64, c), make([]float64, c)
	for row := range rows {
		for i := range c {
			j := row*k.stride + i
			d := math.Abs(float64(k.dy[j]))
			k.sizeX[j] = d * (1 + math.Abs(float64(k.alpha[i]*k.inv[i])))
			k.sizeA[i] += d * math.Abs(float64(k.x[j]))
			k.sizeB[i] += d
		}
	}
	return k
}

func (k snakeCase) clone() *snakeCase {
	k.dx, k.dy, k.x = slices.Clone(k.dx), slices.Clone(k.dy), slices.Clone(k.x)
	k.a, k.b = slices.Clone(k.a), slices.Clone(k.b)
	return &k
}

// run computes rows r0 to r1 of channels c0 to c1.
func (k *snakeCase) run(r0, r1, c0, c1 int) {
	at := r0*k.stride + c0
	SnakeGradRows(k.dx[at:], k.dy[at:], k.x[at:], k.stride, r1-r0, c1-c0,
		k.alpha[c0:c1], k.inv[c0:c1], k.a[c0:c1], k.b[c0:c1])
}

func (k *snakeCase) same(t *testing.T, what string, want *snakeCase) {
	t.Helper()
	same(t, what+": dx", k.dx, want.dx)
	same(t, what+": a", k.a, want.a)
	same(t, what+": b", k.b, want.b)
}

// snakeGrad is SnakeGradRows for one row of channels.
func snakeGrad(dx, dy, x, alpha, inv, a, b []float32) {
	SnakeGradRows(dx, dy, x, len(dx), 1, len(dx), alpha, inv, a, b)
}

// TestSnakeGradAgainstGeneric also says that nothing but the rows is written,
// and that neither the channels nor the rows of a call change a bit.
func TestSnakeGradAgainstGeneric(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for c := range 68 {
			for rows := 1; rows <= 3; rows++ {
				in := newSnakeCase(r, rows, c)
				got, want := in.clone(), in.clone()
				got.run(0, rows, 0, c)
				snakeGradRowsGeneric(want.dx, want.dy, want.x, want.alpha, want.inv, want.a, want.b, want.stride, rows)
				check := func(what string, got, want []float32, size []float64) {
					t.Helper()
					for i, w := range want {
						g := got[i]
						if g != w && !near(g, w, 0) && !(math.Abs(float64(g)-float64(w)) <= 5e-7*max(1, size[i])) {
							t.Fatalf("%d rows of %d: %s %d is %v, want %v", rows, c, what, i, g, w)
						}
					}
				}
				check("dx", got.dx, want.dx, in.sizeX)
				check("a", got.a, want.a, in.sizeA)
				check("b", got.b, want.b, in.sizeB)
				for j, v := range in.dx {
					if j >= rows*in.stride || j%max(in.stride, 1) >= c {
						same(t, "between rows", got.dx[j:j+1], []float32{v})
					}
				}

				parts := in.clone()
				for i := range c {
					parts.run(0, 1, i, i+1)
				}
				parts.run(1, rows, 0, c)
				parts.same(t, "in parts", got)
				inPlace := in.clone()
				inPlace.dx = inPlace.dy
				inPlace.run(0, rows, 0, c)
				for row := range rows {
					same(t, "in place", inPlace.dy[row*in.stride:][:c], got.dx[row*in.stride:][:c])
				}
				if rows == 1 {
					one := in.clone()
					snakeGrad(one.dx[:c], one.dy, one.x, one.alpha, one.inv, one.a, one.b)
					one.same(t, "one row", got)
				}
			}
		}
	})
}

func TestSnakeGradAccuracy(t *testing.T) {
	for _, c := range []struct{ from, to, dx, a, b float64 }{
		{-10, 10, 5e-7, 5e-7, 2.5e-7},
		{0, 10000, 5e-7, 5e-7, 2.5e-7},
	} {
		eachISA(t, func(t *testing.T) {
			const steps, n = 1 << 18, 1 << 12
			ones := make([]float32, n)
			for i := range ones {
				ones[i] = 1
			}
			x, dx, a, b := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			var eX, eA, eB float64
			for at := 0; at < steps; at += n {
				for i := range x {
					x[i] = float32(c.from + (c.to-c.from)*float64(at+i)/steps)
				}
				clear(a)
				clear(b)
				snakeGrad(dx, ones, x, ones, ones, a, b)
				for i, v := range x {
					y := float64(v)
					eX = max(eX, math.Abs(float64(dx[i])-1-math.Sin(2*y)))
					eA = max(eA, math.Abs(float64(a[i])-math.Sin(2*y)*y)/max(1, math.Abs(y)))
					s := math.Sin(y)
					eB = max(eB, math.Abs(float64(b[i])-s*s))
				}
			}
			t.Logf("[%g, %g]: dx to %.3g, a to %.3g of x, b to %.3g", c.from, c.to, eX, eA, eB)
			if !(eX <= c.dx && eA <= c.a && eB <= c.b) {
				t.Error("too far")
			}
		})
	}
}

// TestSnakeGradIsTheSlope compares with differences of Snake in float64.
func TestSnakeGradIsTheSlope(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const n, h = 50, 1e-5
		x, dy, alpha, inv := random(r, n), random(r, n), random(r, n), random(r, n)
		dx, a, b := make([]float32, n), make([]float32, n), make([]float32, n)
		snakeGrad(dx, dy, x, alpha, inv, a, b)
		snake := func(x, alpha, inv float64) float64 { s := math.Sin(alpha * x); return x + s*s*inv }
		for i := range n {
			v, al, in, d := float64(x[i]), float64(alpha[i]), float64(inv[i]), float64(dy[i])
			for what, c := range map[string][2]float64{
				"x":     {float64(dx[i]), d * (snake(v+h, al, in) - snake(v-h, al, in)) / (2 * h)},
				"alpha": {float64(a[i]) * in, d * (snake(v, al+h, in) - snake(v, al-h, in)) / (2 * h)},
				"inv":   {float64(b[i]), d * (snake(v, al, in+h) - snake(v, al, in-h)) / (2 * h)},
			} {
				if math.Abs(c[0]-c[1]) > 1e-5*(1+math.Abs(c[1])) {
					t.Errorf("gradient of %s at x %g, alpha %g, 1/alpha %g: %g, want %g", what, v, al, in, c[0], c[1])
				}
			}
		}
	})
}

func TestSnakeGradOfLargeArguments(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const n = 1 << 12
		x, ones := make([]float32, n), make([]float32, n)
		dx, a, b := make([]float32, n), make([]float32, n), make([]float32, n)
		inv := make([]float32, n)
		for i := range x {
			ones[i] = 1
			x[i] = float32(math.Exp(r.Float64()*88)) * float32(1-2*r.IntN(2))
			inv[i] = 1
		}
		snakeGrad(dx, ones, x, ones, inv, a, b)
		for i, v := range x {
			if !(dx[i] >= -1e-6 && dx[i] <= 2+1e-6 && b[i] >= 0 && b[i] <= 1+1e-6) {
				t.Fatalf("of %g: slope %g, sin² %g", v, dx[i], b[i])
			}
		}
	})
}

func TestSnakeOfLargeArguments(t *testing.T) {
	eachISA(t, func(t *testing.T) {
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
