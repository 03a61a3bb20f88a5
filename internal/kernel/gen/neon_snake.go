package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armSnakes writes the snake activation and its gradient.
func armSnakes(u *armFile) {
	u.elementwise("snake", "dst[i] = x[i] + sin²(alpha[i]*x[i])*inv[i]", armSnake, "x", "alpha", "inv")
	u.snakeGradRows()
}

// armSnake is snake with NEON.
func armSnake(f *arm, in []neon.Vec) neon.Vec {
	x, alpha, inv := in[0], in[1], in[2]
	r := f.modPi(f.Mul(alpha, x))
	p := f.sinPoly(r, f.Mul(r, r))
	p = f.Min(f.Mul(p, p), f.use(one))
	return f.FMA(p, inv, x)
}

func (u *armFile) snakeGradRows() {
	f := u.begin("snakeGradRows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor i := range alpha {",
		"\t\t\tj := r*stride + i",
		"\t\t\ts, c := sin(alpha[i]*x[j]), cos(alpha[i]*x[j])",
		"\t\t\ta[i] += dy[j]*2*s*c*x[j]",
		"\t\t\tb[i] += dy[j]*s*s",
		"\t\t\tdx[j] = dy[j]*(1 + 2*s*c*alpha[i]*inv[i])",
		"\t\t}",
		"\t}", "", "for at least one row.")
	f.rows("alpha", []string{"dx", "dy", "x"}, []string{"alpha", "inv", "a", "b"}, func(m part, at func(string) neon.Reg) {
		a, b := m.load(at("a")), m.load(at("b"))
		x, dy, alpha, inv := m.load(at("x")), m.load(at("dy")), m.load(at("alpha")), m.load(at("inv"))
		r := f.modPi(f.Mul(alpha, x))
		r = f.Max(f.Min(r, f.use(beyond)), f.use(minusBeyond))
		u := f.Mul(r, r)
		s := f.sinPoly(r, u)
		c := f.Mul(f.cosPoly(u), s)
		c = f.Add(c, c)
		dx := f.Mul(f.FMA(f.Mul(alpha, inv), c, f.use(one)), dy)
		f.MulAdd(a, f.Mul(c, dy), x)
		f.MulAdd(b, f.Mul(s, s), dy)
		m.store(a, at("a"))
		m.store(b, at("b"))
		m.store(dx, at("dx"))
	})
}
