package kernel

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// atPageEnd copies v to the very end of a page behind which nothing may be
// read.
func atPageEnd(t testing.TB, v []float32) []float32 {
	t.Helper()
	page := unix.Getpagesize()
	size := (4*len(v) + page - 1) / page * page
	b, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	if err := unix.Mprotect(b[size:], unix.PROT_NONE); err != nil {
		t.Skip(err)
	}
	if len(v) == 0 {
		return nil
	}
	w := unsafe.Slice((*float32)(unsafe.Pointer(&b[size-4*len(v)])), len(v))
	copy(w, v)
	return w
}

func TestProductAtPageEnd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for m := 1; m <= 14; m++ {
			for _, k := range []int{1, 4, 13} {
				panels := 1 + r.IntN(6)
				p := testProduct(r, m, 3, k, panels*Width-r.IntN(Width), true, true)
				want := *p
				want.Dst = append([]float32(nil), p.Dst...)
				want.Run(0, m, 0, panels)

				columns := panels * Width
				p.A = atPageEnd(t, p.A)
				p.Bias = atPageEnd(t, p.Bias)
				p.Init = atPageEnd(t, p.Init[:(m-1)*p.LdInit+columns])
				p.Dst = atPageEnd(t, p.Dst[:(m-1)*p.LdDst+columns])
				w := *p.W
				w.Data = atPageEnd(t, w.Data)
				p.W = &w
				p.Run(0, m, 0, panels)
				same(t, "at the end of a page", p.Dst, want.Dst[:len(p.Dst)])
			}
		}
	})
}

// BenchmarkProductAtPageEnd compares weights with nothing behind them to the same weights in the
// middle of memory: calling into the cache what is not there must cost nothing.
func BenchmarkProductAtPageEnd(b *testing.B) {
	const rows, taps, k, n = 24, 3, 20, 16
	for _, end := range []bool{false, true} {
		b.Run(map[bool]string{false: "inside", true: "end"}[end], func(b *testing.B) {
			p := benchProduct(rows, taps, k, n, 1, 1)
			w := *p.W
			if w.Data = append(w.Data, aligned(4096)...)[:len(w.Data)]; end {
				w.Data = atPageEnd(b, w.Data)
			}
			p.W = &w
			best := fastest(b, func() { p.Run(0, rows, 0, 1) })
			b.ReportMetric(2*float64(rows*taps*k*n)/best/1e9, "GFLOP/s")
		})
	}
}

func TestElementwiseAtPageEnd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 40 {
			for _, v := range elementwiseCases {
				var in [][]float32
				for range v.inputs {
					in = append(in, atPageEnd(t, random(r, n)))
				}
				v.run(atPageEnd(t, make([]float32, n)), in)
			}
			Softmax(atPageEnd(t, random(r, n)))
		}
		n := 2 * Width
		LSTMCell(atPageEnd(t, make([]float32, n)), atPageEnd(t, random(r, n)), atPageEnd(t, random(r, 4*n)))
	})
}

func TestOthersAtPageEnd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 40 {
			v := func(n int) []float32 { return atPageEnd(t, random(r, n)) }
			Dot(v(n), v(n))
			AdamW(v(n), v(n), v(n), v(n), AdamWStep{})
			for _, m := range []int{1, 7, 19} {
				Transpose(v(m*n), m, v(m*n), n, m, n)
			}
			if n > 0 {
				m := 2*(n+3) + n
				SnakeGradRows(v(m), v(m), v(m), n+3, 3, n, v(n), v(n), v(n), v(n))
			}
		}
	})
}

func TestFFTAtPageEnd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range fftCases(r) {
			v := func(n int) []float32 { return atPageEnd(t, random(r, n*Width)) }
			c.run([2][]float32{v(c.dst), v(c.dst)}, [2][]float32{v(c.src), v(c.src)}, Width, Width)
		}
	})
}

func TestProductInt16AtPageEnd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(19, 20))
		for _, m := range []int{1, 2, 3, 4, 5, 8, 9, 20} {
			for _, k := range []int{1, 4, 13} {
				p := testProductInt16(r, m, 1+r.IntN(3), k, (1+r.IntN(6))*Width)
				columns := p.W.Count() * Width
				p.A = atPageEnd(t, p.A)
				p.Init = atPageEnd(t, p.Init[:(m-1)*p.LdInit+columns])
				p.Dst = atPageEnd(t, p.Dst[:(m-1)*p.LdDst+columns])
				p.Bias = atPageEnd(t, p.Bias)
				w := *p.W
				floats := unsafe.Slice((*float32)(unsafe.Pointer(&w.Int16[0])), len(w.Int16)/2)
				w.Int16, w.Scale = int16s(atPageEnd(t, floats)), atPageEnd(t, w.Scale)
				p.W = &w
				p.Run(0, m, 0, w.Count()) // reading behind them would be a fault
			}
		}
	})
}
