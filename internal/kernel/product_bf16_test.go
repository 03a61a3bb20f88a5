package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachBF16ISA runs a test with every implementation of the bfloat16 kernels, those that
// eachISA leaves out too.
func eachBF16ISA(t *testing.T, test func(t *testing.T)) {
	defer setISA(active)
	for l := isaGeneric; l <= bestISA(); l++ {
		if !has(l) {
			continue
		}
		setISA(l)
		t.Run(l.String(), test)
	}
}

// testProductBF16 makes a product of m rows whose rows and taps overlap as those of
// a convolution do; the input ends with the last element that is read.
func testProductBF16(r *rand.Rand, m, taps, k, n int, bias, init bool) *ProductBF16 {
	w := NewPanelsBF16(nil, taps, k, n)
	for n := range w.N {
		for tap := range w.Taps {
			for k := range w.K {
				w.Data[w.Index(tap, k, n)] = roundBF16(float32(r.NormFloat64()))
			}
		}
	}
	ld := PadBF16(k) + 2*r.IntN(3)
	p := &ProductBF16{W: w, LdA: ld, LdTap: 2 * ld, LdDst: w.Count()*Width + 5, LdInit: w.Count()*Width + 2}
	if taps*k > 0 {
		p.A = make([]BFloat16, (m-1)*p.LdA+(taps-1)*p.LdTap+PadBF16(k))
		for i := range p.A {
			p.A[i] = roundBF16(float32(r.NormFloat64()))
		}
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

// productBF16Tiles is the order of sums of AMX.
func productBF16Tiles(p *ProductBF16, row0, row1, panel0, panel1 int) {
	w := p.W
	steps := PadBF16(w.K) / StepBF16
	for t := row0; t < row1; t++ {
		for n := panel0 * Width; n < panel1*Width; n++ {
			var acc float32
			for tap := range w.Taps {
				for i := range steps {
					var even, odd float32
					for j := i * StepBF16; j < (i+1)*StepBF16; j += 2 {
						in, weights := p.A[t*p.LdA+tap*p.LdTap+j:], w.Data[w.Index(tap, j, n):]
						even += floatBF16(in[0]) * floatBF16(weights[0])
						odd += floatBF16(in[1]) * floatBF16(weights[1])
					}
					acc += even + odd
				}
			}
			start := float32(math.Copysign(0, -1))
			if p.Bias != nil {
				start = p.Bias[n]
			}
			if p.Init != nil {
				start += p.Init[t*p.LdInit+n]
			}
			p.Dst[t*p.LdDst+n] = acc + start
		}
	}
}

// TestProductBF16AgainstGeneric: bit for bit, in the order that the instruction set has.
func TestProductBF16AgainstGeneric(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		reference := productBF16Generic
		if active == isaAMX {
			reference = productBF16Tiles
		}
		r := rand.New(rand.NewPCG(1, 2))
		for _, taps := range []int{0, 1, 3} {
			for _, k := range []int{0, 1, 2, 3, 31, 32, 33, 70, 96} {
				for i := range 8 {
					m, n := 1+r.IntN(90), 1+r.IntN(100)
					p := testProductBF16(r, m, taps, k, n, i&1 > 0, i&2 > 0)
					want, exact := *p, *p
					want.Dst, exact.Dst = append([]float32(nil), p.Dst...), append([]float32(nil), p.Dst...)
					reference(&want, 0, m, 0, p.W.Count())
					p.Run(0, m, 0, p.W.Count())
					for j, v := range want.Dst {
						if v != p.Dst[j] {
							t.Fatalf("%d rows, %d taps, k %d, n %d: row %d, column %d is %v, want %v", m, taps, k, n,
								j/p.LdDst, j%p.LdDst, p.Dst[j], v)
						}
					}
					// And within the rounding errors of the sum, whatever the order.
					productBF16Generic(&exact, 0, m, 0, p.W.Count())
					for j, v := range exact.Dst {
						if d := math.Abs(float64(v - p.Dst[j])); !(d <= 1e-6*(2+float64(taps*k))) {
							t.Fatalf("%d rows, %d taps, k %d, n %d: row %d, column %d is %v, want %v", m, taps, k, n,
								j/p.LdDst, j%p.LdDst, p.Dst[j], v)
						}
					}
				}
			}
		}
	})
}

