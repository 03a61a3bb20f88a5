// Package neon writes functions in Go's assembly for arm64: a file of functions, their
// parameters by name, registers as many as are needed, and the vector instructions, most
// of which Go's assembler does not know (see instructions.go).
//
// Code is straight: a Func is a list of instructions, and registers are given out when it
// is complete, each for the instructions from its first to its last use. A register that
// is set before a loop and used in it lasts until the loop's end.
package neon

import (
	"fmt"
	"slices"
	"strings"
)

// A Vec is a vector register of 128 bits, and a Reg a general register of 64 bits.
type (
	Vec int
	Reg int
)

// vecs and regs are the numbers of the processor's registers. Of the general ones, the
// platform and Go's compiler, assembler and linker have R16 to R18 and R27 to R31.
var (
	vecs = numbers(0, 31)
	regs = append(numbers(0, 15), numbers(19, 26)...)
)

func numbers(first, last int) (n []int) {
	for i := first; i <= last; i++ {
		n = append(n, i)
	}
	return n
}

// An instruction is a line of assembly. Its arguments are what format prints; registers
// among them are printed as their numbers.
type instruction struct {
	format string
	args   []any
	label  string // is here
	target string // of a jump
	word   uint32 // of an instruction that is written as its bits, of which format is the text
	fields []field
}

// A field is where in an instruction's bits a register's number lies.
type field struct {
	v     Vec
	shift int
}

// A File is a number of functions.
type File struct{ funcs []*Func }

// A Func is a function that is being written.
type Func struct {
	name, signature string
	doc             []string
	offsets         map[string]int // of parameters, by the names that vet wants
	size            int
	vecs, regs      int
	labels          int
	constants       map[uint32]Vec
	order           []uint32
	code            []instruction
}

// Func begins a function. The signature has parameters of the types []T, *T, int and
// float32 and at most one result, a float32.
func (f *File) Func(name, signature string, doc ...string) *Func {
	g := &Func{name: name, signature: signature, doc: doc, offsets: map[string]int{}, constants: map[uint32]Vec{}}
	params, result, _ := strings.Cut(strings.TrimPrefix(signature, "func("), ")")
	var names []string
	for _, p := range strings.Split(params, ", ") {
		name, kind, typed := strings.Cut(p, " ")
		names = append(names, name)
		if !typed {
			continue
		}
		for _, n := range names {
			g.param(n, kind)
		}
		names = nil
	}
	if result != "" {
		g.size = (g.size + 7) &^ 7
		g.offsets["ret"] = g.size
		g.size += 4
	}
	f.funcs = append(f.funcs, g)
	return g
}

func (f *Func) param(name, kind string) {
	switch {
	case kind == "float32":
		f.offsets[name] = f.size
		f.size += 4
		return
	case strings.HasPrefix(kind, "[]"):
		f.size = (f.size + 7) &^ 7
		f.offsets[name+"_base"], f.offsets[name+"_len"] = f.size, f.size+8
		f.size += 24
		return
	case kind == "int" || strings.HasPrefix(kind, "*"):
		f.size = (f.size + 7) &^ 7
		f.offsets[name] = f.size
		f.size += 8
		return
	}
	panic("neon: a parameter of type " + kind)
}

// place returns a parameter as an operand.
func (f *Func) place(name string) string {
	at, ok := f.offsets[name]
	if !ok {
		panic(fmt.Sprintf("neon: %s has no parameter %s", f.name, name))
	}
	return fmt.Sprintf("%s+%d(FP)", name, at)
}

// Vec and Reg return new registers.
func (f *Func) Vec() Vec { f.vecs++; return Vec(f.vecs - 1) }
func (f *Func) Reg() Reg { f.regs++; return Reg(f.regs - 1) }

// Emit appends an instruction of Go's assembler. Vec and Reg arguments are printed as the
// numbers of their registers: "FMOVQ (R%d), F%d".
func (f *Func) Emit(format string, args ...any) {
	f.code = append(f.code, instruction{format: format, args: args})
}

// Label marks the place that jumps to name go to.
func (f *Func) Label(name string) { f.code = append(f.code, instruction{label: name}) }

// NewLabel returns a name for a label that no other has.
func (f *Func) NewLabel() string {
	f.labels++
	return fmt.Sprintf("part%d", f.labels)
}

// Jump appends a jump, "B" or one under a condition: "BLT".
func (f *Func) Jump(kind, label string) {
	f.code = append(f.code, instruction{format: kind + " " + label, target: label})
}

// JumpIfZero appends a jump where r is zero.
func (f *Func) JumpIfZero(r Reg, label string) {
	f.code = append(f.code, instruction{format: "CBZ R%d, " + label, args: []any{r}, target: label})
}

// Return appends the end of the function.
func (f *Func) Return() { f.Emit("RET") }

// Param returns a parameter in a new register: "x_base" and "x_len" of a slice x, or the
// name of a pointer or an int.
func (f *Func) Param(name string) Reg {
	r := f.Reg()
	f.ParamTo(name, r)
	return r
}

