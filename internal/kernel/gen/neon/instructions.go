package neon

import "fmt"

// The vector instructions, as their bits (Arm Architecture Reference Manual for A-profile,
// C7.2). In the assembly, each has its text in the syntax of other assemblers beside it,
// from which a test of package kernel assembles it once more, by one of them.
//
// Elements are float32 (or 32 bits), unless a name says otherwise.

// word appends an instruction of vectors, whose numbers lie at bits 0, 5 and 16.
func (f *Func) word(word uint32, format string, v ...Vec) {
	i := instruction{word: word, format: format}
	for n, at := range v {
		i.args = append(i.args, at)
		i.fields = append(i.fields, field{at, []int{0, 5, 16}[n]})
	}
	f.code = append(f.code, i)
}

// three returns the result of an instruction of two vectors.
func (f *Func) three(word uint32, name, shape string, a, b Vec) Vec {
	d := f.Vec()
	f.word(word, fmt.Sprintf("%s v%%d.%[2]s, v%%d.%[2]s, v%%d.%[2]s", name, shape), d, a, b)
	return d
}

// inPlace is three with a result that is an operand too.
func (f *Func) inPlace(word uint32, name, shape string, d, a, b Vec) {
	f.word(word, fmt.Sprintf("%s v%%d.%[2]s, v%%d.%[2]s, v%%d.%[2]s", name, shape), d, a, b)
}

// two returns the result of an instruction of one vector.
func (f *Func) two(word uint32, format string, a Vec) Vec {
	d := f.Vec()
	f.word(word, format, d, a)
	return d
}

// Add, Sub, Mul and Div compute with float32.
func (f *Func) Add(a, b Vec) Vec { return f.three(0x4e20d400, "fadd", "4s", a, b) }
func (f *Func) Sub(a, b Vec) Vec { return f.three(0x4ea0d400, "fsub", "4s", a, b) }
func (f *Func) Mul(a, b Vec) Vec { return f.three(0x6e20dc00, "fmul", "4s", a, b) }
func (f *Func) Div(a, b Vec) Vec { return f.three(0x6e20fc00, "fdiv", "4s", a, b) }

// Min and Max are NaN where an operand is.
func (f *Func) Min(a, b Vec) Vec { return f.three(0x4ea0f400, "fmin", "4s", a, b) }
func (f *Func) Max(a, b Vec) Vec { return f.three(0x4e20f400, "fmax", "4s", a, b) }

// AddTo computes acc += a.
func (f *Func) AddTo(acc, a Vec) { f.inPlace(0x4e20d400, "fadd", "4s", acc, acc, a) }

// MulAdd computes acc += a·b, rounded once, and MulSub acc -= a·b.
func (f *Func) MulAdd(acc, a, b Vec) { f.inPlace(0x4e20cc00, "fmla", "4s", acc, a, b) }
func (f *Func) MulSub(acc, a, b Vec) { f.inPlace(0x4ea0cc00, "fmls", "4s", acc, a, b) }

// FMA returns a·b + c, rounded once, and FNMA c - a·b.
func (f *Func) FMA(a, b, c Vec) Vec {
	d := f.Copy(c)
	f.MulAdd(d, a, b)
	return d
}

func (f *Func) FNMA(a, b, c Vec) Vec {
	d := f.Copy(c)
	f.MulSub(d, a, b)
	return d
}

// lane returns the bits of an element's number.
func lane(i int) uint32 { return uint32(i&1)<<21 | uint32(i>>1)<<11 }

// MulAddLane computes acc += a·b[i], rounded once, MulSubLane acc -= a·b[i], and MulLane
// returns a·b[i].
func (f *Func) MulAddLane(acc, a, b Vec, i int) {
	f.word(0x4f801000|lane(i), fmt.Sprintf("fmla v%%d.4s, v%%d.4s, v%%d.s[%d]", i), acc, a, b)
}

func (f *Func) MulSubLane(acc, a, b Vec, i int) {
	f.word(0x4f805000|lane(i), fmt.Sprintf("fmls v%%d.4s, v%%d.4s, v%%d.s[%d]", i), acc, a, b)
}

func (f *Func) MulLane(a, b Vec, i int) Vec {
	d := f.Vec()
	f.word(0x4f809000|lane(i), fmt.Sprintf("fmul v%%d.4s, v%%d.4s, v%%d.s[%d]", i), d, a, b)
	return d
}

// Broadcast returns element i of a in every element.
func (f *Func) Broadcast(a Vec, i int) Vec {
	return f.two(0x4e000400|(uint32(i)<<3|4)<<16, fmt.Sprintf("dup v%%d.4s, v%%d.s[%d]", i), a)
}

