package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// quantizeInt16 returns panels in 16 bits.
func quantizeInt16(w *Panels) *Panels {
	q := NewPanelsInt16(aligned, w.Taps, w.K, w.N)
	for i := range w.Count() {
		q.SetInt16(i, w.Data[i*w.stride():])
	}
	return q
}

// testProductInt16 makes a product of m rows, which may overlap; the input ends with the last
// value that is read.
func testProductInt16(r *rand.Rand, m, taps, k, n int) *Product {
	w := NewPanels(nil, taps, k, n)
	for c := range n {
		size := math.Exp(3 * r.NormFloat64()) // each output channel has its own scale
		for i := range taps * k {
			w.Data[w.Index(i/k, i%k, c)] = float32(size * r.NormFloat64())
		}
	}
	columns := w.Count() * Width
	p := &Product{LdA: 1 + r.IntN(k+8), LdTap: k + r.IntN(9), LdDst: columns + r.IntN(9), LdInit: columns + r.IntN(9), W: quantizeInt16(w)}
	p.A = random(r, (m-1)*p.LdA+(taps-1)*p.LdTap+k)
	p.Dst, p.Init, p.Bias = random(r, m*p.LdDst), random(r, m*p.LdInit), random(r, columns)
	return p
}

// TestSumsInt16: equal to those of the generic product where every sum is exact.
func TestSumsInt16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for rows := 1; rows <= rowsInt16; rows++ {
			for panels := 1; panels <= panelsInt16; panels++ {
				for _, k := range []int{1, 2, 3, 4, 5, 8, 31, 60} {
					p := testProductInt16(r, rows+2, 1+r.IntN(2), k, (panels+2)*Width)
					for i := range p.A {
						p.A[i] = float32(r.IntN(9) - 4)
					}
					got, want := make([]float32, rows*panels*Width), make([]float32, rows*panels*Width)
					row, first := r.IntN(3), r.IntN(3)
					productInt16(got, p, row, rows, first, panels)
					productInt16Generic(want, p, row, rows, first, panels)
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
		for i := range 90 {
			m, taps, k, n := 1+r.IntN(30), 1+r.IntN(3), 1+r.IntN(150), 1+r.IntN(150)
			p := testProductInt16(r, m, taps, k, n)
			if i%3 == 0 {
				p.Bias = nil
			}
			if i%4 == 0 {
				p.Init = nil
			}
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
				var want float64
				if p.Bias != nil {
					want = float64(p.Bias[c])
				}
				if p.Init != nil {
					want += float64(p.Init[row*p.LdInit+c])
				}
				size := math.Abs(want)
				for tap := range taps {
					for i := range k {
						d := float64(p.A[row*p.LdA+tap*p.LdTap+i]) * float64(w.Int16[w.Index(tap, i, c)]) * float64(w.Scale[c])
						want, size = want+d, size+math.Abs(d)
					}
				}
				if math.Abs(float64(v)-want) > 2e-6*size+1e-30 {
					t.Fatalf("%d rows, %d taps, k %d, n %d: row %d, column %d is %v, want %v", m, taps, k, n, row, c, v, want)
				}
			}
			parts := *p
			parts.Dst = random(r, len(p.Dst))
			if p.Init != nil { // in place, as in an LSTM
				parts.Dst, parts.LdDst = make([]float32, len(p.Init)), p.LdInit
				copy(parts.Dst, p.Init)
				parts.Init = parts.Dst
			}
			row, panel := r.IntN(m+1), r.IntN(w.Count()+1)
			for _, rows := range [][2]int{{0, row}, {row, m}} {
				parts.Run(rows[0], rows[1], panel, w.Count())
				parts.Run(rows[0], rows[1], 0, panel)
			}
			for i := range m {
				same(t, "in parts", parts.Dst[i*parts.LdDst:][:w.Count()*Width], p.Dst[i*p.LdDst:][:w.Count()*Width])
			}
		}
	})
}

// TestInt16TapByTap: weights whose taps become float32 one after the other give the sums of
// those that do so together.
func TestInt16TapByTap(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		const taps, k = 3, expandedInt16/(2*Width)/2 + 1
		p := testProductInt16(r, fewInt16+1, taps, k, 2*Width)
		p.Run(0, fewInt16+1, 0, 2)
		together := *p
		together.Dst = make([]float32, len(p.Dst))
		together.Run(0, fewInt16, 0, 2)
		for i := range fewInt16 {
			same(t, "tap by tap", p.Dst[i*p.LdDst:][:2*Width], together.Dst[i*p.LdDst:][:2*Width])
		}
	})
}

// TestSetInt16 has channels of zeros, of one value and of many.
func TestSetInt16(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		const k, n = 37, 40
		w := NewPanels(nil, 1, k, n)
		for i := range k {
			for c := 1; c < n; c++ {
				w.Data[w.Index(0, i, c)] = float32(r.NormFloat64()) * float32(c)
			}
		}
		w.Data[w.Index(0, 5, 2)] = -1000
		q := quantizeInt16(w)
		if q.Scale[0] != 0 || q.Int16[5*Width+2] != -maxInt16 {
			t.Errorf("scale of zeros %v, largest weight %d", q.Scale[0], q.Int16[5*Width+2])
		}
		for i, v := range w.Data {
			scale := float64(q.Scale[i/(k*Width)*Width+i%Width])
			if d := math.Abs(float64(v) - float64(q.Int16[i])*scale); d > 0.51*scale {
				t.Errorf("weight %v became %d times %v", v, q.Int16[i], scale)
			}
		}
	})
}

// TestProductInt16Checks: what is too short is refused, not read.
func TestProductInt16Checks(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for name, spoil := range map[string]func(p *Product){
		"input":   func(p *Product) { p.A = p.A[:len(p.A)-1] },
		"output":  func(p *Product) { p.Dst = p.Dst[:p.LdDst] },
		"weights": func(p *Product) { p.W.Int16 = p.W.Int16[:len(p.W.Int16)-1] },
		"scales":  func(p *Product) { p.W.Scale = p.W.Scale[:Width] },
	} {
		p := testProductInt16(r, 2, 2, 20, 3*Width)
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
