package neon

import (
	"strings"
	"testing"
)

// TestParameters: offsets are those of Go's stack frames (ABI0): aligned, and the result
// behind the parameters at a multiple of eight bytes.
func TestParameters(t *testing.T) {
	var u File
	f := u.Func("f", "func(x []float32, s, t float32, n int, p *float32, r float32) float32", "f does nothing.")
	for name, want := range map[string]int{"x_base": 0, "x_len": 8, "s": 24, "t": 28, "n": 32, "p": 40, "r": 48, "ret": 56} {
		if f.offsets[name] != want {
			t.Errorf("%s at %d, want %d", name, f.offsets[name], want)
		}
	}
	if f.size != 60 {
		t.Errorf("%d bytes", f.size)
	}
	if text := u.Stubs("// x\n", "p"); !strings.Contains(text, "// f does nothing.\n//\n//go:noescape\nfunc f(x []float32") {
		t.Error(text)
	}
}

// TestRegistersInLoops: what is set before a loop and used in it keeps its register to the
// loop's end, while what is done with gives it away.
func TestRegistersInLoops(t *testing.T) {
	var u File
	f := u.Func("f", "func(x *float32, n int)", "f")
	x, n := f.Param("x"), f.Param("n")
	one, early := f.Constant(0x3f800000), f.Load(x, 0)
	f.Label("loop")
	a := f.Add(early, one) // the last use of early
	b := f.Add(a, a)
	f.Store(b, x, 0)
	f.Emit("SUBS $1, R%d", n)
	f.Jump("BNE", "loop")
	f.Return()
	code := f.complete()
	s := spans(code, f.vecs, func(a any) (int, bool) { v, ok := a.(Vec); return int(v), ok })
	at, err := assign(s, numbers(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	if at[early] == at[a] || at[early] == at[b] || at[one] == at[a] || at[one] == at[b] {
		t.Errorf("a register of the loop is overwritten in it: %v", at)
	}
	if at[a] != at[b] {
		t.Errorf("the register of what is done with is not used again: %v", at)
	}
	if _, err := assign(s, numbers(0, 1)); err == nil {
		t.Error("no error with too few registers")
	}
}

// TestEncoding has fields in every place; package kernel's tests compare all with another
// assembler.
func TestEncoding(t *testing.T) {
	var u File
	f := u.Func("f", "func(x *float32)", "f")
	x := f.Param("x")
	a, b, c := f.Load(x, 0), f.Load(x, 16), f.Load(x, 32)
	f.MulAddLane(a, b, c, 3)
	f.Store(a, x, 0)
	f.Return()
	if text := u.Assembly("// x\n"); !strings.Contains(text, "WORD $0x4fa21820 // fmla v0.4s, v1.4s, v2.s[3]") {
		t.Error(text)
	}
}
