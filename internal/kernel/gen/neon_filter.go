package main

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/kernel/gen/neon"
)

// A table is numbers in registers, as the elements that instructions multiply by.
type table struct {
	f *arm
	v []neon.Vec
}

// table loads n numbers from p on.
func (f *arm) table(p neon.Reg, n int) table {
	t := table{f: f}
	for i := range n / armLanes {
		t.v = append(t.v, f.Load(p, 4*armLanes*i))
	}
	if rest := n % armLanes; rest > 0 {
		at, v := f.copyReg(p), f.Zero()
		f.advance(4*(n-rest), at)
		for i := range rest {
			f.Emit("VLD1.P 4(R%d), V%d.S[%d]", at, v, i)
		}
		t.v = append(t.v, v)
	}
	return t
}

// mul returns number i times v, fma adds it to acc, and fnma subtracts it.
func (t table) mul(i int, v neon.Vec) neon.Vec { return t.f.MulLane(v, t.v[i/armLanes], i%armLanes) }
func (t table) fma(i int, v, acc neon.Vec)     { t.f.MulAddLane(acc, v, t.v[i/armLanes], i%armLanes) }
func (t table) fnma(i int, v, acc neon.Vec)    { t.f.MulSubLane(acc, v, t.v[i/armLanes], i%armLanes) }

// armAntiAliases writes the filters around an anti-aliased activation.
func armAntiAliases(u *armFile) {
	u.upsampleRows()
	u.downsampleRows()
}

// filterRows runs body for every 16 channels of every row: from points to the first row of
// x that it sees, to into the first row of dst that it writes. After each row, x moves on
// by stepX rows and dst by stepDst.
func (f *arm) filterRows(stepX, stepDst int, body func(taps table, from, to, ldX, ldDst neon.Reg)) {
	p := f.begins("dst", "x", "h")
	dst, x := p[0], p[1]
	taps := f.table(p[2], antiAliasTaps)
	ldDst, ldX, rows := f.stride("ldDst"), f.stride("ldX"), f.Param("rows")
	f.Label("row")
	n, from, to := f.Param("cols"), f.copyReg(x), f.copyReg(dst)
	f.Label("column")
	body(taps, from, to, ldX, ldDst)
	f.advance(64, from, to)
	f.Emit("SUBS $16, R%d", n)
	f.Jump("BNE", "column")
	for range stepX {
		f.move(ldX, x)
	}
	for range stepDst {
		f.move(ldDst, dst)
	}
	f.count(rows, "row")
	f.Return()
}

// A quad is 16 neighboring values.
type quad [4]neon.Vec

func (f *arm) loadFour(p neon.Reg) (v quad) {
	for i := range v {
		v[i] = f.Load(p, 16*i)
	}
	return v
}

func (f *arm) storeFour(v quad, p neon.Reg) {
	for i := range v {
		f.Store(v[i], p, 16*i)
	}
}

func (t table) mulFour(i int, v quad) (r quad) {
	for n := range v {
		r[n] = t.mul(i, v[n])
	}
	return r
}

func (t table) fmaFour(i int, v, acc quad) {
	for n := range v {
		t.fma(i, v[n], acc[n])
	}
}

func (u *armFile) upsampleRows() {
	f := u.begin("upsampleRows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor c := range cols {",
		"\t\t\tdst[2*r*ldDst+c] = h[11]*x[r*ldX+c] + h[9]*x[(r+1)*ldX+c] + … + h[1]*x[(r+5)*ldX+c]",
		"\t\t\tdst[(2*r+1)*ldDst+c] = h[10]*x[(r+1)*ldX+c] + h[8]*x[(r+2)*ldX+c] + … + h[0]*x[(r+6)*ldX+c]",
		"\t\t}",
		"\t}", "", "for at least one row, and a multiple of 16 columns.")
	f.filterRows(1, 2, func(taps table, from, to, ldX, ldDst neon.Reg) {
		p := f.copyReg(from)
		even, odd := taps.mulFour(11, f.loadFour(p)), quad{}
		for k := 1; k <= 6; k++ {
			f.move(ldX, p)
			x := f.loadFour(p)
			if k < 6 {
				taps.fmaFour(11-2*k, x, even)
			}
			if k == 1 {
				odd = taps.mulFour(10, x)
			} else {
				taps.fmaFour(12-2*k, x, odd)
			}
		}
		f.storeFour(even, to)
		second := f.copyReg(to)
		f.move(ldDst, second)
		f.storeFour(odd, second)
	})
}

