package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const amxInt8Doc = `productTilesInt8x%[1]d computes the sums of up to 16 rows, as many as the configuration of the
tiles says, with %[1]d panel(s) of weights in 8 bits, none of which is -128.
It equals

	for r := range rows {
		for n := range %[1]d*16 {
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
			sums[r*%[1]d*16+n] = acc
		}
	}

with strides in bytes instead of elements, at least one tap and one step. buffer is 4096 bytes,
aligned to 64.`

// amxInt8 writes the products of few rows with weights in 8 bits. While tiles multiply the
// weights of one step, those of the next become bfloat16.
func amxInt8(c *build.Context) {
	tables := int8Tables(c)
	for _, panels := range []int{1, 2} {
		amxTilesInt8(c, tables, panels)
	}
}

// The tables for weights in 8 bits, each of a register: the lower and the upper bytes of 0 to
// 127 as bfloat16, the quarters of two rows side by side, and sign bits.
const (
	tableLow   = 0
	tableHigh  = 2
	tableOrder = 4
	tableSigns = 5
	tableCount = 6
)

func int8Tables(c *build.Context) operand.Mem {
	var bytes [64 * tableCount]byte
	for i := range 128 {
		bits := math.Float32bits(float32(i))
		bytes[64*tableLow+i], bytes[64*tableHigh+i] = byte(bits>>16), byte(bits>>24)
	}
	for i, quarter := range []byte{0, 4, 1, 5, 2, 6, 3, 7} {
		bytes[64*tableOrder+8*i] = quarter
	}
	for i := range 64 {
		bytes[64*tableSigns+i] = 0x80
	}
	t := c.StaticGlobal("int8Tables")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := 0; i < len(bytes); i += 8 {
		var v uint64
		for j := range 8 {
			v |= uint64(bytes[i+j]) << (8 * j)
		}
		c.AddDatum(i, operand.U64(v))
	}
	return t
}

