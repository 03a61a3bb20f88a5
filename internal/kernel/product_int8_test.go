package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// quantizeInt8 returns panels in 8 bits.
func quantizeInt8(w *PanelsBF16) *PanelsBF16 {
	q := NewPanelsInt8(aligned, w.Taps, w.K, w.N)
	for i := range w.Count() {
		weights := make([]float32, w.Taps*w.K*Width)
		for j := range weights {
			weights[j] = floatBF16(w.Data[w.Index(j/Width/w.K, j/Width%w.K, i*Width+j%Width)])
		}
		q.SetInt8(i, weights)
	}
	return q
}

// TestProductInt8: bit for bit the product of the 8-bit weights as bfloat16, scaled, and
// near that of the weights before.
func TestProductInt8(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for i := range 60 {
			m, taps, k, n := 1+r.IntN(40), 1+r.IntN(3), 1+r.IntN(70), 1+r.IntN(90)
			p := testProductBF16(r, m, taps, k, n, i&1 > 0, i&2 > 0)
			near := *p
			near.Dst = append([]float32(nil), p.Dst...)
			near.Run(0, m, 0, p.W.Count())

			q := quantizeInt8(p.W)
			plain := NewPanelsBF16(nil, taps, k, n)
			for j, v := range q.Int8 {
				plain.Data[j] = roundBF16(float32(v))
				scale := q.Scale[j/q.size()*Width+j/2%Width]
				if w := floatBF16(p.W.Data[j]); math.Abs(float64(w-float32(v)*scale)) > 0.501*float64(scale) {
					t.Fatalf("weight %v became %d times %v", w, v, scale)
				}
			}
			sums := &ProductBF16{Dst: make([]float32, len(p.Dst)), LdDst: p.LdDst, A: p.A, LdA: p.LdA, LdTap: p.LdTap, W: plain}
			sums.Run(0, m, 0, plain.Count())
			want := append([]float32(nil), p.Dst...)
			for row := range m {
				for c := range plain.Count() * Width {
					var start float32
					if p.Bias != nil {
						start = p.Bias[c]
					}
					if p.Init != nil {
						start += p.Init[row*p.LdInit+c]
					}
					want[row*p.LdDst+c] = fma32(sums.Dst[row*p.LdDst+c], q.Scale[c], start)
				}
			}
			p.W = q
			row, panel := r.IntN(m+1), r.IntN(q.Count()+1) // in four parts
			for _, rows := range [][2]int{{0, row}, {row, m}} {
				p.Run(rows[0], rows[1], 0, panel)
				p.Run(rows[0], rows[1], panel, q.Count())
			}
			for j, v := range want {
				if !near32(v, p.Dst[j], active == isaGeneric) {
					t.Fatalf("%d rows, %d taps, k %d, n %d: row %d, column %d is %v, want %v", m, taps, k, n,
						j/p.LdDst, j%p.LdDst, p.Dst[j], v)
				}
				if d := math.Abs(float64(near.Dst[j] - p.Dst[j])); d > 0.05*math.Sqrt(float64(taps*k))+1e-4 {
					t.Fatalf("column %d is %v, was %v with 16 bits", j%p.LdDst, p.Dst[j], near.Dst[j])
				}
			}
		}
	})
}

// TestProductInt8WhateverTheTile: not a bit of an output depends on what is computed beside
// it, however the weights become bfloat16, in place of a whole panel or as they are multiplied.
func TestProductInt8WhateverTheTile(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, m := range []int{1, 2, 15, 16, 17, 40} {
			for _, k := range []int{1, 40, 330} { // more steps than weights are called from memory ahead
				for panels := 1; panels <= 5; panels++ {
					p := testProductBF16(r, m, 2, k, panels*Width-r.IntN(Width), panels%2 > 0, m%2 > 0)
					p.W = quantizeInt8(p.W)
					single := *p
					single.Dst = append([]float32(nil), p.Dst...)
					for row := range m {
						for panel := range panels {
							single.Run(row, row+1, panel, panel+1)
						}
					}
					p.Run(0, m, 0, panels)
					same(t, fmt.Sprintf("%d rows, k %d, %d panels", m, k, panels), p.Dst, single.Dst)
				}
			}
		}
	})
}

// TestProductInt8AgainstGeneric: bit for bit, with every weight that there is.
func TestProductInt8AgainstGeneric(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(17, 18))
		for _, m := range []int{1, 5, 16, 20} {
			for _, k := range []int{0, 3, 64, 300} {
				for panels := 1; panels <= 2; panels++ {
					p := testProductBF16(r, m+1, 2, k, 2*Width, false, false)
					p.W = quantizeInt8(p.W)
					for i := range p.W.Int8 {
						p.W.Int8[i] = int8(i%255 - maxInt8)
					}
					got, want := &int8Scratch{sums: random(r, 33*m)}, &int8Scratch{sums: make([]float32, 33*m)}
					copy(want.sums, got.sums)
					productInt8(got, p, 1, m+1, 2-panels, panels)
					productInt8Generic(want, p, 1, m+1, 2-panels, panels)
					same(t, fmt.Sprintf("%d rows, k %d, %d panels", m, k, panels), got.sums, want.sums)
				}
			}
		}
	})
}

