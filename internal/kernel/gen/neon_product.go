package main

import (
	"fmt"
	"strings"

	"github.com/facodec-go/facodec/internal/kernel/gen/neon"
)

// An armProduct is a product of NEON. Tiles are rows by panels of four registers each.
// Inputs are loaded four at a time, as the elements that instructions multiply by, and
// weights two registers at a time. Six rows of one panel take 24 registers for sums, 6 for
// inputs and 2 for weights, which is all of them.
type armProduct struct {
	name, doc string
	tiles     []tile
	steps     int // input channels, or pairs of them, in a register of inputs
	inputs    int // values of a row in a step
	// weights returns the next two registers of a panel's weights, each for the first and,
	// of pairs, the second value of a step. p goes on.
	weights func(f *arm, p neon.Reg) [][]neon.Vec
}

// armProducts writes the tiles that panelsNEON and its like of package kernel ask for, and
// those with half and a quarter of their panels.
func armProducts(u *armFile) {
	tiles := func(most ...int) (t []tile) {
		for i, panels := range most {
			for p := panels; p > 0; p /= 2 {
				t = append(t, tile{i + 1, p})
			}
		}
		return t
	}
	float := armProduct{name: "NEON", doc: productDoc, tiles: tiles(4, 2, 2, 1, 1, 1), steps: 4, inputs: 1,
		weights: func(f *arm, p neon.Reg) [][]neon.Vec {
			a, b := f.LoadTwo(p)
			return [][]neon.Vec{{a}, {b}}
		}}
	// The odd one of a pair of weights is its upper half, the even one its lower half,
	// shifted up. These take three registers more.
	expanded := armProduct{name: "ExpandedNEON", doc: productExpandedDoc, tiles: tiles(4, 2, 2, 1, 1), steps: 2, inputs: 2,
		weights: func(f *arm, p neon.Reg) [][]neon.Vec {
			a, b := f.LoadTwo(p)
			return [][]neon.Vec{{f.And(a, f.use(highWord)), f.ShiftLeft(a, 16)}, {f.And(b, f.use(highWord)), f.ShiftLeft(b, 16)}}
		}}
	integers := armProduct{name: "Int16NEON", doc: productInt16Doc, tiles: tiles(4, 2, 2, 1), steps: 4, inputs: 1,
		weights: func(f *arm, p neon.Reg) [][]neon.Vec {
			a, b := f.Widen(f.LoadNext(p))
			return [][]neon.Vec{{f.ToFloat(a)}, {f.ToFloat(b)}}
		}}
	for _, p := range []armProduct{float, expanded, integers} {
		p.function(u)
	}
}

// function writes a product's tiles.
func (p armProduct) function(u *armFile) {
	list := ""
	for i, t := range p.tiles {
		if i > 0 {
			list += ", "
		}
		list += fmt.Sprintf("%dx%d", t.rows, t.panels)
	}
	f := &arm{u.Func("productTile"+p.name, "func(rows, panels int, dst, init, bias, a, w *float32, ldDst, ldInit, ldA, ldTap, ldW, taps, k int)",
		strings.Split(fmt.Sprintf(p.doc, p.name, list), "\n")...)}
	// Tiles are told apart by rows + 16*panels.
	which, rows := f.Param("panels"), f.Param("rows")
	f.Emit("ADD R%d<<4, R%d", which, rows)
	for _, t := range p.tiles {
		f.Emit("CMP $%d, R%d", t.rows+16*t.panels, rows)
		f.Jump("BEQ", t.label(""))
	}
	f.Emit("UNDEF") // no such tile
	for _, t := range p.tiles {
		p.tile(f, t)
	}
}

