package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A tile is a number of rows by a number of panels whose accumulators fit the
// registers.
type tile struct{ rows, panels int }

// A productISA is a vector instruction set as the product sees it.
type productISA struct {
	name    string
	vectors int // registers per panel
	bytes   int // of a register
	regs    []reg.VecPhysical
	tiles   []tile
	doc     string
	// multiply adds to acc the products of inputs, in a register, with weights, in a
	// register or in memory.
	multiply func(c *build.Context, weights operand.Op, inputs, acc reg.VecPhysical)
	// expands says that weights are pairs of bfloat16, and inputs pairs of float32.
	expands bool
	// integers says that weights are integers of 16 bits, which become float32 in the
	// registers.
	integers bool
}

// products writes the tiles that panelsAVX512 and panelsAVX2 of package kernel
// ask for, and those with half and a quarter of their panels. Twelve rows by
// two panels need 14 loads for 24 multiply-adds, which leaves the two load
// ports idle enough. Few rows take more panels at once, so that there are
// enough independent chains to hide the latency of the additions.
func products(c *build.Context) {
	avx512 := productISA{name: "AVX512", vectors: 1, bytes: 64, regs: []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}}
	for rows := 1; rows <= 12; rows++ {
		for _, panels := range []int{1, 2, 4} {
			if rows*panels <= 24 {
				avx512.tiles = append(avx512.tiles, tile{rows, panels})
			}
		}
	}
	avx2 := productISA{name: "AVX2", vectors: 2, bytes: 32, regs: []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
		reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
	}}
	for rows := 1; rows <= 6; rows++ {
		for _, panels := range []int{1, 2, 4} {
			if rows*panels <= 6 {
				avx2.tiles = append(avx2.tiles, tile{rows, panels})
			}
		}
	}
	fma := func(c *build.Context, weights operand.Op, inputs, acc reg.VecPhysical) {
		c.VFMADD231PS(weights, inputs, acc)
	}
	avx512.multiply, avx2.multiply = fma, fma
	avx512.doc, avx2.doc = productDoc, productDoc
	// A pair of bfloat16 values takes the place of a float32: the rest is the same.
	pairs := avx512
	pairs.name, pairs.doc, pairs.multiply = "AVX512BF16", productPairsDoc, vdpbf16ps
	// Without an instruction for pairs, weights become float32 in the registers, and
	// inputs are given so.
	expanded512, expanded2 := avx512, avx2
	expanded512.name, expanded2.name = "ExpandedAVX512", "ExpandedAVX2"
	for _, e := range []*productISA{&expanded512, &expanded2} {
		e.doc, e.expands = productExpandedDoc, true
	}
	// Integers are for few rows, whose time is that of reading weights.
	integers512, integers2 := avx512, avx2
	integers512.name, integers2.name = "Int16AVX512", "Int16AVX2"
	for _, e := range []*productISA{&integers512, &integers2} {
		e.doc, e.integers, e.tiles = productInt16Doc, true, nil
	}
	for rows := 1; rows <= 4; rows++ { // rowsInt16 of package kernel
		for _, panels := range []int{1, 2, 4} {
			t := tile{rows, panels}
			integers512.tiles = append(integers512.tiles, t)
			if slices.Contains(avx2.tiles, t) {
				integers2.tiles = append(integers2.tiles, t)
			}
		}
	}
	for _, isa := range []productISA{avx512, avx2, pairs, expanded512, expanded2, integers512, integers2} {
		isa.function(c)
	}
}

// vdpbf16ps adds to each element of acc the products of a pair, the odd one first.
func vdpbf16ps(c *build.Context, weights operand.Op, inputs, acc reg.VecPhysical) {
	const op = 0x52
	dst, in := byte(acc.PhysicalIndex()), byte(inputs.PhysicalIndex())
	text := fmt.Sprintf("VDPBF16PS %s, %s, %s", weights.Asm(), inputs.Asm(), acc.Asm())
	if m, ok := weights.(operand.Mem); ok {
		encoded(c, text, evexMemory(prefixF3, op, dst, in, m)...)
		return
	}
	encoded(c, text, evex(prefixF3, op, dst, in, byte(weights.(reg.VecPhysical).PhysicalIndex()))...)
}

const productDoc = `productTile%[1]s computes a tile of a product, rows by panels, for the tiles
that it has: %[2]s.
It equals

	for r := range rows {
		for n := range panels*16 {
			acc := bias[n]
			if init != nil {
				acc += init[r*ldInit+n]
			}
			for tap := range taps {
				for i := range k {
					acc = fma(a[r*ldA+tap*ldTap+i], w[n/16*ldW+(tap*k+i)*16+n%%16], acc)
				}
			}
			dst[r*ldDst+n] = acc
		}
	}

with strides in bytes instead of elements.`

