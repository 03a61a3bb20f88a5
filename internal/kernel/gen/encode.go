package main

import (
	"encoding/binary"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// This file writes the instructions that neither Go's assembler nor avo knows, as
// their bytes: those of AMX (tiles) and of AVX512_BF16. Encodings are those of the
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. Registers
// must be physical ones, because avo sees no operands in bytes.

// The instructions' prefixes, as VEX and EVEX hold them.
const (
	prefixNone = 0b00
	prefix66   = 0b01
	prefixF3   = 0b10
	prefixF2   = 0b11
)

// encoded appends the bytes of an instruction, and what it is in a comment.
func encoded(c *build.Context, text string, code ...byte) {
	c.Comment(text)
	for len(code) >= 4 {
		c.Instruction(&ir.Instruction{Opcode: "LONG", Operands: []operand.Op{operand.U32(binary.LittleEndian.Uint32(code))}})
		code = code[4:]
	}
	for _, b := range code {
		c.Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []operand.Op{operand.U8(b)}})
	}
}

// generalNumbers are the processor's numbers of the general registers.
var generalNumbers = map[string]byte{"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SP": 4, "BP": 5, "SI": 6, "DI": 7,
	"R8": 8, "R9": 9, "R10": 10, "R11": 11, "R12": 12, "R13": 13, "R14": 14, "R15": 15}

func generalNumber(r reg.Register) byte {
	n, ok := generalNumbers[r.Asm()]
	if !ok {
		panic("no general register " + r.Asm())
	}
	return n
}

// vexTile returns VEX.128.pp.0F38.W0 op with the registers of a tile instruction:
// reg and vvvv are tiles, and rm a tile too.
func vexTile(pp, op, reg, rm, vvvv byte) []byte {
	return []byte{0xC4, 0xE2, (^vvvv&15)<<3 | pp, op, 0xC0 | reg<<3 | rm}
}

// vexMemory returns VEX.128.pp.0F38.W0 op with reg and the memory at base + index +
// disp; without an index where it is nil.
func vexMemory(pp, op, reg byte, base, index reg.Register, disp int32) []byte {
	b := generalNumber(base)
	x := byte(4) // none
	if index != nil {
		x = generalNumber(index)
	}
	code := []byte{0xC4, 1<<7 | (^(x>>3)&1)<<6 | (^(b>>3)&1)<<5 | 2, 15<<3 | pp, op, 0x80 | reg<<3 | 4, (x&7)<<3 | b&7}
	return binary.LittleEndian.AppendUint32(code, uint32(disp))
}

// evex returns EVEX.512.pp.0F38.W0 op of three vector registers.
func evex(pp, op, dst, src1, src2 byte) []byte {
	r, r2 := ^(dst>>3)&1, ^(dst>>4)&1
	x, b := ^(src2>>4)&1, ^(src2>>3)&1
	v, v2 := ^src1&15, ^(src1>>4)&1
	return []byte{0x62, r<<7 | x<<6 | b<<5 | r2<<4 | 2, v<<3 | 1<<2 | pp, 2<<5 | v2<<3, op, 0xC0 | (dst&7)<<3 | src2&7}
}

// evexMemory returns EVEX.512.pp.0F38.W0 op of two vector registers and the 64 bytes at
// base + index·scale + disp.
func evexMemory(pp, op, dst, src1 byte, m operand.Mem) []byte {
	r, r2 := ^(dst>>3)&1, ^(dst>>4)&1
	v, v2 := ^src1&15, ^(src1>>4)&1
	b := generalNumber(m.Base)
	index, scale := byte(4), byte(0)
	if m.Index != nil {
		index = generalNumber(m.Index)
		for s := m.Scale; s > 1; s >>= 1 {
			scale++
		}
	}
	code := []byte{0x62, r<<7 | (^(index>>3)&1)<<6 | (^(b>>3)&1)<<5 | r2<<4 | 2, v<<3 | 1<<2 | pp, 2<<5 | v2<<3, op,
		0x80 | (dst&7)<<3 | 4, scale<<6 | (index&7)<<3 | b&7}
	return binary.LittleEndian.AppendUint32(code, uint32(int32(m.Disp)))
}
