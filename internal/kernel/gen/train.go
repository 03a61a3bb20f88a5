package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// trainFunctions writes what training needs beyond inference, for both
// instruction sets.
func trainFunctions(c *build.Context) {
	tables := map[number]operand.Mem{}
	for _, wide := range []bool{true, false} {
		f := &vectors{Context: c, wide: wide, tables: tables}
		f.snakeRows()
		f.snakeGradRows()
		f.elementwise("sub", "dst[i] = a[i] - b[i]", func(f *vectors, in []vec) vec {
			f.VSUBPS(in[1], in[0], in[0])
			return in[0]
		}, "a", "b")
		f.elementwise("mul", "dst[i] = a[i]*b[i]", func(f *vectors, in []vec) vec {
			return f.mul(in[0], in[1])
		}, "a", "b")
		f.withScalar("scaled", "dst[i] = s*x[i]", "s", func(f *vectors, in []vec, s vec) vec {
			return f.mul(in[0], s)
		}, "x")
		f.withScalar("addScaled", "dst[i] = fma(s, x[i], dst[i])", "s", func(f *vectors, in []vec, s vec) vec {
			f.VFMADD231PS(in[1], s, in[0])
			return in[0]
		}, "dst", "x")
		f.withScalar("lerp", "dst[i] = fma(w, x[i] - dst[i], dst[i])", "w", func(f *vectors, in []vec, w vec) vec {
			d := f.vec()
			f.VSUBPS(in[0], in[1], d)
			f.VFMADD231PS(d, w, in[0])
			return in[0]
		}, "dst", "x")
		f.withScalar("leakyReLU", "dst[i] = x[i] > 0 ? x[i] : slope*x[i]", "slope", func(f *vectors, in []vec, slope vec) vec {
			return f.greater(in[0], f.use(zero), in[0], f.mul(in[0], slope))
		}, "x")
		f.withScalar("leakyReLUGrad", "dx[i] = y[i] > 0 ? dy[i] : slope*dy[i]", "slope", func(f *vectors, in []vec, slope vec) vec {
			return f.greater(in[1], f.use(zero), in[0], f.mul(in[0], slope))
		}, "dy", "y")
		f.dot()
		f.adamW()
	}
}

// withScalar is elementwise with a factor that all elements share. An input
// named dst is what is there before.
func (f *vectors) withScalar(name, doc, scalar string, body func(f *vectors, in []vec, s vec) vec, inputs ...string) {
	out := strings.Fields(strings.Replace(doc, "[", " ", 1))[0]
	names := append([]string{out}, inputs...)
	if inputs[0] == out {
		names = inputs
	}
	f.begin(name, fmt.Sprintf("func(%s []float32, %s float32)", strings.Join(names, ", "), scalar),
		"computes", "", fmt.Sprintf("\tfor i := range %s {", out), "\t\t"+doc, "\t}")
	f.constants(func(f *vectors) { body(f, []vec{f.vec(), f.vec()}[:len(inputs)], f.vec()) })
	pointer := map[string]reg.Register{}
	var pointers []reg.Register
	for _, n := range names {
		pointer[n] = f.Load(f.Param(n).Base(), f.GP64())
		pointers = append(pointers, pointer[n])
	}
	s := f.scalar(scalar)
	f.loop(f.Param(out).Len(), pointers, func(m mask) {
		var in []vec
		for _, n := range inputs {
			in = append(in, m.load(pointer[n]))
		}
		m.store(body(f, in, s), pointer[out])
	})
	f.end()
}

// rows runs a loop over the columns of every row. Pointers named in shared are
// at the front of their slices again in each row, the others go on by stride
// bytes. The parameters rows, stride and the slice that cols names the length
// of are not zero.
func (f *vectors) rows(cols string, moving, shared []string, body func(m mask, at func(name string) reg.Register)) {
	pointer := map[string]reg.Register{}
	var pointers []reg.Register
	for _, n := range append(append([]string(nil), moving...), shared...) {
		pointer[n] = f.Load(f.Param(n).Base(), f.GP64())
		pointers = append(pointers, pointer[n])
	}
	rows, skip := f.Load(f.Param("rows"), f.GP64()), f.Load(f.Param("stride"), f.GP64())
	// A row's whole vectors move the pointers; skip is the rest of the stride.
	n := f.Load(f.Param(cols).Len(), f.GP64())
	f.ANDQ(operand.I32(-f.lanes()), n)
	f.SHLQ(operand.Imm(2), n)
	f.SUBQ(n, skip)
	f.Label("row")
	f.loop(f.Param(cols).Len(), pointers, func(m mask) {
		body(m, func(name string) reg.Register { return pointer[name] })
	})
	for _, name := range moving {
		f.ADDQ(skip, pointer[name])
	}
	for _, name := range shared {
		f.Load(f.Param(name).Base(), pointer[name])
	}
	f.DECQ(rows)
	f.JNE(operand.LabelRef("row"))
	f.end()
}

