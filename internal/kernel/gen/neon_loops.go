package main

import (
	"strings"

	"github.com/facodec-go/facodec/internal/kernel/gen/neon"
)

// armLanes is the number of elements in a register.
const armLanes = 4

// use returns a constant in every element of a register, which must not be changed.
func (f *arm) use(n number) neon.Vec { return f.Constant(uint32(n)) }

// begins returns where the slices named start.
func (f *arm) begins(names ...string) []neon.Reg {
	var p []neon.Reg
	for _, n := range names {
		p = append(p, f.Param(n+"_base"))
	}
	return p
}

// stride returns a parameter that counts elements as a number of bytes.
func (f *arm) stride(name string) neon.Reg {
	r := f.Param(name)
	f.Emit("LSL $2, R%d", r)
	return r
}

// advance adds to pointers.
func (f *arm) advance(bytes int, pointers ...neon.Reg) {
	for _, p := range pointers {
		f.Emit("ADD $%d, R%d", bytes, p)
	}
}

// move adds a register to pointers.
func (f *arm) move(by neon.Reg, pointers ...neon.Reg) {
	for _, p := range pointers {
		f.Emit("ADD R%d, R%d", by, p)
	}
}

// copyReg returns r in a new register.
func (f *arm) copyReg(r neon.Reg) neon.Reg {
	d := f.Reg()
	f.Emit("MOVD R%d, R%d", r, d)
	return d
}

// count ends a loop that goes on to label while n, less one, is not zero.
func (f *arm) count(n neon.Reg, label string) {
	f.Emit("SUBS $1, R%d", n)
	f.Jump("BNE", label)
}

// A part says which elements of a vector to load and store: all of them, from so many bytes
// behind the pointers on, or the one, two or three that the slice still has.
type part struct {
	f    *arm
	at   int
	on   bool
	left neon.Reg
}

// load returns a vector from memory, with zeros where there is no element.
func (m part) load(from neon.Reg) neon.Vec {
	if !m.on {
		return m.f.Load(from, m.at)
	}
	v := m.f.Zero()
	m.each("VLD1", from, v)
	return v
}

// loadElse returns a vector from memory, with the constant n where there is no element.
func (m part) loadElse(from neon.Reg, n number) neon.Vec {
	if !m.on {
		return m.f.Load(from, m.at)
	}
	v := m.f.Copy(m.f.use(n))
	m.each("VLD1", from, v)
	return v
}

func (m part) store(v neon.Vec, to neon.Reg) {
	if !m.on {
		m.f.Store(v, to, m.at)
		return
	}
	m.each("VST1", to, v)
}

// each loads or stores one element after the other.
func (m part) each(instruction string, at neon.Reg, v neon.Vec) {
	p, end := m.f.copyReg(at), m.f.NewLabel()
	next := func(i int) {
		if instruction == "VLD1" {
			m.f.Emit("VLD1.P 4(R%d), V%d.S[%d]", p, v, i)
		} else {
			m.f.Emit("VST1.P V%d.S[%d], 4(R%d)", v, i, p)
		}
	}
	next(0)
	m.f.Emit("CMP $2, R%d", m.left)
	m.f.Jump("BLT", end)
	next(1)
	m.f.Jump("BEQ", end)
	next(2)
	m.f.Label(end)
}

// keep returns v with zeros where there is no element.
func (m part) keep(v neon.Vec) neon.Vec {
	f := m.f
	pair, index, left := f.Reg(), f.Vec(), f.Vec()
	f.Emit("MOVD $0x100000000, R%d", pair)
	f.Emit("VMOV R%d, V%d.D[0]", pair, index)
	f.Emit("MOVD $0x300000002, R%d", pair)
	f.Emit("VMOV R%d, V%d.D[1]", pair, index)
	f.Emit("VDUP R%d, V%d.S4", m.left, left)
	return f.And(v, f.GreaterInt(left, index))
}

