package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A vectors writes functions for one instruction set of amd64. AVX-512 and AVX2
// have the same operations in the same order, so that their results agree except
// for subnormal numbers and sums.
type vectors struct {
	*build.Context
	wide   bool                   // AVX-512
	tables map[number]operand.Mem // constants in the data section
	consts map[number]operand.Op  // those of the current function
	order  []number               // the constants used, by a trial only
	trial  bool
}

type vec = reg.VecVirtual

// forEachISA calls generate for AVX-512 and for AVX2.
func forEachISA(c *build.Context, generate func(f *vectors)) {
	tables := map[number]operand.Mem{}
	for _, wide := range []bool{true, false} {
		generate(&vectors{Context: c, wide: wide, tables: tables})
	}
}

// A number is a constant as its bits.
type number uint32

func float(v float32) number { return number(math.Float32bits(v)) }

func imm(v uint64) operand.Constant { return operand.Imm(v) }

// begin starts a kernel of the table; end returns from it.
func (f *vectors) begin(name string, doc ...string) { f.beginPart(name, signature(name), doc...) }

// beginPart starts a function for a part of a kernel.
func (f *vectors) beginPart(name, signature string, doc ...string) {
	f.Function(name + f.suffix())
	f.Pragma("noescape")
	f.Attributes(attr.NOSPLIT)
	f.SignatureExpr(signature)
	f.Doc(append([]string{name + f.suffix() + " " + doc[0]}, doc[1:]...)...)
	f.consts = map[number]operand.Op{}
}

func (f *vectors) end() {
	f.VZEROUPPER()
	f.RET()
}

func (f *vectors) suffix() string {
	if f.wide {
		return "AVX512"
	}
	return "AVX2"
}

// lanes is the number of elements in a register.
func (f *vectors) lanes() int {
	if f.wide {
		return 16
	}
	return 8
}

// vec returns a new register.
func (f *vectors) vec() vec {
	if f.wide {
		return f.ZMM()
	}
	return f.YMM()
}

// copy returns a new register with the value of an operand.
func (f *vectors) copy(op operand.Op) vec {
	r := f.vec()
	f.VMOVUPS(op, r)
	return r
}

func (f *vectors) mul(a, b vec) vec {
	r := f.vec()
	f.VMULPS(b, a, r)
	return r
}

func (f *vectors) sub(a, b vec) vec {
	r := f.vec()
	f.VSUBPS(b, a, r)
	return r
}

func (f *vectors) add(a, b vec) vec {
	r := f.vec()
	f.VADDPS(b, a, r)
	return r
}

// scalar returns a parameter in every element of a new register.
func (f *vectors) scalar(name string) vec {
	r := f.vec()
	f.VBROADCASTSS(f.address(f.Param(name)), r)
	return r
}

// address returns where a parameter, or a part of one, lies.
func (f *vectors) address(c gotypes.Component) operand.Mem {
	p, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}

// greater returns yes in the elements where a > b, and no where it is not or
// either is NaN. It takes no for itself.
func (f *vectors) greater(a vec, b operand.Op, yes, no vec) vec {
	const greater = 30
	if f.wide {
		k := f.K()
		f.VCMPPS(imm(greater), b, a, k)
		f.VMOVAPS(yes, k, no)
		return no
	}
	k := f.vec()
	f.VCMPPS(imm(greater), b, a, k)
	f.VBLENDVPS(k, yes, no, no)
	return no
}

// constants prepares the constants that a piece of code uses. AVX-512 has
// registers for all of them, AVX2 takes them from memory where they are used.
func (f *vectors) constants(code func(f *vectors)) {
	trial := &vectors{Context: build.NewContext(), wide: f.wide, consts: map[number]operand.Op{}, trial: true}
	trial.Function("trial")
	code(trial)
	for _, n := range trial.order {
		table, ok := f.tables[n]
		if !ok {
			table = f.table(fmt.Sprintf("c%08x", uint32(n)), []number{n, n, n, n, n, n, n, n})
			f.tables[n] = table
		}
		f.consts[n] = table
		if f.wide {
			r := f.vec()
			f.VBROADCASTSS(table, r)
			f.consts[n] = r
		}
	}
}