func (f *vectors) snakeRows() {
	f.begin("snakeRows", "func(dst, x, alpha, inv []float32, stride, rows int)", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor i := range alpha {",
		"\t\t\tj := r*stride/4 + i",
		"\t\t\tdst[j] = x[j] + sin²(alpha[i]*x[j])*inv[i]",
		"\t\t}",
		"\t}", "", "for at least one row.")
	f.constants(func(f *vectors) { snake(f, []vec{f.vec(), f.vec(), f.vec()}) })
	f.rows("alpha", []string{"dst", "x"}, []string{"alpha", "inv"}, func(m mask, at func(string) reg.Register) {
		m.store(snake(f, []vec{m.load(at("x")), m.load(at("alpha")), m.load(at("inv"))}), at("dst"))
	})
}

// snakeGradRows keeps the sums a and b in memory: a row's channels lie in the
// first-level cache, and reading rows front to back suits the memory better
// than a few channels of every row.
func (f *vectors) snakeGradRows() {
	f.begin("snakeGradRows", "func(dx, dy, x, alpha, inv, a, b []float32, stride, rows int)", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor i := range alpha {",
		"\t\t\tj := r*stride/4 + i",
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

// dot sums in float64, in which the products are exact: the sums are the same
// bits with both instruction sets, and in Go.
func (f *vectors) dot() {
	const sums = 32
	f.begin("dot", "func(sums *float64, a, b []float32)", "computes", "",
		"\tfor i := range a {",
		"\t\tsums[i%32] += float64(a[i])*float64(b[i])",
		"\t}", "", "for a multiple of 32 elements, in float64.")
	to := f.Load(f.Param("sums"), f.GP64())
	a, b := f.Load(f.Param("a").Base(), f.GP64()), f.Load(f.Param("b").Base(), f.GP64())
	n := f.Load(f.Param("a").Len(), f.GP64())
	lanes := f.lanes() / 2
	at := func(base reg.Register, i, size int) operand.Mem {
		return operand.Mem{Base: base, Disp: i * lanes * size}
	}
	var acc []vec
	for i := range sums / lanes {
		v := f.vec()
		f.VMOVUPD(at(to, i, 8), v)
		acc = append(acc, v)
	}
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef("done"))
	f.Label("loop")
	for i, v := range acc {
		x, y := f.vec(), f.vec()
		f.VCVTPS2PD(at(a, i, 4), x)
		f.VCVTPS2PD(at(b, i, 4), y)
		f.VFMADD231PD(y, x, v)
	}
	f.ADDQ(operand.I32(4*sums), a)
	f.ADDQ(operand.I32(4*sums), b)
	f.SUBQ(operand.Imm(sums), n)
	f.JNE(operand.LabelRef("loop"))
	f.Label("done")
	for i, v := range acc {
		f.VMOVUPD(v, at(to, i, 8))
	}
	f.end()
}

func (f *vectors) adamW() {
	f.begin("adamW", "func(p, g, m, v []float32, gradScale, decay, mean, keep, square, bias, eps, rate float32)",
		"computes", "",
		"\tfor i := range p {",
		"\t\tg := gradScale*g[i]",
		"\t\tm[i] = fma(mean, g - m[i], m[i])",
		"\t\tv[i] = fma(square*g, g, keep*v[i])",
		"\t\tp[i] = fma(-rate, m[i]/fma(sqrt(v[i]), bias, eps), decay*p[i])",
		"\t}")
	var pointers []reg.Register
	for _, n := range []string{"p", "g", "m", "v"} {
		pointers = append(pointers, f.Load(f.Param(n).Base(), f.GP64()))
	}
	gradScale, decay, mean, keep := f.scalar("gradScale"), f.scalar("decay"), f.scalar("mean"), f.scalar("keep")
	square, bias, eps, rate := f.scalar("square"), f.scalar("bias"), f.scalar("eps"), f.scalar("rate")
	f.loop(f.Param("p").Len(), pointers, func(k mask) {
		g, m, v := k.load(pointers[1]), k.load(pointers[2]), k.load(pointers[3])
		f.VMULPS(gradScale, g, g)
		d := f.vec()
		f.VSUBPS(m, g, d)
		f.VFMADD231PS(d, mean, m)
		k.store(m, pointers[2])
		f.VMULPS(keep, v, v)
		f.VMULPS(square, g, d)
		f.VFMADD231PS(g, d, v)
		k.store(v, pointers[3])
		f.VSQRTPS(v, v)
		f.VFMADD213PS(eps, bias, v)
		f.VDIVPS(v, m, m)
		p := k.load(pointers[0])
		f.VMULPS(decay, p, p)
		f.VFNMADD231PS(m, rate, p)
		k.store(p, pointers[0])
	})
	f.end()
}