// ParamTo loads a parameter to a register.
func (f *Func) ParamTo(name string, r Reg) { f.Emit("MOVD "+f.place(name)+", R%d", r) }

// Scalar returns a float32 parameter in every element of a new register.
func (f *Func) Scalar(name string) Vec {
	v := f.Vec()
	f.Emit("FMOVS "+f.place(name)+", F%d", v)
	return f.Broadcast(v, 0)
}

// Result stores the first element of v as the function's result.
func (f *Func) Result(v Vec) { f.Emit("FMOVS F%d, "+f.place("ret"), v) }

// Constant returns a register with these bits in every element, which is loaded at the
// start of the function and must not be changed.
func (f *Func) Constant(bits uint32) Vec {
	v, ok := f.constants[bits]
	if !ok {
		v = f.Vec()
		f.constants[bits] = v
		f.order = append(f.order, bits)
	}
	return v
}

// complete puts the loads of constants in front.
func (f *Func) complete() []instruction {
	g := Func{regs: f.regs}
	for _, bits := range f.order {
		r := g.Reg()
		g.Emit("MOVD $%#08x, R%d", bits, r)
		g.Emit("VDUP R%d, V%d.S4", r, f.constants[bits])
	}
	f.regs = g.regs
	return append(g.code, f.code...)
}

// A span is the instructions from the first to the last that use a register.
type span struct{ first, last int }

// spans returns those of the registers that the arguments hold.
func spans(code []instruction, n int, of func(arg any) (int, bool)) []span {
	s := make([]span, n)
	for i := range s {
		s[i] = span{-1, -1}
	}
	at := map[string]int{}
	for i, c := range code {
		if c.label != "" {
			at[c.label] = i
		}
		for _, a := range c.args {
			r, ok := of(a)
			if !ok {
				continue
			}
			if s[r].first < 0 {
				s[r].first = i
			}
			s[r].last = i
		}
	}
	for changed := true; changed; {
		changed = false
		for j, c := range code {
			if c.target == "" {
				continue
			}
			i, ok := at[c.target]
			if !ok {
				panic("neon: no label " + c.target)
			}
			for r, v := range s { // that is set before the loop
				if i < j && v.first < i && v.last >= i && v.last < j {
					s[r].last = j
					changed = true
				}
			}
		}
	}
	return s
}

// assign gives each register a number such that no two overlap. One may begin with the
// instruction that another ends with.
func assign(spans []span, numbers []int) ([]int, error) {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return spans[a].first - spans[b].first })
	busy := map[int]int{} // until
	out := make([]int, len(spans))
	for _, r := range order {
		if spans[r].first < 0 {
			continue
		}
		out[r] = -1
		for _, n := range numbers {
			if until, ok := busy[n]; !ok || until <= spans[r].first && until < spans[r].last {
				out[r], busy[n] = n, spans[r].last
				break
			}
		}
		if out[r] < 0 {
			return nil, fmt.Errorf("more than %d registers at instruction %d", len(numbers), spans[r].first)
		}
	}
	return out, nil
}

// text returns the function's assembly.
func (f *Func) text() string {
	code := f.complete()
	vec, err := assign(spans(code, f.vecs, func(a any) (int, bool) { v, ok := a.(Vec); return int(v), ok }), vecs)
	if err != nil {
		panic(fmt.Sprintf("neon: %s: vectors: %v", f.name, err))
	}
	reg, err := assign(spans(code, f.regs, func(a any) (int, bool) { r, ok := a.(Reg); return int(r), ok }), regs)
	if err != nil {
		panic(fmt.Sprintf("neon: %s: general registers: %v", f.name, err))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n// %s\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", strings.Replace(f.signature, "func", "func "+f.name, 1), f.name, f.size)
	for _, c := range code {
		if c.label != "" {
			fmt.Fprintf(&b, "\n%s:\n", c.label)
			continue
		}
		var args []any
		for _, a := range c.args {
			switch a := a.(type) {
			case Vec:
				args = append(args, vec[a])
			case Reg:
				args = append(args, reg[a])
			default:
				args = append(args, a)
			}
		}
		line := fmt.Sprintf(c.format, args...)
		if c.word != 0 {
			word := c.word
			for _, at := range c.fields {
				word |= uint32(vec[at.v]) << at.shift
			}
			line = fmt.Sprintf("WORD $0x%08x // %s", word, line)
		}
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	return b.String()
}

// Assembly returns the file of functions.
func (f *File) Assembly(header string) string {
	text := header + "\n//go:build !noasm\n\n#include \"textflag.h\"\n"
	for _, g := range f.funcs {
		text += g.text()
	}
	return text
}

// Stubs returns the functions' declarations in Go.
func (f *File) Stubs(header, pkg string) string {
	text := header + "\n//go:build !noasm\n\npackage " + pkg + "\n"
	for _, g := range f.funcs {
		text += "\n"
		for _, line := range g.doc {
			switch {
			case line == "" || line[0] == '\t':
				text += "//" + line + "\n"
			default:
				text += "// " + line + "\n"
			}
		}
		text += "//\n//go:noescape\n" + strings.Replace(g.signature, "func", "func "+g.name, 1) + "\n"
	}
	return text
}
