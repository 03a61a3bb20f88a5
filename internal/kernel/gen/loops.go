package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elementwise writes a function of slices, element by element. The elements behind
// the last whole vector are computed in the same way under a mask, so that none
// depends on its place.
func (f *vectors) elementwise(name, doc string, body func(f *vectors, in []vec) vec, inputs ...string) {
	out := strings.Fields(strings.Replace(doc, "[", " ", 1))[0]
	f.begin(name, "computes", "", "\tfor i := range "+out+" {", "\t\t"+doc, "\t}")
	f.constants(func(f *vectors) { body(f, []vec{f.vec(), f.vec(), f.vec()}[:len(inputs)]) })
	dst := f.Load(f.Param(out).Base(), f.GP64())
	pointers := []reg.Register{dst}
	for _, in := range inputs {
		pointers = append(pointers, f.Load(f.Param(in).Base(), f.GP64()))
	}
	f.loop(f.Param(out).Len(), pointers, func(m mask) {
		var in []vec
		for _, p := range pointers[1:] {
			in = append(in, m.load(p))
		}
		m.store(body(f, in), dst)
	})
	f.end()
}

// withScalar is elementwise with a factor that all elements share. An input named
// dst is what is there before.
func (f *vectors) withScalar(name, doc, scalar string, body func(f *vectors, in []vec, s vec) vec, inputs ...string) {
	out := strings.Fields(strings.Replace(doc, "[", " ", 1))[0]
	names := append([]string{out}, inputs...)
	if inputs[0] == out {
		names = inputs
	}
	f.begin(name, "computes", "", fmt.Sprintf("\tfor i := range %s {", out), "\t\t"+doc, "\t}")
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

// rows runs a loop over the columns of every row. Pointers named in shared are at
// the front of their slices again in each row, the others go on by stride elements.
// The parameters rows, stride and the slice that cols names the length of are not
// zero.
func (f *vectors) rows(cols string, moving, shared []string, body func(m mask, at func(name string) reg.Register)) {
	pointer := map[string]reg.Register{}
	var pointers []reg.Register
	for _, n := range append(append([]string(nil), moving...), shared...) {
		pointer[n] = f.Load(f.Param(n).Base(), f.GP64())
		pointers = append(pointers, pointer[n])
	}
	rows, skip := f.Load(f.Param("rows"), f.GP64()), f.Load(f.Param("stride"), f.GP64())
	f.SHLQ(operand.Imm(2), skip)
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

// loop runs a body on every whole vector, and once more under a mask on what is
// left. It moves the pointers on.
func (f *vectors) loop(length gotypes.Component, pointers []reg.Register, body func(m mask)) {
	f.Load(length, reg.RCX) // a shift's count is in CL
	n := reg.RCX
	f.CMPQ(n, operand.Imm(uint64(f.lanes())))
	f.JLT(operand.LabelRef("tail"))
	f.Label("loop")
	body(mask{f: f})
	for _, p := range pointers {
		f.ADDQ(operand.Imm(uint64(4*f.lanes())), p)
	}
	f.SUBQ(operand.Imm(uint64(f.lanes())), n)
	f.CMPQ(n, operand.Imm(uint64(f.lanes())))
	f.JGE(operand.LabelRef("loop"))
	f.Label("tail")
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef("done"))
	body(f.mask())
	f.Label("done")
}

// reduce returns the elements of a vector joined in halves, quarters and so on.
func (f *vectors) reduce(v vec, join func(a, b, c reg.VecVirtual)) {
	y := v
	if f.wide {
		y = f.YMM()
		f.VEXTRACTF32X8(operand.Imm(1), v, y)
		join(y, v.AsY().(vec), y)
	}
	x := f.XMM()
	f.VEXTRACTF128(operand.Imm(1), y, x)
	join(x, y.AsX().(vec), x)
	z := f.XMM()
	f.VPERMILPS(operand.Imm(0b01_00_11_10), x, z)
	join(z, x, x)
	f.VPERMILPS(operand.Imm(0b10_11_00_01), x, z)
	join(z, x, x)
	f.Store(x, f.ReturnIndex(0))
	f.end()
}
