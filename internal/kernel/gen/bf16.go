package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bf16 writes the conversions between float32 and bfloat16.
func bf16(c *build.Context) {
	forEachISA(c, func(f *vectors) {
		f.toBF16("toBF16", "dst[i] = x[i], to the nearest", func(f *vectors, in []vec) vec { return in[0] }, "x")
		f.toBF16("snakeBF16", "dst[i] = x[i] + sin²(alpha[i]*x[i])*inv[i], to the nearest", snake, "x", "alpha", "inv")
		f.splitBF16("splitBF16", "v := x[i]", func(f *vectors, in []vec) vec { return in[0] }, "x")
		f.splitBF16("snakeSplitBF16", "v := x[i] + sin²(alpha[i]*x[i])*inv[i]", snake, "x", "alpha", "inv")
		f.pairBF16()
		f.fromBF16()
		f.fromInt8()
		f.scaleBias()
	})
}

var (
	exponent = number(0x7f800000)
	absolute = number(0x7fffffff)
	quiet    = number(0x00400000)
	halfBit  = number(0x00007fff)
	lowest   = number(1)
	highWord = number(0xffff0000)
)

// rounded returns the bits of v rounded to bfloat16, to the nearest and to even, in the
// high half of each element; the low half is of no use. NaN stays NaN.
func (f *vectors) rounded(v vec) vec {
	odd, r := f.vec(), f.vec()
	f.VPSRLD(imm(16), v, odd)
	if f.wide {
		f.VPANDD(f.use(lowest), odd, odd)
		f.VPADDD(f.use(halfBit), v, r)
		f.VPADDD(odd, r, r)
		k := f.K()
		const unordered = 3
		f.VCMPPS(imm(unordered), v, v, k)
		f.VPORD(f.use(quiet), v, k, r)
		return r
	}
	f.VPAND(f.use(lowest), odd, odd)
	f.VPADDD(f.use(halfBit), v, r)
	f.VPADDD(odd, r, r)
	k, q := f.vec(), f.vec()
	const unordered = 3
	f.VCMPPS(imm(unordered), v, v, k)
	f.VPOR(f.use(quiet), v, q)
	f.VBLENDVPS(k, q, r, r)
	return r
}

// narrow stores the high halves of 16 elements, of one register or two.
func (f *vectors) narrow(v []vec, to operand.Mem) {
	if f.wide {
		r := f.vec()
		f.VPSRLD(imm(16), v[0], r)
		f.VPMOVDW(r, to)
		return
	}
	a, b := f.vec(), f.vec()
	f.VPSRLD(imm(16), v[0], a)
	f.VPSRLD(imm(16), v[1], b)
	f.VPACKUSDW(b, a, a)
	f.VPERMQ(imm(0b11_01_10_00), a, a)
	f.VMOVDQU(a, to)
}

// sixteens runs a body on every 16 elements of a number that is a multiple of 16, given
// by its length; the body moves the pointers.
func (f *vectors) sixteens(length reg.Register, body func()) {
	f.SHRQ(imm(4), length.(reg.GPVirtual))
	f.JEQ(operand.LabelRef("done"))
	f.Label("loop")
	body()
	f.DECQ(length.(reg.GPVirtual))
	f.JNE(operand.LabelRef("loop"))
	f.Label("done")
	f.end()
}

// toBF16 writes a function of slices with a result in bfloat16.
func (f *vectors) toBF16(name, doc string, body func(f *vectors, in []vec) vec, inputs ...string) {
	f.begin(name, "computes", "", "\tfor i := range dst {", "\t\t"+doc, "\t}", "", "for a multiple of 16 elements.")
	f.constants(func(f *vectors) { f.rounded(body(f, []vec{f.vec(), f.vec(), f.vec()}[:len(inputs)])) })
	dst := f.Load(f.Param("dst").Base(), f.GP64())
	var pointers []reg.Register
	for _, in := range inputs {
		pointers = append(pointers, f.Load(f.Param(in).Base(), f.GP64()))
	}
	f.sixteens(f.Load(f.Param("dst").Len(), f.GP64()), func() {
		var out []vec
		for at := 0; at < 64; at += 4 * f.lanes() {
			var in []vec
			for _, p := range pointers {
				in = append(in, f.copy(operand.Mem{Base: p, Disp: at}))
			}
			out = append(out, f.rounded(body(f, in)))
		}
		f.narrow(out, operand.Mem{Base: dst})
		f.ADDQ(imm(32), dst)
		for _, p := range pointers {
			f.ADDQ(imm(64), p)
		}
	})
}

