package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// toomCooks writes the transforms of the Toom-Cook algorithms for filters of seven taps.
func toomCooks(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		for _, outputs := range []int{2, 4, 6} {
			f.toomCookInput(outputs)
			f.toomCookOutput(outputs)
		}
	})
}

// coefficients are at the front of the slice coefs, in the order of use.
type coefficients struct {
	f    *vectors
	base reg.Register
}

// fma adds c·v to acc.
func (c coefficients) fma(i int, v, acc vec) {
	if c.f.wide {
		c.f.VFMADD231PS_BCST(operand.Mem{Base: c.base, Disp: 4 * i}, v, acc)
		return
	}
	b := c.f.vec()
	c.f.VBROADCASTSS(operand.Mem{Base: c.base, Disp: 4 * i}, b)
	c.f.VFMADD231PS(b, v, acc)
}

// fmaBoth adds c·v to plus and subtracts it from minus.
func (c coefficients) fmaBoth(i int, v, plus, minus vec) {
	if c.f.wide {
		c.f.VFMADD231PS_BCST(operand.Mem{Base: c.base, Disp: 4 * i}, v, plus)
		c.f.VFNMADD231PS_BCST(operand.Mem{Base: c.base, Disp: 4 * i}, v, minus)
		return
	}
	b := c.f.vec()
	c.f.VBROADCASTSS(operand.Mem{Base: c.base, Disp: 4 * i}, b)
	c.f.VFMADD231PS(b, v, plus)
	c.f.VFNMADD231PS(b, v, minus)
}

// mul returns c·v in a new register.
func (c coefficients) mul(i int, v vec) vec {
	r := c.f.vec()
	if c.f.wide {
		c.f.VMULPS_BCST(operand.Mem{Base: c.base, Disp: 4 * i}, v, r)
		return r
	}
	c.f.VBROADCASTSS(operand.Mem{Base: c.base, Disp: 4 * i}, r)
	c.f.VMULPS(r, v, r)
	return r
}

// eachTile runs body for every vector of channels of every tile. row(name) starts at the
// vector in the first row of dst or in; next goes on to the next row.
func (f *vectors) eachTile(in, ldIn, stepIn string, bias bool, body func(c coefficients, from, to, bias, ldIn, ldDst reg.Register)) {
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param(in).Base(), f.GP64())
	c := coefficients{f, f.Load(f.Param("coefs").Base(), f.GP64())}
	ldDst, ldX := f.stride("ldDst"), f.stride(ldIn)
	tiles := f.Load(f.Param("tiles"), f.GP64())
	f.Label("tile")
	n, from, to, b := f.Load(f.Param("cols"), f.GP64()), f.GP64(), f.GP64(), f.GP64()
	f.MOVQ(x, from)
	f.MOVQ(dst, to)
	if bias {
		f.Load(f.Param("bias").Base(), b)
	}
	f.Label("column")
	body(c, from, to, b, ldX, ldDst)
	step := operand.Imm(uint64(4 * f.lanes()))
	f.ADDQ(step, from)
	f.ADDQ(step, to)
	if bias {
		f.ADDQ(step, b)
	}
	f.SUBQ(operand.Imm(uint64(f.lanes())), n)
	f.JNE(operand.LabelRef("column"))
	f.ADDQ(f.stride(stepIn), x)
	f.ADDQ(f.stride("step"), dst)
	f.DECQ(tiles)
	f.JNE(operand.LabelRef("tile"))
	f.end()
}

func toomCookInputDoc(outputs int) []string {
	pairs := (outputs + 4) / 2
	return []string{"computes, for at least one tile and a multiple of 16 columns,", "",
		"\tfor i := range tiles {",
		"\t\tfor c := range cols {",
		fmt.Sprintf("\t\t\tx := func(k int) float32 { return x[i*stepX+k*ldX+c] }     // of %d rows", outputs+6),
		"\t\t\tdst := func(p int) *float32 { return &dst[i*step+p*ldDst+c] } // of as many",
		fmt.Sprintf("\t\t\t*dst(0) = Σ_j coefs[j]*x(2j), *dst(%d) = Σ_j coefs[j]*x(2j+1), j in [0, %d)", outputs+5, pairs+1),
		fmt.Sprintf("\t\t\tfor p := range %d {", pairs),
		fmt.Sprintf("\t\t\t\ta := coefs[%d*(p+1):]", pairs+1),
		fmt.Sprintf("\t\t\t\teven, odd := Σ_j a[j]*x(2j+2), Σ_j a[j]*x(2j+1), j in [0, %d)", pairs),
		fmt.Sprintf("\t\t\t\t*dst(2p+1), *dst(2p+2) = even+a[%[1]d]*odd, even-a[%[1]d]*odd", pairs),
		"\t\t\t}", "\t\t}", "\t}"}
}

