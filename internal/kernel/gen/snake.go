package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// snakes writes the snake activation and its gradient.
func snakes(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.elementwise("snake", "dst[i] = x[i] + sin²(alpha[i]*x[i])*inv[i]", snake, "x", "alpha", "inv")
		f.snakeGradRows()
	})
}

// snake rounds alpha·x as the reference does, and takes the nearest multiple of π
// from it, for sin² has that period: the product with piHigh is exact inside the
// fused operation, and what piLow leaves out matters only to arguments beyond 1e8.
// There the quotient is of no use either, and the minimum keeps what comes of it
// within bounds. A NaN passes through the minimum because it is its second operand.
func snake(f *vectors, in []vec) vec {
	x, alpha, inv := in[0], in[1], in[2]
	r := f.modPi(f.mul(alpha, x))
	s := f.mul(r, r)
	p := f.polynomial(s, sin9, sin7, sin5, sin3)
	f.VMULPS(s, p, p)
	f.VFMADD213PS(r, r, p)
	f.VMULPS(p, p, p)
	f.VMINPS(p, f.held(one), p)
	f.VFMADD213PS(x, inv, p)
	return p
}

// snakeGradRows keeps the sums a and b in memory: a row's channels lie in the
// first-level cache, and reading rows front to back suits the memory better than a
// few channels of every row.
func (f *vectors) snakeGradRows() {
	f.begin("snakeGradRows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor i := range alpha {",
		"\t\t\tj := r*stride + i",
		"\t\t\ts, c := sin(alpha[i]*x[j]), cos(alpha[i]*x[j])",
		"\t\t\ta[i] += dy[j]*2*s*c*x[j]",
		"\t\t\tb[i] += dy[j]*s*s",
		"\t\t\tdx[j] = dy[j]*(1 + 2*s*c*alpha[i]*inv[i])",
		"\t\t}",
		"\t}", "", "for at least one row.")
	f.constants(func(f *vectors) {
		f.snakeGrad(f.vec(), f.vec(), f.vec(), f.vec(), f.vec(), f.vec())
	})
	f.rows("alpha", []string{"dx", "dy", "x"}, []string{"alpha", "inv", "a", "b"}, func(m mask, at func(string) reg.Register) {
		a, b := m.load(at("a")), m.load(at("b"))
		dx := f.snakeGrad(m.load(at("x")), m.load(at("dy")), m.load(at("alpha")), m.load(at("inv")), a, b)
		m.store(a, at("a"))
		m.store(b, at("b"))
		m.store(dx, at("dx"))
	})
}

// snakeGrad returns the gradient of snake for x and what is added to those of
// alpha and inv, where s = sin(alpha·x) and c = cos(alpha·x):
//
//	dx = dy·(1 + 2·s·c·alpha·inv);  a += dy·2·s·c·x;  b += dy·s²
//
// 2·s·c and s² have the period π as well. Remainders of quotients that are of no
// use are kept within bounds, a NaN as in snake.
func (f *vectors) snakeGrad(x, dy, alpha, inv, a, b vec) (dx vec) {
	r := f.modPi(f.mul(alpha, x))
	f.VMINPS(r, f.held(beyond), r)
	f.VMAXPS(r, f.held(minusBeyond), r)
	u := f.mul(r, r)
	s := f.polynomial(u, sin9, sin7, sin5, sin3)
	f.VMULPS(u, s, s)
	f.VFMADD213PS(r, r, s)
	c := f.polynomial(u, cos10, cos8, cos6, cos4, cos2, one)
	f.VMULPS(s, c, c)
	f.VADDPS(c, c, c)
	dx = f.mul(alpha, inv)
	f.VFMADD213PS(f.use(one), c, dx)
	f.VMULPS(dy, dx, dx)
	f.VMULPS(dy, c, c)
	f.VFMADD231PS(x, c, a)
	f.VMULPS(s, s, s)
	f.VFMADD231PS(s, dy, b)
	return dx
}
