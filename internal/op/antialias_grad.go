package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// gradChannels is the number of channels of a sequence whose gradient a thread computes at a
// time: at twice the rate they stay in the second-level cache.
const gradChannels = 32

// recordAntiAlias records y = AntiAlias(x).
func (r *Run) recordAntiAlias(y *tensor.Tensor, f *AntiAlias, x tensor.Tensor) {
	r.retain(x)
	r.record(y, func(dy tensor.Tensor) {
		dx := r.New(x.B, x.T, x.C)
		width := tensor.RoundUp(x.C)
		sums := r.alloc(x.B * 2 * width)
		columns := (width + gradChannels - 1) / gradChannels
		r.pool.For(x.B*columns, func(i int) {
			b, c := i/columns, i%columns*gradChannels
			cols := min(gradChannels, width-c)
			alpha, inv := sums[b*2*width+c:][:cols], sums[(b*2+1)*width+c:][:cols]
			clear(alpha)
			clear(inv)
			f.gradient(rowsAt(dx, b, c), rowsAt(dy, b, c), rowsAt(x, b, c), x.Stride, x.T, cols, c, alpha, inv)
		})
		for b := 1; b < x.B; b++ {
			kernel.Add(sums[:2*width], sums[:2*width], sums[b*2*width:])
		}
		f.AccumulateGrad(sums[:2*width])
		r.freeFloats(sums)
		r.release(x)
		r.accumulateGrad(x, dx)
	})
}

// rowsAt returns the rows of sequence b from channel c on.
func rowsAt(x tensor.Tensor, b, c int) []float32 { return x.Rows(b, 0, x.T)[c:] }

// gradient writes dx for n rows, which lie ld values apart, of cols channels from c on, and
// adds the gradients of the activation's parameters.
//
// Each filter is the other's transpose, with half or twice the taps: behind the activation,
// row u at twice the rate is in
//
//	Σ over taps k with u+5 = 2t+k of Down[k]·dy[t],
//
// which is UpsampleRows by half of Down of dy between zeros, shifted by a row; and row t of
// dx is Σ_j 2·Up[j]·dh[2t-5+j], which is DownsampleRows. What the padding sees is the
// gradient of the row that it repeats.
func (f *AntiAlias) gradient(dx, dy, x []float32, ld, n, cols, c int, alpha, inv []float32) {
	const (
		reach = kernel.AntiAliasTaps / 2 // of zeros that UpsampleRows sees beside dy
		zeros = kernel.AntiAliasTaps - 1 // that DownsampleRows sees beside dh
	)
	around := max(filterReach+n+filterReach, reach+n+reach)
	own := newScratch((around + 2*n + zeros + 2*n + zeros + n + 2*filterReach) * cols)
	defer own.free()
	padded := own.take(around * cols)
	h := own.take(2 * n * cols)
	double := own.take((zeros + 2*n + zeros) * cols)
	wide := own.take((n + 2*filterReach) * cols)
	at := func(v []float32, i int) []float32 { return v[i*cols:][:cols] }

	for i := range n + 2*filterReach {
		copy(at(padded, i), x[min(max(i-filterReach, 0), n-1)*ld:][:cols])
	}
	kernel.UpsampleRows(h, cols, padded, cols, n, cols, &f.Up)

	clear(padded[:reach*cols])
	for t := range n {
		copy(at(padded, reach+t), dy[t*ld:][:cols])
	}
	clear(padded[(reach+n)*cols:][:reach*cols])
	half := f.Down
	for i := range half {
		half[i] /= 2
	}
	// The first of its rows is the sixth before that of h: row zeros of double is row 0.
	kernel.UpsampleRows(double[(zeros-reach)*cols:], cols, padded, cols, n+reach, cols, &half)
	first, last := at(double, zeros), at(double, zeros+2*n-1)
	for i := 1; i < reach; i++ {
		kernel.Add(first, first, at(double, zeros-i))
		kernel.Add(last, last, at(double, zeros+2*n-1+i))
	}
	dh := double[zeros*cols:][:2*n*cols]
	kernel.SnakeGradRows(dh, dh, h, cols, 2*n, cols, f.Alpha[c:], f.Inv[c:], alpha, inv)

	clear(double[:zeros*cols])
	clear(double[(zeros+2*n)*cols:])
	twice := f.Up
	for i := range twice {
		twice[i] *= 2
	}
	kernel.DownsampleRows(wide, cols, double, cols, n+2*filterReach, cols, &twice)
	first, last = at(wide, filterReach), at(wide, filterReach+n-1)
	for i := 1; i <= filterReach; i++ {
		kernel.Add(first, first, at(wide, filterReach-i))
		kernel.Add(last, last, at(wide, filterReach+n-1+i))
	}
	for t := range n {
		copy(dx[t*ld:][:cols], at(wide, filterReach+t))
	}
}