// loop runs a body on every whole vector, two of them at a time, and once more on the
// elements that are left. It moves the pointers on.
func (f *arm) loop(length string, pointers []neon.Reg, body func(m part)) {
	n := f.Param(length)
	f.Emit("SUBS $%d, R%d", 2*armLanes, n)
	f.Jump("BLT", "one")
	f.Label("loop")
	body(part{f: f})
	body(part{f: f, at: 4 * armLanes})
	f.advance(8*armLanes, pointers...)
	f.Emit("SUBS $%d, R%d", 2*armLanes, n)
	f.Jump("BGE", "loop")
	f.Label("one")
	f.Emit("ADDS $%d, R%d", armLanes, n)
	f.Jump("BLT", "tail")
	body(part{f: f})
	f.advance(4*armLanes, pointers...)
	f.Emit("SUB $%d, R%d", armLanes, n)
	f.Label("tail")
	f.Emit("ADDS $%d, R%d", armLanes, n)
	f.Jump("BEQ", "done")
	body(part{f: f, on: true, left: n})
	f.Label("done")
}

// elementwise writes a function of slices, element by element.
func (u *armFile) elementwise(name, doc string, body func(f *arm, in []neon.Vec) neon.Vec, inputs ...string) {
	out := strings.Fields(strings.Replace(doc, "[", " ", 1))[0]
	f := u.begin(name, "computes", "", "\tfor i := range "+out+" {", "\t\t"+doc, "\t}")
	dst := f.Param(out + "_base")
	from := f.begins(inputs...)
	f.loop(out+"_len", append([]neon.Reg{dst}, from...), func(m part) {
		var in []neon.Vec
		for _, p := range from {
			in = append(in, m.load(p))
		}
		m.store(body(f, in), dst)
	})
	f.Return()
}

// withScalar is elementwise with a factor that all elements share. An input named as the
// result is what is there before.
func (u *armFile) withScalar(name, doc, scalar string, body func(f *arm, in []neon.Vec, s neon.Vec) neon.Vec, inputs ...string) {
	out := strings.Fields(strings.Replace(doc, "[", " ", 1))[0]
	f := u.begin(name, "computes", "", "\tfor i := range "+out+" {", "\t\t"+doc, "\t}")
	dst := f.Param(out + "_base")
	pointers, from := []neon.Reg{dst}, []neon.Reg{}
	for _, n := range inputs {
		p := dst
		if n != out {
			p = f.Param(n + "_base")
			pointers = append(pointers, p)
		}
		from = append(from, p)
	}
	s := f.Scalar(scalar)
	f.loop(out+"_len", pointers, func(m part) {
		var in []neon.Vec
		for _, p := range from {
			in = append(in, m.load(p))
		}
		m.store(body(f, in, s), dst)
	})
	f.Return()
}

// rows runs a loop over the columns of every row. Pointers named in shared are at the
// front of their slices again in each row, the others go on by stride elements. The
// parameters rows, stride and the slice that cols names the length of are not zero.
func (f *arm) rows(cols string, moving, shared []string, body func(m part, at func(name string) neon.Reg)) {
	pointer := map[string]neon.Reg{}
	var pointers []neon.Reg
	for _, n := range append(append([]string(nil), moving...), shared...) {
		pointer[n] = f.Param(n + "_base")
		pointers = append(pointers, pointer[n])
	}
	rows, skip, n := f.Param("rows"), f.Param("stride"), f.Param(cols+"_len")
	// A row's whole vectors move the pointers; skip is the rest of the stride.
	f.Emit("AND $-%d, R%d", armLanes, n)
	f.Emit("SUB R%d, R%d", n, skip)
	f.Emit("LSL $2, R%d", skip)
	f.Label("row")
	f.loop(cols+"_len", pointers, func(m part) {
		body(m, func(name string) neon.Reg { return pointer[name] })
	})
	for _, name := range moving {
		f.move(skip, pointer[name])
	}
	for _, name := range shared {
		f.ParamTo(name+"_base", pointer[name])
	}
	f.count(rows, "row")
	f.Return()
}

// sixteens runs a body on every 16 elements of a multiple of 16; the body moves the
// pointers.
func (f *arm) sixteens(length string, body func()) {
	n := f.Param(length)
	f.Emit("LSR $4, R%d", n)
	f.JumpIfZero(n, "done")
	f.Label("loop")
	body()
	f.count(n, "loop")
	f.Label("done")
	f.Return()
}