// splitBF16 writes a function of slices with a result of two bfloat16 values. The second
// is the rest that the first leaves, which is exact in float32.
func (f *vectors) splitBF16(name, doc string, body func(f *vectors, in []vec) vec, inputs ...string) {
	f.begin(name, "computes", "", "\tfor i := range high {", "\t\t"+doc, "\t\thigh[i] = v, to the nearest",
		"\t\tlow[i] = v - high[i], to the nearest", "\t}", "", "for a multiple of 16 elements.")
	f.constants(func(f *vectors) {
		f.rounded(body(f, []vec{f.vec(), f.vec(), f.vec()}[:len(inputs)]))
		f.use(highWord)
	})
	high, low := f.Load(f.Param("high").Base(), f.GP64()), f.Load(f.Param("low").Base(), f.GP64())
	var pointers []reg.Register
	for _, in := range inputs {
		pointers = append(pointers, f.Load(f.Param(in).Base(), f.GP64()))
	}
	f.sixteens(f.Load(f.Param("high").Len(), f.GP64()), func() {
		var first, second []vec
		for at := 0; at < 64; at += 4 * f.lanes() {
			var in []vec
			for _, p := range pointers {
				in = append(in, f.copy(operand.Mem{Base: p, Disp: at}))
			}
			v := body(f, in)
			a := f.rounded(v)
			rest := f.vec()
			if f.wide {
				f.VPANDD(f.use(highWord), a, rest)
			} else {
				f.VPAND(f.use(highWord), a, rest)
			}
			f.VSUBPS(rest, v, rest)
			first, second = append(first, a), append(second, f.rounded(rest))
		}
		f.narrow(first, operand.Mem{Base: high})
		f.narrow(second, operand.Mem{Base: low})
		f.ADDQ(imm(32), high)
		f.ADDQ(imm(32), low)
		for _, p := range pointers {
			f.ADDQ(imm(64), p)
		}
	})
}

// pairBF16 interleaves.
func (f *vectors) pairBF16() {
	f.begin("pairBF16", "computes", "", "\tfor i := range a {", "\t\tdst[2*i], dst[2*i+1] = a[i], b[i], to the nearest", "\t}", "",
		"for a multiple of 16 elements.")
	f.constants(func(f *vectors) { f.rounded(f.vec()); f.use(highWord) })
	dst := f.Load(f.Param("dst").Base(), f.GP64())
	a, b := f.Load(f.Param("a").Base(), f.GP64()), f.Load(f.Param("b").Base(), f.GP64())
	f.sixteens(f.Load(f.Param("a").Len(), f.GP64()), func() {
		for at := 0; at < 64; at += 4 * f.lanes() {
			low := f.rounded(f.copy(operand.Mem{Base: a, Disp: at}))
			high := f.rounded(f.copy(operand.Mem{Base: b, Disp: at}))
			f.VPSRLD(imm(16), low, low)
			if f.wide {
				f.VPANDD(f.use(highWord), high, high)
				f.VPORD(low, high, high)
			} else {
				f.VPAND(f.use(highWord), high, high)
				f.VPOR(low, high, high)
			}
			f.VMOVUPS(high, operand.Mem{Base: dst, Disp: at})
		}
		f.ADDQ(imm(64), dst)
		f.ADDQ(imm(64), a)
		f.ADDQ(imm(64), b)
	})
}

func (f *vectors) fromBF16() {
	f.begin("fromBF16", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i]", "\t}", "", "for a multiple of 16 elements.")
	f.constants(func(*vectors) {})
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	f.sixteens(f.Load(f.Param("dst").Len(), f.GP64()), func() {
		for at := 0; at < 64; at += 4 * f.lanes() {
			v := f.vec()
			f.VPMOVZXWD(operand.Mem{Base: x, Disp: at / 2}, v)
			f.VPSLLD(imm(16), v, v)
			f.VMOVUPS(v, operand.Mem{Base: dst, Disp: at})
		}
		f.ADDQ(imm(64), dst)
		f.ADDQ(imm(32), x)
	})
}