func (f *vectors) table(name string, numbers []number) operand.Mem {
	t := f.StaticGlobal(name)
	f.DataAttributes(attr.RODATA | attr.NOPTR)
	for i, n := range numbers {
		f.AddDatum(4*i, operand.U32(n))
	}
	return t
}

// use returns a constant as an operand, in a register or in memory.
func (f *vectors) use(n number) operand.Op {
	if f.consts[n] == nil {
		if !f.trial {
			panic(fmt.Sprintf("constant %g is not ready", math.Float32frombits(uint32(n))))
		}
		f.consts[n] = f.vec()
		f.order = append(f.order, n)
	}
	return f.consts[n]
}

// held returns a constant in a register, which the first source of an
// instruction must be.
func (f *vectors) held(n number) operand.Op {
	if f.wide {
		return f.use(n)
	}
	return f.copy(f.use(n))
}

// A mask says which elements of a vector to load and store: all of them, or
// those that the slice still has.
type mask struct {
	f      *vectors
	on     bool
	wide   reg.Register // a mask register
	narrow vec          // all ones where an element is
}

// mask makes the mask for the elements that RCX counts.
func (f *vectors) mask() mask {
	m := mask{f: f, on: true}
	if f.wide {
		bits, k := f.GP32(), f.K()
		f.MOVL(operand.U32(1), bits)
		f.SHLL(reg.CL, bits)
		f.DECL(bits)
		f.KMOVW(bits, k)
		m.wide = k
		return m
	}
	const bits = number(1<<32 - 1)
	table, ok := f.tables[bits]
	if !ok {
		table = f.table("masks", []number{bits, bits, bits, bits, bits, bits, bits, bits, 0, 0, 0, 0, 0, 0, 0, 0})
		f.tables[bits] = table
	}
	base := f.GP64()
	f.LEAQ(table, base)
	f.NEGQ(reg.RCX)
	m.narrow = f.copy(operand.Mem{Base: base, Index: reg.RCX, Scale: 4, Disp: 32})
	return m
}

// load returns a vector from memory, with zeros where the mask has no element.
func (m mask) load(from reg.Register) vec {
	v, at := m.f.vec(), operand.Mem{Base: from}
	switch {
	case !m.on:
		m.f.VMOVUPS(at, v)
	case m.f.wide:
		m.f.VMOVUPS_Z(at, m.wide, v)
	default:
		m.f.VMASKMOVPS(at, m.narrow, v)
	}
	return v
}

// loadElse returns a vector from memory, with the constant n where the mask has
// no element.
func (m mask) loadElse(from reg.Register, n number) vec {
	if !m.on {
		return m.load(from)
	}
	v := m.f.copy(m.f.use(n))
	if m.f.wide {
		m.f.VMOVUPS(operand.Mem{Base: from}, m.wide, v)
		return v
	}
	m.f.VBLENDVPS(m.narrow, m.load(from), v, v)
	return v
}

// keep returns v with zeros where the mask has no element.
func (m mask) keep(v vec) vec {
	r := m.f.vec()
	if m.f.wide {
		m.f.VMOVAPS_Z(v, m.wide, r)
	} else {
		m.f.VANDPS(v, m.narrow, r)
	}
	return r
}

func (m mask) store(v vec, to reg.Register) {
	at := operand.Mem{Base: to}
	switch {
	case !m.on:
		m.f.VMOVUPS(v, at)
	case m.f.wide:
		m.f.VMOVUPS(v, m.wide, at)
	default:
		m.f.VMASKMOVPS(v, m.narrow, at)
	}
}