const productPairsDoc = `productTile%[1]s computes a tile of a product of pairs of bfloat16 values, rows by
panels, for the tiles that it has: %[2]s.
It equals

	for r := range rows {
		for n := range panels*16 {
			acc := bias[n]
			if init != nil {
				acc += init[r*ldInit+n]
			}
			for tap := range taps {
				for i := range k {
					in := a[r*ldA+tap*ldTap+i]
					weight := w[n/16*ldW+(tap*k+i)*16+n%%16]
					acc = fma(in.odd, weight.odd, acc)
					acc = fma(in.even, weight.even, acc)
				}
			}
			dst[r*ldDst+n] = acc
		}
	}

with strides in bytes instead of elements, which are pairs in a and w.`

const productExpandedDoc = `productTile%[1]s computes a tile of a product of pairs of bfloat16 values, rows by
panels, for the tiles that it has: %[2]s.
It equals

	for r := range rows {
		for n := range panels*16 {
			acc := bias[n]
			if init != nil {
				acc += init[r*ldInit+n]
			}
			for tap := range taps {
				for i := range k {
					weight := w[n/16*ldW+(tap*k+i)*16+n%%16]
					acc = fma(a[r*ldA+tap*ldTap+2*i], weight.odd, acc)
					acc = fma(a[r*ldA+tap*ldTap+2*i+1], weight.even, acc)
				}
			}
			dst[r*ldDst+n] = acc
		}
	}

with strides in bytes instead of elements, which are pairs in w.`

const productInt16Doc = `productTile%[1]s computes a tile of a product whose weights are integers of
16 bits, rows by panels, for the tiles that it has: %[2]s.
It equals

	for r := range rows {
		for n := range panels*16 {
			acc := bias[n]
			if init != nil {
				acc += init[r*ldInit+n]
			}
			for tap := range taps {
				for i := range k {
					acc = fma(a[r*ldA+tap*ldTap+i], float32(w[n/16*ldW+(tap*k+i)*16+n%%16]), acc)
				}
			}
			dst[r*ldDst+n] = acc
		}
	}

with strides in bytes instead of elements.`

// The registers of a product. a is a pointer to every third row of the input:
// the two rows behind it are reached through the index register.
var (
	rowA     = []reg.GPPhysical{reg.RAX, reg.RBX, reg.RCX, reg.RDX}
	strideA  = reg.RSI
	weights  = reg.RDI
	panel    = reg.R8
	panel3   = reg.R9
	count    = reg.R10
	pointer  = reg.R11
	adjust   = reg.R12
	tapsLeft = reg.R13
	last     = reg.R15
)

const (
	unroll = 4 // input channels per turn of the loop

	// prefetch is how many bytes ahead of their use weights are called into the
	// second-level cache, where a block of rows finds them again. The processor's
	// own prefetching stops at every page. With large weights this gains 5 to 15 %;
	// a single row runs at the speed of the memory with and without it. Nothing behind
	// the weights is called: where a page was never written, each call searches the page
	// tables in vain, for 180 cycles on a Zen 1, which made small products ten times as slow.
	prefetch = 4096
)

func (isa productISA) function(c *build.Context) {
	list := ""
	for i, t := range isa.tiles {
		switch {
		case i == 0:
		case i%10 == 0:
			list += ",\n"
		default:
			list += ", "
		}
		list += fmt.Sprintf("%dx%d", t.rows, t.panels)
	}
	c.Function("productTile" + isa.name)
	c.Pragma("noescape")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(rows, panels int, dst, init, bias, a, w, last *float32, ldDst, ldInit, ldA, ldTap, ldW, taps, k int)")
	doc := fmt.Sprintf(isa.doc, isa.name, list) + "\n\nNo weights behind last are called into the cache ahead of their use."
	c.Doc(strings.Split(doc, "\n")...)

	// Tiles are told apart by rows + 16*panels.
	c.Load(c.Param("panels"), pointer)
	c.SHLQ(operand.Imm(4), pointer)
	c.Load(c.Param("rows"), count)
	c.ADDQ(count, pointer)
	for _, t := range isa.tiles {
		c.CMPQ(pointer, operand.Imm(uint64(t.rows+16*t.panels)))
		c.JEQ(operand.LabelRef(t.label("")))
	}
	c.UD2() // no such tile
	for _, t := range isa.tiles {
		isa.tile(c, t)
	}
}

func (t tile) label(part string) string { return fmt.Sprintf("r%dp%d%s", t.rows, t.panels, part) }