// Abs, Neg and Sqrt compute with float32.
func (f *Func) Abs(a Vec) Vec  { return f.two(0x4ea0f800, "fabs v%d.4s, v%d.4s", a) }
func (f *Func) Neg(a Vec) Vec  { return f.two(0x6ea0f800, "fneg v%d.4s, v%d.4s", a) }
func (f *Func) Sqrt(a Vec) Vec { return f.two(0x6ea1f800, "fsqrt v%d.4s, v%d.4s", a) }

// ToFloat converts integers to float32.
func (f *Func) ToFloat(a Vec) Vec { return f.two(0x4e21d800, "scvtf v%d.4s, v%d.4s", a) }

// ToDouble returns the lower and the upper two elements as float64.
func (f *Func) ToDouble(a Vec) (lower, upper Vec) {
	return f.two(0x0e617800, "fcvtl v%d.2d, v%d.2s", a), f.two(0x4e617800, "fcvtl2 v%d.2d, v%d.4s", a)
}

// ToSingle returns the two elements of float64 as float32, and zeros.
func (f *Func) ToSingle(a Vec) Vec { return f.two(0x0e616800, "fcvtn v%d.2s, v%d.2d", a) }

// AddDoubles computes acc += a, and MulAddDoubles acc += a·b, with float64.
func (f *Func) AddDoubles(acc, a Vec)       { f.inPlace(0x4e60d400, "fadd", "2d", acc, acc, a) }
func (f *Func) MulAddDoubles(acc, a, b Vec) { f.inPlace(0x4e60cc00, "fmla", "2d", acc, a, b) }

// Greater returns ones where a > b, AtLeast where a ≥ b, and Equal where a = b, with
// float32; zeros elsewhere, as where an operand is NaN.
func (f *Func) Greater(a, b Vec) Vec { return f.three(0x6ea0e400, "fcmgt", "4s", a, b) }
func (f *Func) AtLeast(a, b Vec) Vec { return f.three(0x6e20e400, "fcmge", "4s", a, b) }
func (f *Func) Equal(a, b Vec) Vec   { return f.three(0x4e20e400, "fcmeq", "4s", a, b) }

// GreaterInt returns ones where a > b, with integers.
func (f *Func) GreaterInt(a, b Vec) Vec { return f.three(0x4ea03400, "cmgt", "4s", a, b) }

// AddInt and SubInt compute with integers.
func (f *Func) AddInt(a, b Vec) Vec { return f.three(0x4ea08400, "add", "4s", a, b) }
func (f *Func) SubInt(a, b Vec) Vec { return f.three(0x6ea08400, "sub", "4s", a, b) }

// And, Or, Xor and Clear (a without the ones of b) compute with bits.
func (f *Func) And(a, b Vec) Vec   { return f.three(0x4e201c00, "and", "16b", a, b) }
func (f *Func) Or(a, b Vec) Vec    { return f.three(0x4ea01c00, "orr", "16b", a, b) }
func (f *Func) Xor(a, b Vec) Vec   { return f.three(0x6e201c00, "eor", "16b", a, b) }
func (f *Func) Clear(a, b Vec) Vec { return f.three(0x4e601c00, "bic", "16b", a, b) }

// Select returns the bits of yes where mask, which it takes, has ones, and of no elsewhere.
func (f *Func) Select(mask, yes, no Vec) Vec {
	f.inPlace(0x6e601c00, "bsl", "16b", mask, yes, no)
	return mask
}

// Insert puts the bits of a into d where mask has ones.
func (f *Func) Insert(d, a, mask Vec) { f.inPlace(0x6ea01c00, "bit", "16b", d, a, mask) }

// Copy returns a in a new register, and CopyTo puts it into d.
func (f *Func) Copy(a Vec) Vec {
	d := f.Vec()
	f.CopyTo(d, a)
	return d
}

func (f *Func) CopyTo(d, a Vec) {
	f.code = append(f.code, instruction{word: 0x4ea01c00, format: "mov v%d.16b, v%d.16b", args: []any{d, a},
		fields: []field{{d, 0}, {a, 5}, {a, 16}}})
}

// Zero returns zeros.
func (f *Func) Zero() Vec {
	d := f.Vec()
	f.word(0x4f000400, "movi v%d.4s, #0", d)
	return d
}

// ShiftLeft, ShiftRight and ShiftRightSigned shift elements by n bits.
func (f *Func) ShiftLeft(a Vec, n int) Vec {
	return f.two(0x4f005400|uint32(32+n)<<16, fmt.Sprintf("shl v%%d.4s, v%%d.4s, #%d", n), a)
}

func (f *Func) ShiftRight(a Vec, n int) Vec {
	return f.two(0x6f000400|uint32(64-n)<<16, fmt.Sprintf("ushr v%%d.4s, v%%d.4s, #%d", n), a)
}

