package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armIntegers writes the conversions between float32 and integers of 16 and 8 bits.
func armIntegers(u *armFile) {
	u.fromInt16()
	u.largestRows()
	u.toInt16()
	u.pairInt8()
}

func (u *armFile) fromInt16() {
	f := u.begin("fromInt16", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i]", "\t}", "", "for a multiple of 16 elements.")
	p := f.begins("dst", "x")
	f.sixteens("dst_len", func() {
		for at := 0; at < 64; at += 32 {
			lower, upper := f.Widen(f.Load(p[1], at/2))
			f.Store(f.ToFloat(lower), p[0], at)
			f.Store(f.ToFloat(upper), p[0], at+16)
		}
		f.advance(64, p[0])
		f.advance(32, p[1])
	})
}

func (u *armFile) largestRows() {
	f := u.begin("largestRows", "computes", "", "\tfor i := range x {", "\t\tlargest[i%16] = max(largest[i%16], abs(x[i]))", "\t}", "",
		"for a multiple of 16 elements.")
	largest, x, n := f.Param("largest_base"), f.Param("x_base"), f.Param("x_len")
	most := f.loadFour(largest)
	f.Emit("LSR $4, R%d", n)
	f.JumpIfZero(n, "done")
	f.Label("loop")
	for i, v := range f.loadFour(x) {
		f.CopyTo(most[i], f.Max(most[i], f.Abs(v)))
	}
	f.advance(64, x)
	f.count(n, "loop")
	f.Label("done")
	f.storeFour(most, largest)
	f.Return()
}

// integers returns 16 values at p times factors, rounded to integers of 32 bits.
func (f *arm) integers(p neon.Reg, factors quad) (v quad) {
	for i, x := range f.loadFour(p) {
		v[i] = f.ToInt(f.Mul(x, factors[i]))
	}
	return v
}

func (u *armFile) toInt16() {
	f := u.begin("toInt16", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i]*factors[i%16], to the nearest", "\t}", "",
		"for a multiple of 16 elements, whose products have 16 bits.")
	p := f.begins("dst", "x", "factors")
	factors := f.loadFour(p[2])
	f.sixteens("dst_len", func() {
		v := f.integers(p[1], factors)
		f.Store(f.LowHalves(v[0], v[1]), p[0], 0)
		f.Store(f.LowHalves(v[2], v[3]), p[0], 16)
		f.advance(32, p[0])
		f.advance(64, p[1])
	})
}

// pairInt8 makes 16 bits of each pair: the even integer below, the odd one above.
func (u *armFile) pairInt8() {
	f := u.begin("pairInt8", "computes", "", "\tfor i := range 16 {", "\t\tdst[2*i], dst[2*i+1] = a[i]*factors[i], b[i]*factors[i], to the nearest", "\t}", "",
		"where the products have 8 bits.")
	p := f.begins("dst", "a", "b", "factors")
	factors := f.loadFour(p[3])
	even, odd := f.integers(p[1], factors), f.integers(p[2], factors)
	var v quad
	for i := range v {
		v[i] = f.Or(f.And(even[i], f.use(lowByte)), f.ShiftLeft(odd[i], 8))
	}
	f.Store(f.LowHalves(v[0], v[1]), p[0], 0)
	f.Store(f.LowHalves(v[2], v[3]), p[0], 16)
	f.Return()
}