func (isa productISA) tile(c *build.Context, t tile) {
	n := t.panels * isa.vectors
	// acc returns the accumulator of vector v of row r.
	acc := func(r, v int) reg.VecPhysical { return isa.regs[r*n+v] }
	free := isa.regs[t.rows*n:]
	groups := (t.rows + 2) / 3

	c.Label(t.label(""))
	c.Load(c.Param("a"), rowA[0])
	if t.rows > 1 {
		c.Load(c.Param("ldA"), strideA)
	}
	if groups > 1 {
		c.LEAQ(operand.Mem{Base: strideA, Index: strideA, Scale: 2}, pointer)
	}
	for g := 1; g < groups; g++ {
		c.LEAQ(operand.Mem{Base: rowA[g-1], Index: pointer, Scale: 1}, rowA[g])
	}
	c.Load(c.Param("w"), weights)
	c.Load(c.Param("last"), last)
	if t.panels > 1 {
		c.Load(c.Param("ldW"), panel)
	}
	if t.panels > 2 {
		c.LEAQ(operand.Mem{Base: panel, Index: panel, Scale: 2}, panel3)
	}

	if mask := free[len(free)-1]; isa.expands && isa.vectors == 1 {
		c.VPTERNLOGD(operand.Imm(0xff), mask, mask, mask)
		c.VPSLLD(operand.Imm(16), mask, mask)
	} else if isa.expands {
		c.VPCMPEQD(mask, mask, mask)
		c.VPSLLD(operand.Imm(16), mask, mask)
	}
	c.Load(c.Param("bias"), pointer)
	for v := range n {
		c.VMOVUPS(operand.Mem{Base: pointer, Disp: v * isa.bytes}, acc(0, v))
		for r := 1; r < t.rows; r++ {
			c.VMOVAPS(acc(0, v), acc(r, v))
		}
	}
	c.Load(c.Param("init"), pointer)
	c.TESTQ(pointer, pointer)
	c.JEQ(operand.LabelRef(t.label("start")))
	if t.rows > 1 {
		c.Load(c.Param("ldInit"), count)
	}
	for r := range t.rows {
		for v := range n {
			c.VADDPS(operand.Mem{Base: pointer, Disp: v * isa.bytes}, acc(r, v), acc(r, v))
		}
		if r < t.rows-1 {
			c.ADDQ(count, pointer)
		}
	}

	// A step leaves the pointers of the input behind the last element of a tap.
	c.Label(t.label("start"))
	c.Load(c.Param("k"), count)
	c.SHLQ(operand.Imm(uint64(isa.inputShift())), count)
	c.Load(c.Param("ldTap"), adjust)
	c.SUBQ(count, adjust)
	c.Load(c.Param("taps"), tapsLeft)
	c.TESTQ(tapsLeft, tapsLeft)
	c.JEQ(operand.LabelRef(t.label("store")))

	c.Label(t.label("tap"))
	c.Load(c.Param("k"), count)
	c.SUBQ(operand.Imm(unroll), count)
	c.JLT(operand.LabelRef(t.label("rest")))
	c.Label(t.label("loop"))
	isa.ahead(c)
	for u := range unroll {
		isa.step(c, t, acc, free, u)
	}
	isa.advance(c, groups, unroll)
	c.SUBQ(operand.Imm(unroll), count)
	c.JGE(operand.LabelRef(t.label("loop")))
	c.Label(t.label("rest"))
	c.ADDQ(operand.Imm(unroll), count)
	c.JEQ(operand.LabelRef(t.label("next")))
	c.Label(t.label("one"))
	isa.ahead(c)
	isa.step(c, t, acc, free, 0)
	isa.advance(c, groups, 1)
	c.DECQ(count)
	c.JNE(operand.LabelRef(t.label("one")))
	c.Label(t.label("next"))
	for g := range groups {
		c.ADDQ(adjust, rowA[g])
	}
	c.DECQ(tapsLeft)
	c.JNE(operand.LabelRef(t.label("tap")))

	c.Label(t.label("store"))
	c.Load(c.Param("dst"), pointer)
	if t.rows > 1 {
		c.Load(c.Param("ldDst"), count)
	}
	for r := range t.rows {
		for v := range n {
			c.VMOVUPS(acc(r, v), operand.Mem{Base: pointer, Disp: v * isa.bytes})
		}
		if r < t.rows-1 {
			c.ADDQ(count, pointer)
		}
	}
	c.VZEROUPPER()
	c.RET()
}

// inputShift is the logarithm of the bytes of an element of the input.
func (isa productISA) inputShift() int {
	if isa.expands {
		return 3
	}
	return 2
}

func (isa productISA) advance(c *build.Context, groups, steps int) {
	for g := range groups {
		c.ADDQ(operand.Imm(uint64(steps<<isa.inputShift())), rowA[g])
	}
	c.ADDQ(operand.I32(isa.weightBytes()*steps), weights)
}