func TestProductInt8NoAllocations(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		p := testProductBF16(rand.New(rand.NewPCG(9, 9)), 5, 2, 9, 75, true, true)
		p.W = quantizeInt8(p.W)
		p.Run(0, 5, 0, 5)
		if n := testing.AllocsPerRun(10, func() { p.Run(0, 5, 0, 5) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// TestSubtractInt8: what two panels in 8 bits keep, one of what the other leaves, is within a
// 64,000th of the largest weight.
func TestSubtractInt8(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, s := range []struct{ taps, k, n int }{{1, 1, 16}, {2, 33, 32}, {3, 32, 20}} {
		first, second := NewPanelsInt8(aligned, s.taps, s.k, s.n), NewPanelsInt8(aligned, s.taps, s.k, s.n)
		for panel := range first.Count() {
			weights := random(r, s.taps*s.k*Width)
			rest := slices.Clone(weights)
			first.SetInt8(panel, rest)
			first.SubtractInt8(panel, rest)
			second.SetInt8(panel, rest)
			for i, v := range weights {
				at, n := first.Index(i/Width/s.k, i/Width%s.k, panel*Width+i%Width), panel*Width+i%Width
				kept := float32(first.Int8[at])*first.Scale[n] + float32(second.Int8[at])*second.Scale[n]
				if most := 127 * first.Scale[n]; !(math.Abs(float64(v-kept)) <= float64(most)/64000) {
					t.Fatalf("%+v: weight %v of at most %v became %v", s, v, most, kept)
				}
			}
		}
	}
}

// near32: fma32 rounds twice in rare cases.
func near32(a, b float32, exact bool) bool {
	return a == b || !exact && math.Abs(float64(a-b)) <= 1e-6*math.Abs(float64(a))
}

// TestProductInt8InPlace: as in an LSTM, whose gates are initial values and result.
func TestProductInt8InPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	p := testProductBF16(r, 3, 1, 40, 64, true, true)
	p.W = quantizeInt8(p.W)
	p.LdInit = p.LdDst
	p.Init = append([]float32(nil), p.Dst...)
	q := *p
	q.Dst = append([]float32(nil), p.Dst...)
	q.Init = q.Dst
	p.Run(0, 3, 0, 4)
	q.Run(0, 3, 0, 4)
	same(t, "in place", q.Dst, p.Dst)
}

func TestFromInt8(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		x := make([]int8, 256)
		for i := range x {
			x[i] = int8(i)
		}
		for n := 0; n <= len(x); n += 2 * Width {
			got, want := make([]BFloat16, len(x)), make([]BFloat16, len(x))
			fromInt8(got[:n], x[:n])
			fromInt8Generic(want[:n], x[:n])
			for i, v := range want {
				if got[i] != v || i < n && floatBF16(v) != float32(x[i]) {
					t.Fatalf("%d values: %d became %v, want %v", n, x[i], floatBF16(got[i]), floatBF16(v))
				}
			}
		}
	})
}

func TestScaleBias(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for n := 0; n <= 5*Width; n += Width {
			x, scale, bias := random(r, n+Width), random(r, n), random(r, n)
			got, want := random(r, n+Width), make([]float32, n+Width)
			copy(want, got)
			scaleBias(got[:n], x[:n], scale, bias)
			scaleBiasGeneric(want[:n], x[:n], scale, bias)
			for i, v := range want {
				if !near(got[i], v, 2e-7) {
					t.Fatalf("%d values: number %d is %v, want %v", n, i, got[i], v)
				}
			}
		}
	})
}

// BenchmarkProductInt8 has the layers of a frame: an LSTM's, a transposed convolution's, and
// residual units of six rows.
func BenchmarkProductInt8(b *testing.B) {
	for _, s := range []struct{ rows, taps, k, n int }{{1, 1, 1536, 6144}, {1, 7, 1024, 1536}, {6, 7, 768, 768}, {64, 7, 1024, 1536}} {
		b.Run(fmt.Sprintf("%dx%dx%dx%d", s.rows, s.taps, s.k, s.n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			w := NewPanelsInt8(aligned, s.taps, s.k, s.n)
			for i := range w.Int8 {
				w.Int8[i] = int8(r.IntN(255) - 127)
			}
			p := &ProductBF16{W: w, LdA: StrideBF16(s.k), LdTap: StrideBF16(s.k), LdDst: w.Count() * Width}
			p.A = BFloat16s(aligned((s.rows + s.taps) * p.LdA / 2))
			p.Dst = aligned(s.rows * p.LdDst)
			best := fastest(b, func() { p.Run(0, s.rows, 0, w.Count()) })
			b.ReportMetric(float64(len(w.Int8))/best/1e9, "GB/s")
		})
	}
}