func (u *armFile) downsampleRows() {
	f := u.begin("downsampleRows", "computes", "",
		"\tfor r := range rows {",
		"\t\tfor c := range cols {",
		"\t\t\tdst[r*ldDst+c] = h[0]*x[2*r*ldX+c] + h[1]*x[(2*r+1)*ldX+c] + … + h[11]*x[(2*r+11)*ldX+c]",
		"\t\t}",
		"\t}", "", "for at least one row, and a multiple of 16 columns.")
	f.filterRows(2, 1, func(taps table, from, to, ldX, _ neon.Reg) {
		p := f.copyReg(from)
		sum := taps.mulFour(0, f.loadFour(p))
		for i := 1; i < antiAliasTaps; i++ {
			f.move(ldX, p)
			taps.fmaFour(i, f.loadFour(p), sum)
		}
		f.storeFour(sum, to)
	})
}

// armToomCooks writes the transforms of the Toom-Cook algorithms for filters of seven taps.
func armToomCooks(u *armFile) {
	for _, outputs := range []int{2, 4, 6} {
		u.toomCookInput(outputs)
		u.toomCookOutput(outputs)
	}
}

// eachTile runs body for every four channels of every tile; from and to start in the first
// row of in and dst.
func (f *arm) eachTile(in, ldIn, stepIn string, bias bool, coefs int, body func(c table, from, to, bias, ldIn, ldDst neon.Reg)) {
	p := f.begins("dst", in, "coefs")
	dst, x := p[0], p[1]
	c := f.table(p[2], coefs)
	ldDst, ldX, stepX, step, tiles := f.stride("ldDst"), f.stride(ldIn), f.stride(stepIn), f.stride("step"), f.Param("tiles")
	f.Label("tile")
	n, from, to, b := f.Param("cols"), f.copyReg(x), f.copyReg(dst), f.Reg()
	if bias {
		f.ParamTo("bias_base", b)
	}
	f.Label("column")
	body(c, from, to, b, ldX, ldDst)
	f.advance(4*armLanes, from, to)
	if bias {
		f.advance(4*armLanes, b)
	}
	f.Emit("SUBS $%d, R%d", armLanes, n)
	f.Jump("BNE", "column")
	f.move(stepX, x)
	f.move(step, dst)
	f.count(tiles, "tile")
	f.Return()
}

func (u *armFile) toomCookInput(outputs int) {
	pairs := (outputs + 4) / 2
	f := u.begin(fmt.Sprintf("toomCook%dInput", outputs), toomCookInputDoc(outputs)...)
	f.eachTile("x", "ldX", "stepX", false, (pairs+1)*(pairs+1), func(c table, from, to, _, ldX, ldDst neon.Reg) {
		p := f.copyReg(from)
		var x []neon.Vec
		for k := range 2*pairs + 2 {
			if k > 0 {
				f.move(ldX, p)
			}
			x = append(x, f.Load(p, 0))
		}
		sum := func(coef, n, first int) neon.Vec {
			v := c.mul(coef, x[first])
			for j := 1; j < n; j++ {
				c.fma(coef+j, x[first+2*j], v)
			}
			return v
		}
		q := f.copyReg(to)
		store := func(v neon.Vec) {
			f.Store(v, q, 0)
			f.move(ldDst, q)
		}
		store(sum(0, pairs+1, 0))
		for i := range pairs {
			a := (i + 1) * (pairs + 1)
			even, odd := sum(a, pairs, 2), sum(a, pairs, 1)
			plus := f.Copy(even)
			c.fma(a+pairs, odd, plus)
			c.fnma(a+pairs, odd, even)
			store(plus)
			store(even)
		}
		f.Store(sum(0, pairs+1, 1), q, 0)
	})
}

func (u *armFile) toomCookOutput(outputs int) {
	pairs := (outputs + 4) / 2
	f := u.begin(fmt.Sprintf("toomCook%dOutput", outputs), toomCookOutputDoc(outputs)...)
	f.eachTile("m", "ldM", "stepM", true, pairs*(outputs-1), func(c table, from, to, bias, ldM, ldDst neon.Reg) {
		p := f.copyReg(from)
		load := func() neon.Vec {
			v := f.Load(p, 0)
			f.move(ldM, p)
			return v
		}
		start := f.Load(bias, 0)
		y := make([]neon.Vec, outputs)
		for k := range y {
			y[k] = f.Copy(start)
		}
		f.AddTo(y[0], load())
		for i := range pairs {
			a, b := load(), load()
			plus, minus := f.Add(a, b), f.Sub(a, b)
			f.AddTo(y[0], plus)
			for k := 1; k < outputs; k++ {
				v := minus
				if k%2 == 0 {
					v = plus
				}
				c.fma(i*(outputs-1)+k-1, v, y[k])
			}
		}
		f.AddTo(y[outputs-1], f.Load(p, 0))
		q := f.copyReg(to)
		for k, v := range y {
			if k > 0 {
				f.move(ldDst, q)
			}
			f.Store(v, q, 0)
		}
	})
}
