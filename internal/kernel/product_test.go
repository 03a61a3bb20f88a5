package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// fill gives panels random weights, zero beyond N.
func fill(r *rand.Rand, w *Panels) *Panels {
	for n := range w.N {
		for tap := range w.Taps {
			for k := range w.K {
				w.Data[w.Index(tap, k, n)] = float32(r.NormFloat64())
			}
		}
	}
	return w
}

// testProduct makes a product of m rows whose rows and taps overlap as those of
// a convolution do; the input ends with the last element that is read.
func testProduct(r *rand.Rand, m, taps, k, n int, bias, init bool) *Product {
	w := fill(r, NewPanels(nil, taps, k, n))
	p := &Product{W: w, LdA: k + 3, LdTap: 2 * (k + 3), LdDst: w.Count()*Width + 5, LdInit: w.Count()*Width + 2}
	if taps*k > 0 {
		p.A = random(r, (m-1)*p.LdA+(taps-1)*p.LdTap+k)
	}
	p.Dst = random(r, m*p.LdDst)
	if bias {
		p.Bias = random(r, w.Count()*Width)
	}
	if init {
		p.Init = random(r, m*p.LdInit)
	}
	return p
}

func TestProductAgainstGeneric(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, taps := range []int{0, 1, 3, 7} {
			for _, k := range []int{0, 1, 2, 3, 4, 5, 7, 16, 33, 67} {
				for i := range 12 {
					m, n := 1+r.IntN(30), 1+r.IntN(80)
					p := testProduct(r, m, taps, k, n, i&1 > 0, i&2 > 0)
					want := *p
					want.Dst = append([]float32(nil), p.Dst...)
					productGeneric(&want, 0, m, 0, p.W.Count())
					p.Run(0, m, 0, p.W.Count())
					// Rounding errors of sums of taps*k products of unit variance.
					tolerance := 1e-6 * (2 + float64(taps*k))
					for j, v := range want.Dst {
						if d := math.Abs(float64(v - p.Dst[j])); !(d <= tolerance) || j%p.LdDst >= p.W.Count()*Width && d != 0 {
							t.Fatalf("%d rows, %d taps, k %d, n %d: row %d, column %d is %v, want %v", m, taps, k, n,
								j/p.LdDst, j%p.LdDst, p.Dst[j], v)
						}
					}
				}
			}
		}
	})
}

// TestProductIsFused: with an instruction set, the bits of an output are those of the one
// chain of fused multiply-adds that the contract states.
func TestProductIsFused(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		if active == isaGeneric {
			t.Skip("plain Go rounds products")
		}
		r := rand.New(rand.NewPCG(13, 14))
		for m := 1; m <= 13; m++ {
			p := testProduct(r, m, 1+m%3, 1+r.IntN(20), 1+r.IntN(100), m%2 > 0, m%3 > 0)
			p.Run(0, m, 0, p.W.Count())
			checkFused(t, p, m)
		}
	})
}

// FuzzProduct has products of any size and part: with every instruction set, outputs are
// the chain that the contract states, and nothing else is written.
func FuzzProduct(f *testing.F) {
	f.Add(uint64(1), uint8(7), uint8(3), uint8(13), uint8(40), uint8(2), uint8(3))
	f.Add(uint64(2), uint8(1), uint8(1), uint8(0), uint8(1), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, rows, taps, k, n, start, options uint8) {
		m := 1 + int(rows%40)
		for l := isaGeneric; l <= min(bestISA(), isaAVX512); l++ {
			if !has(l) || l == isaGeneric {
				continue
			}
			p := testProduct(rand.New(rand.NewPCG(seed, 1)), m, int(taps%4), int(k%70), 1+int(n%100), options&1 > 0, options&2 > 0)
			before := append([]float32(nil), p.Dst...)
			defer setISA(active)
			setISA(l)
			first, panel := int(start)%(m+1), int(options>>2)%(p.W.Count()+1)
			p.Run(first, m, panel, p.W.Count())
			for i, v := range before {
				if row, c := i/p.LdDst, i%p.LdDst; (row < first || c < panel*Width || c >= p.W.Count()*Width) && p.Dst[i] != v {
					t.Fatalf("wrote row %d, column %d", row, c)
				}
			}
			p.Run(0, first, 0, p.W.Count())
			p.Run(first, m, 0, panel)
			checkFused(t, p, m)
		}
	})
}

// checkFused compares a product of m rows with the contract.
func checkFused(t *testing.T, p *Product, m int) {
	t.Helper()
	for row := range m {
		for n := range p.W.N {
			var acc float32
			if p.Bias != nil {
				acc = p.Bias[n]
			}
			if p.Init != nil {
				acc += p.Init[row*p.LdInit+n]
			}
			for tap := range p.W.Taps {
				for k := range p.W.K {
					acc = fusedOnce(p.A[row*p.LdA+tap*p.LdTap+k], p.W.Data[p.W.Index(tap, k, n)], acc)
				}
			}
			if got := p.Dst[row*p.LdDst+n]; got != acc { // 0 may be -0
				t.Fatalf("%v, %d rows, %dx%dx%d: row %d, column %d is %v, want %v", active, m, p.W.Taps, p.W.K, p.W.N, row, n, got, acc)
			}
		}
	}
}