func amxTilesInt8(c *build.Context, tables operand.Mem, panels int) {
	c.Function(fmt.Sprintf("productTilesInt8x%d", panels))
	c.Pragma("noescape")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(config *byte, sums *float32, buffer, a *uint16, w, last *int8, ldA, ldTap, ldW, taps, steps int)")
	c.Doc(strings.Split(fmt.Sprintf(amxInt8Doc, panels), "\n")...)
	const (
		stride = 64   // of weights in a tile
		tile   = 1024 // bytes of one
		bytes  = 512  // of a panel's weights in a step
		// ahead is how many bytes before their use weights are called from memory: for the last
		// of a panel, those of the panels that come next.
		ahead = 4096
	)
	var (
		tapA, pa, ldA    = reg.RAX, reg.RBX, reg.RDX
		stride64         = reg.RSI
		w, ldW, later    = reg.RDI, reg.R8, reg.RCX
		taps, steps      = reg.R9, reg.R10
		left             = reg.R11 // steps to convert
		current, next    = reg.R13, reg.R14
		pointer, last    = reg.R12, reg.R15
		low, high        = []reg.VecPhysical{reg.Z16, reg.Z17}, []reg.VecPhysical{reg.Z18, reg.Z19}
		order, signs     = reg.Z20, reg.Z21
		lows, highs, raw = []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3}, []reg.VecPhysical{reg.Z4, reg.Z5, reg.Z6, reg.Z7},
			[]reg.VecPhysical{reg.Z8, reg.Z9, reg.Z10, reg.Z11}
	)
	c.Load(c.Param("config"), pointer)
	encoded(c, "LDTILECFG (R12)", vexMemory(prefixNone, 0x49, 0, pointer, nil, 0)...)
	table := func(i int, r reg.VecPhysical) { c.VMOVDQU64(tables.Offset(64*i), r) }
	for i := range 2 {
		table(tableLow+i, low[i])
		table(tableHigh+i, high[i])
	}
	table(tableOrder, order)
	table(tableSigns, signs)
	c.Load(c.Param("a"), tapA)
	c.Load(c.Param("ldA"), ldA)
	c.Load(c.Param("w"), w)
	c.Load(c.Param("last"), last)
	c.Load(c.Param("ldW"), ldW)
	c.Load(c.Param("buffer"), current)
	c.LEAQ(operand.Mem{Base: current, Disp: 2 * tile}, next)
	c.MOVQ(operand.U32(stride), stride64)
	c.MOVQ(operand.U32(ahead), later)
	c.Load(c.Param("taps"), taps)
	c.Load(c.Param("steps"), steps)
	c.MOVQ(taps, left)
	c.IMULQ(steps, left)
	for p := range panels {
		encoded(c, fmt.Sprintf("TILEZERO TMM%d", tileSum+p), vexTile(prefixF2, 0x49, byte(tileSum+p), 0, 0)...)
	}

	// convert makes a step's weights bfloat16: two rows of pairs at a time, whose quarters go
	// side by side, so that unpacking bytes writes each row in order.
	convert := func(to reg.GPPhysical, skip string) {
		if panels > 1 { // from now on the two panels after these
			c.CMPQ(left, operand.Imm(ahead/bytes))
			c.JNE(operand.LabelRef(skip))
			c.ADDQ(ldW, later)
			c.Label(skip)
		}
		for p := range panels {
			from := operand.Mem{Base: w}
			if p > 0 {
				from.Index, from.Scale = ldW, 1
			}
			c.LEAQ(from, pointer)
			for i := range bytes / 64 {
				l, h, x := lows[i%4], highs[i%4], raw[i%4]
				c.VPERMQ(operand.Mem{Base: pointer, Disp: 64 * i}, order, x)
				c.VPABSB(x, l)
				c.VMOVDQA64(l, h)
				c.VPERMI2B(low[1], low[0], l)
				c.VPERMI2B(high[1], high[0], h)
				const orAnd = 0xf8 // first | second & third
				c.VPTERNLOGD(operand.Imm(orAnd), signs, x, h)
				c.VPUNPCKLBW(h, l, x)
				c.VPUNPCKHBW(h, l, l)
				c.VMOVDQU64(x, operand.Mem{Base: to, Disp: tile*p + 128*i})
				c.VMOVDQU64(l, operand.Mem{Base: to, Disp: tile*p + 128*i + 64})
			}
			c.ADDQ(later, pointer)
			c.CMPQ(pointer, last)
			c.CMOVQHI(last, pointer)
			for i := range bytes / 64 {
				c.PREFETCHT0(operand.Mem{Base: pointer, Disp: 64 * i})
			}
		}
		c.ADDQ(operand.I32(bytes), w)
		c.DECQ(left)
	}
	convert(current, "first")

	c.Label("tap")
	c.MOVQ(tapA, pa)
	c.Load(c.Param("steps"), steps)
	c.Label("step")
	c.TESTQ(left, left)
	c.JEQ(operand.LabelRef("multiply"))
	convert(next, "ahead")
	c.Label("multiply")
	load := func(tile byte, base, index reg.Register, disp int32) {
		encoded(c, fmt.Sprintf("TILELOADD %d(%s)(%s), TMM%d", disp, base.Asm(), index.Asm(), tile),
			vexMemory(prefixF2, 0x4B, tile, base, index, disp)...)
	}
	load(tileInput, pa, ldA, 0)
	for p := range panels {
		sum, weight := byte(tileSum+p), byte(tileWeight+p)
		load(weight, current, stride64, int32(tile*p))
		encoded(c, fmt.Sprintf("TDPBF16PS TMM%d, TMM%d, TMM%d", weight, tileInput, sum), vexTile(prefixF3, 0x5C, sum, tileInput, weight)...)
	}
	c.XCHGQ(current, next)
	c.ADDQ(operand.Imm(64), pa)
	c.DECQ(steps)
	c.JNE(operand.LabelRef("step"))
	c.ADDQ(mustParam(c, "ldTap"), tapA)
	c.DECQ(taps)
	c.JNE(operand.LabelRef("tap"))

	c.Load(c.Param("sums"), pointer)
	c.MOVQ(operand.U32(64*uint32(panels)), stride64)
	for p := range panels {
		encoded(c, fmt.Sprintf("TILESTORED TMM%d, %d(R12)(SI)", tileSum+p, 64*p), vexMemory(prefixF3, 0x4B, byte(tileSum+p), pointer, stride64, int32(64*p))...)
	}
	encoded(c, "TILERELEASE", vexTile(prefixNone, 0x49, 0, 0, 0)...)
	c.VZEROUPPER()
	c.RET()
}