// lastOf returns the place of the last byte of the array that x, with elements of so many bytes, is a
// slice of: more of it may be read next.
func (f *vectors) lastOf(x reg.Register, size int) reg.GPVirtual {
	last := f.Load(f.Param("x").Cap(), f.GP64()).(reg.GPVirtual)
	f.LEAQ(operand.Mem{Base: x, Index: last, Scale: uint8(size), Disp: -1}, last)
	return last
}

// ahead calls what is read later, up to last, into the cache.
func (f *vectors) ahead(x reg.Register, last reg.GPVirtual) {
	later := f.GP64()
	f.LEAQ(operand.Mem{Base: x, Disp: prefetch / 2}, later)
	f.CMPQ(later, last)
	f.CMOVQHI(last, later)
	f.PREFETCHT0(operand.Mem{Base: later})
}

// fromInt8 makes two integers of each 32 bits float32: the even one of the lower half and
// the odd one of the upper half. Their lower halves are 0, as 8 bits are enough for them.
func (f *vectors) fromInt8() {
	f.begin("fromInt8", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = x[i], as bfloat16", "\t}", "", "for a multiple of 32 elements.")
	f.constants(func(*vectors) {})
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	last := f.lastOf(x, 1)
	length := f.Load(f.Param("dst").Len(), f.GP64())
	f.SHRQ(imm(1), length)
	f.sixteens(length, func() {
		f.ahead(x, last)
		for at := 0; at < 64; at += 4 * f.lanes() {
			pairs, even := f.vec(), f.vec()
			f.VPMOVSXBW(operand.Mem{Base: x, Disp: at / 2}, pairs)
			f.VPSLLD(imm(16), pairs, even)
			f.VPSRAD(imm(16), even, even)
			f.VPSRAD(imm(16), pairs, pairs)
			f.VCVTDQ2PS(even, even)
			f.VCVTDQ2PS(pairs, pairs)
			f.VPSRLD(imm(16), even, even)
			if f.wide {
				f.VPORD(even, pairs, pairs)
			} else {
				f.VPOR(even, pairs, pairs)
			}
			f.VMOVUPS(pairs, operand.Mem{Base: dst, Disp: at})
		}
		f.ADDQ(imm(64), dst)
		f.ADDQ(imm(32), x)
	})
}

func (f *vectors) scaleBias() {
	f.begin("scaleBias", "computes", "", "\tfor i := range dst {", "\t\tdst[i] = fma(x[i], scale[i], bias[i])", "\t}", "", "for a multiple of 16 elements.")
	f.constants(func(*vectors) {})
	dst, x := f.Load(f.Param("dst").Base(), f.GP64()), f.Load(f.Param("x").Base(), f.GP64())
	scale, bias := f.Load(f.Param("scale").Base(), f.GP64()), f.Load(f.Param("bias").Base(), f.GP64())
	f.sixteens(f.Load(f.Param("dst").Len(), f.GP64()), func() {
		for at := 0; at < 64; at += 4 * f.lanes() {
			v, s := f.copy(operand.Mem{Base: x, Disp: at}), f.copy(operand.Mem{Base: scale, Disp: at})
			f.VFMADD213PS(operand.Mem{Base: bias, Disp: at}, s, v)
			f.VMOVUPS(v, operand.Mem{Base: dst, Disp: at})
		}
		for _, p := range []reg.Register{dst, x, scale, bias} {
			f.ADDQ(imm(64), p.(reg.GPVirtual))
		}
	})
}

const amxDoc = `productTiles%[1]dx%[2]d computes blocks of a product with AMX: %[1]d tile(s) of up to 16 rows
by %[2]d panel(s), as the configuration of the tiles says.
It equals

	for r := range blocks*rows {
		for n := range %[2]d*16 {
			acc := 0
			for tap := range taps {
				for i := range steps {
					var even, odd float32
					for j := range 16 {
						even = fma(a[r*ldA+tap*ldTap+32*i+2*j], w[n/16*ldW+(tap*steps+i)*512+32*j+n%%16*2], even)
						odd = fma(a[r*ldA+tap*ldTap+32*i+2*j+1], w[n/16*ldW+(tap*steps+i)*512+32*j+n%%16*2+1], odd)
					}
					acc += even + odd
				}
			}
			dst[r*ldDst+n] = acc + (bias[n] + init[r*ldInit+n])
		}
	}

with strides in bytes instead of elements. scratch is %[3]d bytes. init may be nil.`

