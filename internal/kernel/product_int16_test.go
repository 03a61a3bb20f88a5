package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// testProductInt16 makes a product of m rows; the input ends with the last value that is
// read.
func testProductInt16(r *rand.Rand, m, k, n int) *ProductInt16 {
	w := NewPanels(nil, 1, k, n)
	for c := range n {
		size := math.Exp(3 * r.NormFloat64()) // each output channel has its own scale
		for i := range k {
			w.Data[w.Index(0, i, c)] = float32(size * r.NormFloat64())
		}
	}
	p := &ProductInt16{LdA: k + r.IntN(9), LdDst: w.Count()*Width + r.IntN(9), LdInit: w.Count()*Width + r.IntN(9),
		W: w.QuantizeInt16(func(n int) []float32 { return make([]float32, n) })}
	p.A = random(r, (m-1)*p.LdA+k)
	p.Dst, p.Init = random(r, m*p.LdDst), random(r, m*p.LdInit)
	return p
}

// TestSumsInt16: equal to those of the generic product where every sum is exact.
func TestSumsInt16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for rows := 1; rows <= rowsInt16; rows++ {
			for panels := 1; panels <= panelsInt16; panels++ {
				for _, k := range []int{1, 2, 3, 4, 5, 8, 31, 60} {
					p := testProductInt16(r, rows, k, (panels+2)*Width)
					for i := range p.A {
						p.A[i] = float32(r.IntN(17) - 8)
					}
					got, want := make([]float32, rows*panels*Width), make([]float32, rows*panels*Width)
					first := r.IntN(3)
					productInt16(got, p.A, p.LdA, p.W, rows, first, panels)
					productInt16Generic(want, p.A, p.LdA, p.W, rows, first, panels)
					for i, v := range want {
						if got[i] != v { // 0 may be -0
							t.Fatalf("%d rows, %d panels, k %d: sum %d is %v, want %v", rows, panels, k, i, got[i], v)
						}
					}
				}
			}
		}
	})
}

// TestProductInt16: near the sum of products in float64, the same in parts, in place and
// with any number of rows, and nothing beside it is written.
func TestProductInt16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for range 60 {
			m, k, n := 1+r.IntN(9), 1+r.IntN(150), 1+r.IntN(150)
			p := testProductInt16(r, m, k, n)
			w, before := p.W, append([]float32(nil), p.Dst...)
			p.Run(0, m, 0, w.Count())
			for at, v := range p.Dst {
				row, c := at/p.LdDst, at%p.LdDst
				if c >= w.Count()*Width {
					if v != before[at] {
						t.Fatalf("wrote column %d beside the product", c)
					}
					continue
				}
				start := float64(p.Init[row*p.LdInit+c])
				want, size := start, math.Abs(start)
				for i := range k {
					d := float64(p.A[row*p.LdA+i]) * float64(w.Data[(c/Width*k+i)*Width+c%Width]) * float64(w.Scale[c])
					want, size = want+d, size+math.Abs(d)
				}
				if math.Abs(float64(v)-want) > 1e-6*size+1e-30 {
					t.Fatalf("%d rows, k %d, n %d: row %d, column %d is %v, want %v", m, k, n, row, c, v, want)
				}
			}
			parts := *p
			parts.Dst = make([]float32, len(p.Init)) // in place, as in an LSTM
			copy(parts.Dst, p.Init)
			parts.Init, parts.LdDst = parts.Dst, p.LdInit
			row, panel := r.IntN(m+1), r.IntN(w.Count()+1)
			for _, rows := range [][2]int{{0, row}, {row, m}} {
				parts.Run(rows[0], rows[1], panel, w.Count())
				parts.Run(rows[0], rows[1], 0, panel)
			}
			for i := range m {
				same(t, "in parts", parts.Dst[i*p.LdInit:][:w.Count()*Width], p.Dst[i*p.LdDst:][:w.Count()*Width])
			}
		}
	})
}

// TestQuantizeInt16 has channels of zeros, of one value and of many.
func TestQuantizeInt16(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	const k, n = 37, 40
	w := NewPanels(nil, 1, k, n)
	for i := range k {
		for c := 1; c < n; c++ {
			w.Data[w.Index(0, i, c)] = float32(r.NormFloat64()) * float32(c)
		}
	}
	w.Data[w.Index(0, 5, 2)] = -1000
	q := w.QuantizeInt16(func(n int) []float32 { return make([]float32, n) })
	if q.Scale[0] != 0 || q.Data[5*Width+2] != -maxInt16 {
		t.Errorf("scale of zeros %v, largest weight %d", q.Scale[0], q.Data[5*Width+2])
	}
	for i, v := range w.Data {
		scale := float64(q.Scale[i/(k*Width)*Width+i%Width])
		if d := math.Abs(float64(v) - float64(q.Data[i])*scale); d > 0.51*scale {
			t.Errorf("weight %v became %d times %v", v, q.Data[i], scale)
		}
	}
}

// TestProductInt16Checks: what is too short is refused, not read.
func TestProductInt16Checks(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for name, spoil := range map[string]func(p *ProductInt16){
		"input":   func(p *ProductInt16) { p.A = p.A[:len(p.A)-1] },
		"output":  func(p *ProductInt16) { p.Dst = p.Dst[:p.LdDst] },
		"initial": func(p *ProductInt16) { p.Init = nil },
		"weights": func(p *ProductInt16) { p.W.Data = p.W.Data[:len(p.W.Data)-1] },
		"scales":  func(p *ProductInt16) { p.W.Scale = p.W.Scale[:Width] },
	} {
		p := testProductInt16(r, 2, 20, 3*Width)
		spoil(p)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("short %s: no panic", name)
				}
			}()
			p.Run(0, 2, 0, 3)
		}()
	}
}