func (f *vectors) toomCookInput(outputs int) {
	pairs := (outputs + 4) / 2
	f.begin(fmt.Sprintf("toomCook%dInput", outputs), toomCookInputDoc(outputs)...)
	f.eachTile("x", "ldX", "stepX", false, func(c coefficients, from, to, _, ldX, ldDst reg.Register) {
		p := f.GP64()
		f.MOVQ(from, p)
		var x []vec
		for k := range 2*pairs + 2 {
			if k > 0 {
				f.ADDQ(ldX, p)
			}
			x = append(x, f.copy(operand.Mem{Base: p}))
		}
		sum := func(coef, n, first int) vec {
			v := c.mul(coef, x[first])
			for j := 1; j < n; j++ {
				c.fma(coef+j, x[first+2*j], v)
			}
			return v
		}
		q := f.GP64()
		f.MOVQ(to, q)
		store := func(v vec) {
			f.VMOVUPS(v, operand.Mem{Base: q})
			f.ADDQ(ldDst, q)
		}
		store(sum(0, pairs+1, 0))
		for i := range pairs {
			a := (i + 1) * (pairs + 1)
			even, odd := sum(a, pairs, 2), sum(a, pairs, 1)
			plus := f.copy(even)
			c.fmaBoth(a+pairs, odd, plus, even)
			store(plus)
			store(even)
		}
		f.VMOVUPS(sum(0, pairs+1, 1), operand.Mem{Base: q})
	})
}

func toomCookOutputDoc(outputs int) []string {
	pairs := (outputs + 4) / 2
	return []string{"computes, for at least one tile and a multiple of 16 columns,", "",
		"\tfor i := range tiles {",
		"\t\tfor c := range cols {",
		fmt.Sprintf("\t\t\tm := func(p int) float32 { return m[i*stepM+p*ldM+c] }      // of %d rows", outputs+6),
		fmt.Sprintf("\t\t\tdst := func(k int) *float32 { return &dst[i*step+k*ldDst+c] } // of %d rows", outputs),
		fmt.Sprintf("\t\t\tpower := func(p, k int) float32 { return coefs[%d*p+k-1] }    // 1 where k is 0", outputs-1),
		fmt.Sprintf("\t\t\t*dst(k) = bias[c] + Σ_p power(p, k)*(m(2p+1) ± m(2p+2)), p in [0, %d), + where k is even", pairs),
		fmt.Sprintf("\t\t\t*dst(0) += m(0), *dst(%d) += m(%d)", outputs-1, outputs+5),
		"\t\t}", "\t}"}
}

func (f *vectors) toomCookOutput(outputs int) {
	pairs := (outputs + 4) / 2
	f.begin(fmt.Sprintf("toomCook%dOutput", outputs), toomCookOutputDoc(outputs)...)
	f.eachTile("m", "ldM", "stepM", true, func(c coefficients, from, to, bias, ldM, ldDst reg.Register) {
		p := f.GP64()
		f.MOVQ(from, p)
		load := func() vec {
			v := f.copy(operand.Mem{Base: p})
			f.ADDQ(ldM, p)
			return v
		}
		y := make([]vec, outputs)
		for k := range y {
			y[k] = f.copy(operand.Mem{Base: bias})
		}
		f.VADDPS(load(), y[0], y[0])
		for i := range pairs {
			plus, minus := load(), load()
			sum := f.add(plus, minus)
			f.VSUBPS(minus, plus, plus)
			f.VADDPS(sum, y[0], y[0])
			for k := 1; k < outputs; k++ {
				v := plus
				if k%2 == 0 {
					v = sum
				}
				c.fma(i*(outputs-1)+k-1, v, y[k])
			}
		}
		last := f.copy(operand.Mem{Base: p})
		f.VADDPS(last, y[outputs-1], y[outputs-1])
		f.MOVQ(to, p)
		for k, v := range y {
			if k > 0 {
				f.ADDQ(ldDst, p)
			}
			f.VMOVUPS(v, operand.Mem{Base: p})
		}
	})
}