// TestProductBF16WhateverTheTile is the contract: not a bit of an output depends on
// what is computed beside it.
func TestProductBF16WhateverTheTile(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for m := 1; m <= 70; m += 1 + m/8 {
			for panels := 1; panels <= 5; panels++ {
				p := testProductBF16(r, m, 3, 45, panels*Width-r.IntN(Width), panels%2 > 0, m%2 > 0)
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

func TestProductBF16InPlace(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for m := 1; m <= 40; m += 3 {
			p := testProductBF16(r, m, 2, 9, 75, true, true)
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

// TestProductBF16Blocks has inputs that do not fit one block of rows.
func TestProductBF16Blocks(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		const m = 301
		p := testProductBF16(r, m, 1, 3200, 33, true, true)
		single := *p
		single.Dst = append([]float32(nil), p.Dst...)
		for row := range m {
			if row%7 == 0 || row > m-40 {
				single.Run(row, row+1, 0, 3)
			}
		}
		p.Run(0, m, 0, 3)
		for row := range m {
			if row%7 == 0 || row > m-40 {
				same(t, "blocks", p.Dst[row*p.LdDst:][:3*Width], single.Dst[row*p.LdDst:][:3*Width])
			}
		}
	})
}

func TestPackBF16(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, s := range []struct{ taps, k, n int }{{1, 1, 1}, {2, 33, 17}, {3, 32, 64}, {1, 64, 15}} {
			ld := (s.n+Width-1)/Width*Width + 3
			rows := random(r, s.taps*s.k*ld)
			for i := range rows {
				if i%ld >= s.n {
					rows[i] = 0
				}
			}
			w := NewPanelsBF16(nil, s.taps, s.k, s.n)
			for i := range w.Data {
				w.Data[i] = 0x3f80
			}
			w.Pack(rows, ld)
			want := NewPanelsBF16(nil, s.taps, s.k, s.n)
			for tap := range s.taps {
				for k := range s.k {
					for n := range s.n {
						want.Data[want.Index(tap, k, n)] = roundBF16(rows[(tap*s.k+k)*ld+n])
					}
				}
			}
			for i, v := range want.Data {
				if w.Data[i] != v {
					t.Fatalf("%+v: value %d is %#x, want %#x", s, i, w.Data[i], v)
				}
			}
		}
	})
}

func TestProductBF16NoAllocations(t *testing.T) {
	eachBF16ISA(t, func(t *testing.T) {
		p := testProductBF16(rand.New(rand.NewPCG(9, 9)), 5, 2, 9, 75, true, true)
		p.Run(0, 5, 0, 5)
		if n := testing.AllocsPerRun(10, func() {
			q := ProductBF16{Dst: p.Dst, LdDst: p.LdDst, A: p.A, LdA: p.LdA, LdTap: p.LdTap, W: p.W}
			q.Run(0, 5, 0, 5)
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func BenchmarkProductBF16(b *testing.B) {
	for _, s := range []struct{ rows, taps, k, n, dilation, stride int }{
		{2000, 7, 96, 96, 1, 1},
		{2000, 7, 96, 96, 9, 1},
		{1920, 1, 96, 96, 1, 1},
		{480, 7, 192, 192, 3, 1},
		{480, 1, 192, 192, 3, 1},
		{240, 7, 384, 384, 3, 1},
		{384, 7, 768, 768, 1, 1},
		{80, 7, 768, 768, 1, 1},
		{64, 7, 1024, 1536, 1, 1},
		{64, 1, 1024, 4096, 1, 1},
		{640, 1, 1024, 4096, 1, 1},
		{1, 1, 1536, 6144, 1, 1},
		{480, 8, 192, 384, 1, 4},
		{320, 12, 768, 1536, 1, 6},
	} {
		b.Run(fmt.Sprintf("%dx%dx%dx%d_d%d_s%d", s.rows, s.taps, s.k, s.n, s.dilation, s.stride), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			w := NewPanelsBF16(BFloat16s(aligned(PanelsBF16Len(s.taps, s.k, s.n)/2)), s.taps, s.k, s.n)
			for i := range w.Data {
				w.Data[i] = roundBF16(r.Float32() - 0.5)
			}
			p := &ProductBF16{W: w, LdA: StrideBF16(s.k), LdDst: w.Count() * Width}
			if p.LdDst%256 == 0 {
				p.LdDst += 16
			}
			p.LdA, p.LdTap = s.stride*p.LdA, s.dilation*p.LdA
			p.A = BFloat16s(aligned((s.rows*p.LdA + s.taps*p.LdTap + PadBF16(s.k)) / 2))
			for i := range p.A {
				p.A[i] = roundBF16(r.Float32() - 0.5)
			}
			p.Dst = aligned(s.rows * p.LdDst)
			p.Bias = make([]float32, w.Count()*Width)
			best := fastest(b, func() { p.Run(0, s.rows, 0, p.W.Count()) })
			b.ReportMetric(2*float64(s.rows*s.taps*s.k*s.n)/best/1e9, "GFLOP/s")
			b.ReportMetric(2*float64(len(w.Data))/best/1e9, "GB/s")
		})
	}
}
