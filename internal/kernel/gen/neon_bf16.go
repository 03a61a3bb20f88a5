package main

import "github.com/facodec-go/facodec/internal/kernel/gen/neon"

// armBF16 writes the conversions between float32 and bfloat16.
func armBF16(u *armFile) {
	value := func(f *arm, in []neon.Vec) neon.Vec { return in[0] }
	u.toBF16("toBF16", "dst[i] = x[i], to the nearest", value, "x")
	u.toBF16("snakeBF16", "dst[i] = x[i] + sin²(alpha[i]*x[i])*inv[i], to the nearest", armSnake, "x", "alpha", "inv")
	u.splitBF16("splitBF16", "v := x[i]", value, "x")
	u.splitBF16("snakeSplitBF16", "v := x[i] + sin²(alpha[i]*x[i])*inv[i]", armSnake, "x", "alpha", "inv")
	u.pairBF16()
	u.fromBF16()
	u.fromInt8()
	u.scaleBias()
}

// rounded returns the bits of v rounded to bfloat16, to the nearest and to even, in the
// high half of each element; the low half is of no use. NaN stays NaN.
func (f *arm) rounded(v neon.Vec) neon.Vec {
	odd := f.And(f.ShiftRight(v, 16), f.use(lowest))
	r := f.AddInt(f.AddInt(v, f.use(halfBit)), odd)
	return f.Select(f.Equal(v, v), r, f.Or(v, f.use(quiet)))
}

// toBF16 writes a function of slices with a result in bfloat16.
func (u *armFile) toBF16(name, doc string, body func(f *arm, in []neon.Vec) neon.Vec, inputs ...string) {
	f := u.begin(name, "computes", "", "\tfor i := range dst {", "\t\t"+doc, "\t}", "", "for a multiple of 16 elements.")
	dst, from := f.Param("dst_base"), f.begins(inputs...)
	f.sixteens("dst_len", func() {
		for at := 0; at < 64; at += 32 {
			a, b := f.rounded(body(f, f.loads(from, at))), f.rounded(body(f, f.loads(from, at+16)))
			f.Store(f.HighHalves(a, b), dst, at/2)
		}
		f.advance(32, dst)
		f.advance(64, from...)
	})
}

// loads returns the vectors at pointers.
func (f *arm) loads(from []neon.Reg, at int) []neon.Vec {
	var in []neon.Vec
	for _, p := range from {
		in = append(in, f.Load(p, at))
	}
	return in
}

// splitBF16 writes a function of slices with a result of two bfloat16 values. The second
// is the rest that the first leaves, which is exact in float32.
func (u *armFile) splitBF16(name, doc string, body func(f *arm, in []neon.Vec) neon.Vec, inputs ...string) {
	f := u.begin(name, "computes", "", "\tfor i := range high {", "\t\t"+doc, "\t\thigh[i] = v, to the nearest",
		"\t\tlow[i] = v - high[i], to the nearest", "\t}", "", "for a multiple of 16 elements.")
	high, low, from := f.Param("high_base"), f.Param("low_base"), f.begins(inputs...)
	f.sixteens("high_len", func() {
		for at := 0; at < 64; at += 32 {
			var first, rest [2]neon.Vec
			for i := range first {
				v := body(f, f.loads(from, at+16*i))
				first[i] = f.rounded(v)
				rest[i] = f.rounded(f.Sub(v, f.And(first[i], f.use(highWord))))
			}
			f.Store(f.HighHalves(first[0], first[1]), high, at/2)
			f.Store(f.HighHalves(rest[0], rest[1]), low, at/2)
		}
		f.advance(32, high, low)
		f.advance(64, from...)
	})
}

// pairBF16 interleaves.
func (u *armFile) pairBF16() {
	f := u.begin("pairBF16", "computes", "", "\tfor i := range a {", "\t\tdst[2*i], dst[2*i+1] = a[i], b[i], to the nearest", "\t}", "",
		"for a multiple of 16 elements.")
	p := f.begins("dst", "a", "b")
	f.sixteens("a_len", func() {
		for at := 0; at < 64; at += 16 {
			low := f.ShiftRight(f.rounded(f.Load(p[1], at)), 16)
			high := f.And(f.rounded(f.Load(p[2], at)), f.use(highWord))
			f.Store(f.Or(low, high), p[0], at)
		}
		f.advance(64, p...)
	})
}

func (u *armFile) fromBF16() {
	f := u.begin("fromBF16", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i]", "\t}", "", "for a multiple of 16 elements.")
	p := f.begins("dst", "x")
	f.sixteens("dst_len", func() {
		for at := 0; at < 64; at += 32 {
			lower, upper := f.ToHighHalves(f.Load(p[1], at/2))
			f.Store(lower, p[0], at)
			f.Store(upper, p[0], at+16)
		}
		f.advance(64, p[0])
		f.advance(32, p[1])
	})
}

// fromInt8 makes float32 of the integers, whose lower halves are 0, as 8 bits are enough
// for them.
func (u *armFile) fromInt8() {
	f := u.begin("fromInt8", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i], as bfloat16", "\t}", "", "for a multiple of 16 elements.")
	p := f.begins("dst", "x")
	f.sixteens("dst_len", func() {
		for i, half := range f.pair(f.WidenBytes(f.Load(p[1], 0))) {
			lower, upper := f.Widen(half)
			f.Store(f.HighHalves(f.ToFloat(lower), f.ToFloat(upper)), p[0], 16*i)
		}
		f.advance(32, p[0])
		f.advance(16, p[1])
	})
}

// pair returns two vectors as a slice.
func (f *arm) pair(a, b neon.Vec) []neon.Vec { return []neon.Vec{a, b} }

func (u *armFile) scaleBias() {
	f := u.begin("scaleBias", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = fma(x[i], scale[i], bias[i])", "\t}", "", "for a multiple of 16 elements.")
	p := f.begins("dst", "x", "scale", "bias")
	f.sixteens("dst_len", func() {
		for at := 0; at < 64; at += 16 {
			v := f.Load(p[3], at)
			f.MulAdd(v, f.Load(p[1], at), f.Load(p[2], at))
			f.Store(v, p[0], at)
		}
		f.advance(64, p...)
	})
}