// The tiles of a product: the sums, the input and the weights.
const (
	tileSum    = 0 // row tile r, panel p: tileSum + 2·r + p
	tileInput  = 4
	tileWeight = 6
)

// amx writes the products with tiles. Go moves a goroutine to another thread only where
// it is called or preempted, and it does not preempt assembly, so that each function
// configures the tiles, uses them and releases them; the system saves them when it
// switches threads in between.
func amx(c *build.Context) {
	for _, tiles := range []int{1, 2} {
		for _, panels := range []int{1, 2} {
			amxTiles(c, tiles, panels)
		}
	}
}

func amxTiles(c *build.Context, tiles, panels int) {
	name := fmt.Sprintf("productTiles%dx%d", tiles, panels)
	c.Function(name)
	c.Pragma("noescape")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(config *byte, dst, init, bias, scratch *float32, a, w, last *uint16, ldDst, ldInit, ldA, ldTap, ldW, taps, steps, rows, blocks int)")
	c.Doc(strings.Split(fmt.Sprintf(amxDoc, tiles, panels, tiles*panels*1024), "\n")...)
	const stride = 64 // of weights in a tile and of the scratch: registers hold it
	var (
		a, tapA       = reg.RAX, reg.RBX
		lower         = reg.RCX // the distance of the second row tile
		last          = reg.RCX // without one: from where on no weights are called into the cache
		ldA, stride64 = reg.RDX, reg.RSI
		w, ldW        = reg.RDI, reg.R8
		taps, steps   = reg.R9, reg.R10
		pa, pa2       = reg.R11, reg.R12
		dst, init     = reg.R13, reg.R15
		pointer       = reg.R14
	)
	c.Load(c.Param("config"), a)
	encoded(c, "LDTILECFG (AX)", vexMemory(prefixNone, 0x49, 0, a, nil, 0)...)
	c.Load(c.Param("a"), a)
	c.Load(c.Param("ldA"), ldA)
	c.Load(c.Param("ldW"), ldW)
	c.Load(c.Param("dst"), dst)
	c.Load(c.Param("init"), init)
	c.MOVQ(operand.U32(stride), stride64)
	if tiles > 1 {
		c.MOVQ(ldA, lower)
		c.SHLQ(imm(4), lower)
	} else {
		c.Load(c.Param("last"), last)
	}

	c.Label("block")
	for t := range tiles {
		for p := range panels {
			tile := byte(tileSum + 2*t + p)
			encoded(c, fmt.Sprintf("TILEZERO TMM%d", tile), vexTile(prefixF2, 0x49, tile, 0, 0)...)
		}
	}
	c.MOVQ(a, tapA)
	c.Load(c.Param("w"), w)
	c.Load(c.Param("taps"), taps)
	c.TESTQ(taps, taps)
	c.JEQ(operand.LabelRef("sums"))
	c.Label("tap")
	c.MOVQ(tapA, pa)
	if tiles > 1 {
		c.LEAQ(operand.Mem{Base: tapA, Index: lower, Scale: 1}, pa2)
	}
	c.Load(c.Param("steps"), steps)
	c.Label("step")
	load := func(tile byte, base, index reg.Register) {
		encoded(c, fmt.Sprintf("TILELOADD (%s)(%s), TMM%d", base.Asm(), index.Asm(), tile), vexMemory(prefixF2, 0x4B, tile, base, index, 0)...)
	}
	// With few rows a product runs at the speed of the memory: the processor's own
	// prefetching stops at every page, and a tile waits for all of its rows.
	ahead := func(base reg.Register) {
		if tiles > 1 {
			return
		}
		later := pa2 // free until the sums
		c.LEAQ(operand.Mem{Base: base, Disp: prefetch}, later)
		c.CMPQ(later, last)
		c.CMOVQHI(last, later)
		for row := range 16 {
			c.PREFETCHT0(operand.Mem{Base: later, Disp: 64 * row})
		}
	}
	load(tileInput, pa, ldA)
	load(tileWeight, w, stride64)
	ahead(w)
	dot := func(t, p int) {
		sum, in, weight := byte(tileSum+2*t+p), byte(tileInput+t), byte(tileWeight+p)
		encoded(c, fmt.Sprintf("TDPBF16PS TMM%d, TMM%d, TMM%d", weight, in, sum), vexTile(prefixF3, 0x5C, sum, in, weight)...)
	}
	dot(0, 0)
	if panels > 1 {
		c.LEAQ(operand.Mem{Base: w, Index: ldW, Scale: 1}, pointer)
		load(tileWeight+1, pointer, stride64)
		ahead(pointer)
		dot(0, 1)
	}
	if tiles > 1 {
		load(tileInput+1, pa2, ldA)
		dot(1, 0)
		if panels > 1 {
			dot(1, 1)
		}
		c.ADDQ(imm(64), pa2)
	}
	c.ADDQ(imm(64), pa)
	c.ADDQ(operand.I32(1024), w)
	c.DECQ(steps)
	c.JNE(operand.LabelRef("step"))
	c.ADDQ(mustParam(c, "ldTap"), tapA)
	c.DECQ(taps)
	c.JNE(operand.LabelRef("tap"))

	c.Label("sums")
	c.Load(c.Param("scratch"), pa)
	c.MOVQ(operand.U32(64*uint32(panels)), pa2)
	for t := range tiles {
		for p := range panels {
			tile := byte(tileSum + 2*t + p)
			encoded(c, fmt.Sprintf("TILESTORED TMM%d, %d(R11)(R12)", tile, t*panels*1024+64*p),
				vexMemory(prefixF3, 0x4B, tile, pa, pa2, int32(t*panels*1024+64*p))...)
		}
	}
	c.Load(c.Param("bias"), w)
	bias := []reg.VecPhysical{reg.Z0, reg.Z1}
	sum := []reg.VecPhysical{reg.Z2, reg.Z3}
	for p := range panels {
		c.VMOVUPS(operand.Mem{Base: w, Disp: 64 * p}, bias[p])
	}
	c.Load(c.Param("ldDst"), taps)
	c.Load(c.Param("rows"), steps)
	c.TESTQ(init, init)
	c.JEQ(operand.LabelRef("row"))
	c.Load(c.Param("ldInit"), pa2)
	c.Label("initRow")
	for p := range panels {
		c.VADDPS(operand.Mem{Base: init, Disp: 64 * p}, bias[p], sum[p])
		c.VADDPS(operand.Mem{Base: pa, Disp: 64 * p}, sum[p], sum[p])
		c.VMOVUPS(sum[p], operand.Mem{Base: dst, Disp: 64 * p})
	}
	c.ADDQ(pa2, init)
	c.ADDQ(taps, dst)
	c.ADDQ(operand.I32(64*panels), pa)
	c.DECQ(steps)
	c.JNE(operand.LabelRef("initRow"))
	c.JMP(operand.LabelRef("next"))
	c.Label("row")
	for p := range panels {
		c.VADDPS(operand.Mem{Base: pa, Disp: 64 * p}, bias[p], sum[p])
		c.VMOVUPS(sum[p], operand.Mem{Base: dst, Disp: 64 * p})
	}
	c.ADDQ(taps, dst)
	c.ADDQ(operand.I32(64*panels), pa)
	c.DECQ(steps)
	c.JNE(operand.LabelRef("row"))
	c.Label("next")
	c.LEAQ(operand.Mem{Base: a, Index: lower, Scale: uint8(tiles)}, a)
	c.DECQ(mustParam(c, "blocks"))
	c.JNE(operand.LabelRef("block"))
	encoded(c, "TILERELEASE", vexTile(prefixNone, 0x49, 0, 0, 0)...)
	c.VZEROUPPER()
	c.RET()
}

// mustParam returns where a parameter lies.
func mustParam(c *build.Context, name string) operand.Mem {
	p, err := c.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}