// ahead points to the weights that a turn of the loop calls.
func (isa productISA) ahead(c *build.Context) {
	c.LEAQ(operand.Mem{Base: weights, Disp: prefetch}, pointer)
	c.CMPQ(pointer, last)
	c.CMOVQHI(last, pointer)
}

// weightBytes is the size of a panel's weights for one input channel.
func (isa productISA) weightBytes() int {
	if isa.integers {
		return 32
	}
	return 64
}

// load puts weights into a register.
func (isa productISA) load(c *build.Context, weights operand.Mem, into reg.VecPhysical) {
	if !isa.integers {
		c.VMOVUPS(weights, into)
		return
	}
	c.VPMOVSXWD(weights, into)
	c.VCVTDQ2PS(into, into)
}

// step multiplies the u-th input channel from here: whichever of its inputs and
// weights are fewer stay in registers, the others pass through the free ones.
func (isa productISA) step(c *build.Context, t tile, acc func(r, v int) reg.VecPhysical, free []reg.VecPhysical, u int) {
	n := t.panels * isa.vectors
	input := func(r int) operand.Mem {
		m := operand.Mem{Base: rowA[r/3], Disp: u << isa.inputShift()}
		if r%3 > 0 {
			m.Index, m.Scale = strideA, uint8(r%3)
		}
		return m
	}
	weight := func(v int) operand.Mem {
		size := isa.weightBytes()
		m := operand.Mem{Base: weights, Disp: size*u + v%isa.vectors*size/isa.vectors}
		switch v / isa.vectors {
		case 1:
			m.Index, m.Scale = panel, 1
		case 2:
			m.Index, m.Scale = panel, 2
		case 3:
			m.Index, m.Scale = panel3, 1
		}
		return m
	}
	for v := 0; v < n && u*isa.weightBytes()%64 == 0; v += isa.vectors { // once a cache line
		next := weight(v)
		next.Base = pointer
		c.PREFETCHT1(next)
	}
	if isa.expands {
		isa.expandedStep(c, t, acc, free, input, weight)
		return
	}
	if t.rows == 1 {
		c.VBROADCASTSS(input(0), free[0])
		for v := range n {
			if !isa.integers {
				isa.multiply(c, weight(v), free[0], acc(0, v))
				continue
			}
			b := free[1+v%(len(free)-1)]
			isa.load(c, weight(v), b)
			isa.multiply(c, b, free[0], acc(0, v))
		}
		return
	}
	if t.rows < n {
		for r := range t.rows {
			c.VBROADCASTSS(input(r), free[r])
		}
		pass := free[t.rows:]
		for v := range n {
			b := pass[v%len(pass)]
			isa.load(c, weight(v), b)
			for r := range t.rows {
				isa.multiply(c, b, free[r], acc(r, v))
			}
		}
		return
	}
	for v := range n {
		isa.load(c, weight(v), free[v])
	}
	pass := free[n:]
	for r := range t.rows {
		a := pass[r%len(pass)]
		c.VBROADCASTSS(input(r), a)
		for v := range n {
			isa.multiply(c, free[v], a, acc(r, v))
		}
	}
}

// expandedStep is step for weights that are pairs of bfloat16: the odd one of each pair is
// its upper half, whose lower half the mask in the last free register clears, and the even
// one its lower half, shifted up.
func (isa productISA) expandedStep(c *build.Context, t tile, acc func(r, v int) reg.VecPhysical, free []reg.VecPhysical,
	input func(r int) operand.Mem, weight func(v int) operand.Mem) {
	mask, halves := free[len(free)-1], free[len(free)-3:len(free)-1] // odd, even
	free = free[:len(free)-3]
	half := func(r, h int) operand.Mem {
		m := input(r)
		m.Disp += 4 * h
		return m
	}
	held := len(free) >= 2*t.rows // all inputs stay in registers
	for r := 0; held && r < t.rows; r++ {
		c.VBROADCASTSS(half(r, 0), free[2*r])
		c.VBROADCASTSS(half(r, 1), free[2*r+1])
	}
	for v := range t.panels * isa.vectors {
		if isa.vectors == 1 {
			c.VPANDD(weight(v), mask, halves[0])
			c.VPSLLD(operand.Imm(16), weight(v), halves[1])
		} else {
			c.VMOVDQU(weight(v), halves[1])
			c.VPAND(halves[1], mask, halves[0])
			c.VPSLLD(operand.Imm(16), halves[1], halves[1])
		}
		for h := range 2 {
			for r := range t.rows {
				switch {
				case held:
					c.VFMADD231PS(halves[h], free[2*r+h], acc(r, v))
				case isa.vectors == 1:
					c.VFMADD231PS_BCST(half(r, h), halves[h], acc(r, v))
				default:
					c.VBROADCASTSS(half(r, h), free[0])
					c.VFMADD231PS(halves[h], free[0], acc(r, v))
				}
			}
		}
	}
}
