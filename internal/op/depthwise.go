package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A DepthwiseFilter convolves every channel with taps of its own (groups equal to
// the channels in PyTorch's Conv1d). Rows are a multiple of tensor.Lane long.
type DepthwiseFilter struct {
	Weights []float32 // [K][channels rounded up]
	Bias    []float32 // [channels rounded up]
	// OnGrad, if not nil, is handed the gradients of both, in the same layout.
	OnGrad func(weights, bias []float32)
}

// Depthwise returns the depthwise convolution of x, whose stride is 1.
func (r *Run) Depthwise(slot Slot, f DepthwiseFilter, s ConvShape, x tensor.Tensor) tensor.Tensor {
	w := r.window(slot, s, nil, x, rowsFloat32)
	y := r.New(x.B, w.out, x.C)
	r.eachRows(x.B*w.out, max(1, grainValues/(s.K*tensor.RoundUp(x.C))), rowsTask{
		f: depthwiseRows, y: y, a: w.rows, filter: f, shape: s, start: w.start,
	})
	r.Free(w.rows)
	if r.Recording() && (r.needsGrad(x) || f.OnGrad != nil) {
		r.retain(x)
		r.record(&y, func(dy tensor.Tensor) {
			r.depthwiseGradient(f, s, x, dy)
		})
	}
	return y
}

func depthwiseRows(t *rowsTask, from, to int) {
	const piece = 256 // channels at a time, whose products fit an array
	var products [piece]float32
	width := tensor.RoundUp(t.a.C)
	for i := from; i < to; i++ {
		b, first := i/t.y.T, t.start+i%t.y.T
		for c := 0; c < width; c += piece {
			end := min(width, c+piece)
			dst, tap := t.y.Data[i*t.y.Stride:][c:end], products[:end-c]
			copy(dst, t.filter.Bias[c:])
			for k := range t.shape.K {
				at := first + k*t.shape.Dilation
				kernel.Mul(tap, t.a.Rows(b, at, at+1)[c:end], t.filter.Weights[k*width+c:])
				kernel.Add(dst, dst, tap)
			}
		}
	}
}

// depthwiseGradient shares the channels among the threads: each sums its own over
// all rows, in the order of the rows.
func (r *Run) depthwiseGradient(f DepthwiseFilter, s ConvShape, x, dy tensor.Tensor) {
	padLeft, _ := s.padding()
	rows := r.window(nil, s, nil, x, rowsFloat32).rows
	drows := r.Zeros(x.B, rows.T, x.C)
	width := tensor.RoundUp(x.C)
	sums := r.alloc((s.K + 1) * width)
	clear(sums)
	// Some parts for each thread, not too narrow for a call.
	part := tensor.RoundUp(max(2*tensor.Lane, width/(4*r.pool.Threads())))
	r.pool.For((width+part-1)/part, func(i int) {
		from, to := i*part, min(width, (i+1)*part)
		tap := make([]float32, to-from)
		bias := sums[s.K*width+from : s.K*width+to]
		for b := range x.B {
			for t := range dy.T {
				d := dy.Rows(b, t, t+1)[from:to]
				kernel.Add(bias, bias, d)
				for k := range s.K {
					at := t + k*s.Dilation
					kernel.Mul(tap, d, rows.Rows(b, at, at+1)[from:to])
					dw := sums[k*width+from : k*width+to]
					kernel.Add(dw, dw, tap)
					kernel.Mul(tap, d, f.Weights[k*width+from:])
					dx := drows.Rows(b, at, at+1)[from:to]
					kernel.Add(dx, dx, tap)
				}
			}
		}
	})
	if f.OnGrad != nil {
		f.OnGrad(sums[:s.K*width], sums[s.K*width:])
	}
	r.freeFloats(sums)
	r.Free(rows)
	dx := r.New(x.B, x.T, x.C)
	for b := range x.B {
		unpad(drows, b, padLeft, x.T, drows.T-padLeft-x.T, s.Zero)
		copy(dx.Rows(b, 0, x.T), drows.Rows(b, padLeft, padLeft+x.T))
	}
	r.Free(drows)
	r.release(x)
	r.accumulateGrad(x, dx)
}