// fusedOnce is x·y+z, rounded once: the sum in float64 is rounded to odd, from which
// rounding to float32 is as from the exact sum (Boldo and Melquiond, Emulation of FMA and
// correctly rounded sums, 2008).
func fusedOnce(x, y, z float32) float32 {
	a, b := float64(x)*float64(y), float64(z)
	sum := a + b
	part := sum - a
	rest := (a - (sum - part)) + (b - part)
	if bits := math.Float64bits(sum); rest != 0 && bits&1 == 0 {
		if (rest > 0) == (sum > 0) {
			bits++
		} else {
			bits--
		}
		sum = math.Float64frombits(bits)
	}
	return float32(sum)
}

// TestProductWhateverTheTile is the contract: not a bit of an output depends on
// what is computed beside it.
func TestProductWhateverTheTile(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for m := 1; m <= 30; m++ {
			for panels := 1; panels <= 9; panels++ {
				p := testProduct(r, m, 3, 13, panels*Width-r.IntN(Width), panels%2 > 0, m%2 > 0)
				single := *p
				single.Dst = append([]float32(nil), p.Dst...)
				for row := range m {
					for panel := range panels {
						single.Run(row, row+1, panel, panel+1)
					}
				}
				p.Run(0, m, 0, panels)
				same(t, fmt.Sprintf("%d rows, %d panels", m, panels), p.Dst, single.Dst)

				split := *p
				split.Dst = append([]float32(nil), p.Dst...)
				for i := range m * p.LdDst {
					if i%p.LdDst < panels*Width {
						split.Dst[i] = 0
					}
				}
				row, panel := r.IntN(m+1), r.IntN(panels+1)
				split.Run(0, row, 0, panel)
				split.Run(row, m, 0, panel)
				split.Run(0, row, panel, panels)
				split.Run(row, m, panel, panels)
				same(t, fmt.Sprintf("%d rows at %d, %d panels at %d", m, row, panels, panel), split.Dst, single.Dst)
			}
		}
	})
}

// TestProductBlocks has inputs that do not fit one block of rows.
func TestProductBlocks(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		const m = 401
		p := testProduct(r, m, 1, 1100, 33, true, true)
		single := *p
		single.Dst = append([]float32(nil), p.Dst...)
		for row := range m {
			for panel := range 3 {
				single.Run(row, row+1, panel, panel+1)
			}
		}
		p.Run(0, m, 0, 3)
		same(t, "blocks", p.Dst, single.Dst)
	})
}

func TestProductInPlace(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for m := 1; m <= 13; m++ {
			p := testProduct(r, m, 2, 9, 75, true, true)
			q := *p
			q.Dst, q.LdDst = append([]float32(nil), p.Init...), p.LdInit
			q.Init = q.Dst
			p.Run(0, m, 0, 5)
			q.Run(0, m, 0, 5)
			for row := range m {
				same(t, "in place", q.Dst[row*q.LdDst:][:5*Width], p.Dst[row*p.LdDst:][:5*Width])
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		p := testProduct(rand.New(rand.NewPCG(9, 9)), 5, 2, 9, 75, true, true)
		if n := testing.AllocsPerRun(10, func() {
			q := Product{Dst: p.Dst, LdDst: p.LdDst, A: p.A, LdA: p.LdA, LdTap: p.LdTap, W: p.W}
			q.Run(0, 5, 0, 5)
			var x [40]float32
			Tanh(x[:], x[:])
			Softmax(x[:])
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// TestProductOfPartOfPanels has panels that are longer than what is read of
// them.
func TestProductOfPartOfPanels(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		const rows, whole, part, first, n = 7, 40, 13, 9, 75
		long := fill(r, NewPanels(nil, 1, whole, n))
		short := NewPanels(nil, 1, part, n)
		for k := range part {
			for i := range n {
				short.Data[short.Index(0, k, i)] = long.Data[long.Index(0, first+k, i)]
			}
		}
		want := &Product{Dst: make([]float32, rows*80), LdDst: 80, A: random(r, rows*part), LdA: part, W: short}
		got := *want
		got.Dst = make([]float32, rows*80)
		got.W = &Panels{Taps: 1, K: part, N: n, Data: long.Data[first*Width:], Stride: whole * Width}
		want.Run(0, rows, 0, short.Count())
		got.Run(0, rows, 0, got.W.Count())
		same(t, "part", got.Dst, want.Dst)
	})
}