func (f *Func) ShiftRightSigned(a Vec, n int) Vec {
	return f.two(0x4f000400|uint32(64-n)<<16, fmt.Sprintf("sshr v%%d.4s, v%%d.4s, #%d", n), a)
}

// HighHalves returns the upper 16 bits of the elements of a, then those of b.
func (f *Func) HighHalves(a, b Vec) Vec {
	d := f.two(0x0f108400, "shrn v%d.4h, v%d.4s, #16", a)
	f.word(0x4f108400, "shrn2 v%d.8h, v%d.4s, #16", d, b)
	return d
}

// ToHighHalves returns the lower and the upper four elements of 16 bits as the upper
// halves of elements, over zeros.
func (f *Func) ToHighHalves(a Vec) (lower, upper Vec) {
	return f.two(0x2e613800, "shll v%d.4s, v%d.4h, #16", a), f.two(0x6e613800, "shll2 v%d.4s, v%d.8h, #16", a)
}

// Widen returns the lower and the upper integers of 16 bits in 32 bits, and WidenBytes
// those of 8 bits in 16.
func (f *Func) Widen(a Vec) (lower, upper Vec) {
	return f.two(0x0f10a400, "sshll v%d.4s, v%d.4h, #0", a), f.two(0x4f10a400, "sshll2 v%d.4s, v%d.8h, #0", a)
}

func (f *Func) WidenBytes(a Vec) (lower, upper Vec) {
	return f.two(0x0f08a400, "sshll v%d.8h, v%d.8b, #0", a), f.two(0x4f08a400, "sshll2 v%d.8h, v%d.16b, #0", a)
}

// Evens returns a[0], b[0], a[2], b[2], and Odds a[1], b[1], a[3], b[3].
func (f *Func) Evens(a, b Vec) Vec { return f.three(0x4e802800, "trn1", "4s", a, b) }
func (f *Func) Odds(a, b Vec) Vec  { return f.three(0x4e806800, "trn2", "4s", a, b) }

// Lows returns a[0], a[1], b[0], b[1], and Highs a[2], a[3], b[2], b[3].
func (f *Func) Lows(a, b Vec) Vec  { return f.three(0x4ec02800, "trn1", "2d", a, b) }
func (f *Func) Highs(a, b Vec) Vec { return f.three(0x4ec06800, "trn2", "2d", a, b) }

// Load returns the vector at p + at, and Store puts one there. at is a multiple of 16
// below 64 KiB.
func (f *Func) Load(p Reg, at int) Vec {
	v := f.Vec()
	f.Emit("FMOVQ %d(R%d), F%d", at, p, v)
	return v
}

func (f *Func) Store(v Vec, p Reg, at int) { f.Emit("FMOVQ F%d, %d(R%d)", v, at, p) }

// LoadNext returns the vector at p, which then goes on.
func (f *Func) LoadNext(p Reg) Vec {
	v := f.Vec()
	f.Emit("FMOVQ.P 16(R%d), F%d", p, v)
	return v
}

// LoadTwo returns two vectors at p, which then goes on.
func (f *Func) LoadTwo(p Reg) (a, b Vec) {
	a, b = f.Vec(), f.Vec()
	f.Emit("FLDPQ.P 32(R%d), (F%d, F%d)", p, a, b)
	return a, b
}

// LoadSingle returns the float32 at p, which then goes on, and zeros.
func (f *Func) LoadSingle(p Reg) Vec {
	v := f.Vec()
	f.Emit("FMOVS.P 4(R%d), F%d", p, v)
	return v
}

// LoadAll returns the float32 at p + at in every element.
func (f *Func) LoadAll(p Reg, at int) Vec {
	v := f.Vec()
	f.Emit("FMOVS %d(R%d), F%d", at, p, v)
	return f.Broadcast(v, 0)
}

// Largest returns the largest element as the first one, NaN where one is.
func (f *Func) Largest(a Vec) Vec { return f.two(0x6e30f800, "fmaxv s%d, v%d.4s", a) }

// SumOfDoubles returns the sum of both elements, with float64.
func (f *Func) SumOfDoubles(a Vec) Vec { return f.two(0x7e70d800, "faddp d%d, v%d.2d", a) }

// ToInt rounds float32 to integers, halves to the even one.
func (f *Func) ToInt(a Vec) Vec { return f.two(0x4e21a800, "fcvtns v%d.4s, v%d.4s", a) }

// LowHalves returns the lower 16 bits of the elements of a, then those of b.
func (f *Func) LowHalves(a, b Vec) Vec { return f.three(0x4e401800, "uzp1", "8h", a, b) }