func (p armProduct) tile(f *arm, t tile) {
	f.Label(t.label(""))
	a := f.rowsFrom("a", "ldA", t.rows)
	w := f.rowsFrom("w", "ldW", t.panels)
	n := 4 * t.panels
	acc := make([][]neon.Vec, t.rows)
	at := f.Param("bias")
	for v := range n {
		acc[0] = append(acc[0], f.Load(at, 16*v))
	}
	for r := 1; r < t.rows; r++ {
		for v := range n {
			acc[r] = append(acc[r], f.Copy(acc[0][v]))
		}
	}
	init := f.Param("init")
	f.JumpIfZero(init, t.label("start"))
	ld := f.Param("ldInit")
	for r := range t.rows {
		for v := range n {
			f.AddTo(acc[r][v], f.Load(init, 16*v))
		}
		if r < t.rows-1 {
			f.Emit("ADD R%d, R%d", ld, init)
		}
	}

	// A step leaves the pointers of the input behind the last value of a tap.
	f.Label(t.label("start"))
	taps, k := f.Param("taps"), f.Param("k")
	f.JumpIfZero(taps, t.label("store"))
	adjust := f.Param("ldTap")
	f.Emit("SUB R%d<<%d, R%d", k, 1+p.inputs, adjust)

	f.Label(t.label("tap"))
	left := f.Reg()
	f.Emit("SUBS $%d, R%d, R%d", p.steps, k, left)
	f.Jump("BLT", t.label("rest"))
	f.Label(t.label("loop"))
	in := make([]neon.Vec, t.rows)
	for r := range in {
		in[r] = f.LoadNext(a[r])
	}
	for s := range p.steps {
		p.step(f, acc, in, w, s*p.inputs)
	}
	f.Emit("SUBS $%d, R%d", p.steps, left)
	f.Jump("BGE", t.label("loop"))
	f.Label(t.label("rest"))
	f.Emit("ADDS $%d, R%d", p.steps, left)
	f.Jump("BEQ", t.label("next"))
	f.Label(t.label("one"))
	for r := range in {
		in[r] = f.Vec()
		if p.inputs == 2 {
			f.Emit("FMOVD.P 8(R%d), F%d", a[r], in[r])
		} else {
			f.Emit("FMOVS.P 4(R%d), F%d", a[r], in[r])
		}
	}
	p.step(f, acc, in, w, 0)
	f.Emit("SUBS $1, R%d", left)
	f.Jump("BNE", t.label("one"))
	f.Label(t.label("next"))
	for _, pointer := range a {
		f.Emit("ADD R%d, R%d", adjust, pointer)
	}
	f.Emit("SUBS $1, R%d", taps)
	f.Jump("BNE", t.label("tap"))

	f.Label(t.label("store"))
	dst, ld := f.Param("dst"), f.Param("ldDst")
	for r := range t.rows {
		for v := 0; v < n; v += 2 {
			f.Emit("FSTPQ (F%d, F%d), %d(R%d)", acc[r][v], acc[r][v+1], 16*v, dst)
		}
		if r < t.rows-1 {
			f.Emit("ADD R%d, R%d", ld, dst)
		}
	}
	f.Return()
}

// step multiplies the values of one step, which begin at an element of in.
func (p armProduct) step(f *arm, acc [][]neon.Vec, in []neon.Vec, w []neon.Reg, element int) {
	for panel, pointer := range w {
		for v := 0; v < 4; {
			for _, parts := range p.weights(f, pointer) {
				for i, weight := range parts {
					for r := range acc {
						f.MulAddLane(acc[r][4*panel+v], weight, in[r], element+i)
					}
				}
				v++
			}
		}
	}
}

// rowsFrom returns pointers to n rows from a parameter on, which lie a stride of bytes
// apart.
func (f *arm) rowsFrom(first, stride string, n int) []neon.Reg {
	p := []neon.Reg{f.Param(first)}
	if n > 1 {
		ld := f.Param(stride)
		for i := 1; i < n; i++ {
			next := f.Reg()
			f.Emit("ADD R%d, R%d, R%d", ld, p[i-1], next)
			p = append(p, next)
		}
	}
	return p
}
