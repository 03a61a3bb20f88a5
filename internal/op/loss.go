package op

import (
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A loss returns its value, the mean that its documentation says, and records the
// gradient of weight times that value. Its targets are constants.

// pointLoss is the mean over all elements of f, which returns the loss of one
// element and its derivative.
func (r *Run) pointLoss(x tensor.Tensor, target func(b, t int) []float32, weight float64, f func(x, target float32) (float64, float32)) float64 {
	n := float64(x.B * x.T * x.C)
	rows := make([]float64, x.B*x.T)
	var dx tensor.Tensor
	recording := r.Recording() && r.needsGrad(x)
	if recording {
		dx = r.New(x.B, x.T, x.C)
	}
	scale := float32(weight / n)
	r.pool.Split(len(rows), max(1, grainValues/(4*x.C)), func(from, to int) {
		for i := from; i < to; i++ {
			b, t := i/x.T, i%x.T
			want := target(b, t)
			var sum float64
			for j, v := range x.Row(b, t) {
				loss, d := f(v, want[j])
				sum += loss
				if recording {
					dx.Row(b, t)[j] = scale * d
				}
			}
			rows[i] = sum
		}
	})
	if recording {
		r.recordLoss(func() { r.accumulateGrad(x, dx) })
	}
	var total float64
	for _, v := range rows {
		total += v
	}
	return total / n
}

func rowsOf(target tensor.Tensor) func(b, t int) []float32 {
	return func(b, t int) []float32 { return target.Row(b, t) }
}

// L1 is the mean of |x - target|.
func (r *Run) L1(x, target tensor.Tensor, weight float64) float64 {
	same(x, target)
	n := float64(x.B * x.T * x.C)
	dx := tensor.Tensor{}
	sum := r.l1(&dx, x, target, weight/n)
	if dx.Data != nil {
		r.recordLoss(func() { r.accumulateGrad(x, dx) })
	}
	return sum / n
}

// l1 returns the sum of |x - target| and, in a recording where it is needed, its
// gradient times scale in dx, laid out as x. It has a kernel of its own because it
// compares the features of all discriminator layers.
func (r *Run) l1(dx *tensor.Tensor, x, target tensor.Tensor, scale float64) float64 {
	grad := x
	grad.Data, grad.Var, grad.Borrowed = r.alloc(len(x.Data)), 0, false
	rows := x.B * x.T
	perBlock := max(1, min(blockRows, grainValues/x.Stride))
	sums := make([]float64, (rows+perBlock-1)/perBlock)
	r.pool.For(len(sums), func(i int) {
		at, count := i*perBlock*x.Stride, min(rows-i*perBlock, perBlock)
		own := newScratch(x.C)
		defer own.free()
		columns := own.take(x.C)
		clear(columns)
		kernel.L1Rows(grad.Data[at:], x.Data[at:], target.Data[at:], columns, x.Stride, count, float32(scale))
		sums[i] = kernel.Sum(columns)
	})
	if r.Recording() && r.needsGrad(x) {
		*dx = grad
	} else {
		r.Free(grad)
	}
	var total float64
	for _, v := range sums {
		total += v
	}
	return total
}

// SmoothL1 is the mean of d²/2 where d = |x - target| < 1, and d - 1/2 elsewhere.
func (r *Run) SmoothL1(x, target tensor.Tensor, weight float64) float64 {
	same(x, target)
	return r.pointLoss(x, rowsOf(target), weight, func(x, y float32) (float64, float32) {
		switch d := x - y; {
		case d >= 1:
			return float64(d) - 0.5, 1
		case d <= -1:
			return -float64(d) - 0.5, -1
		default:
			return float64(d) * float64(d) / 2, d
		}
	})
}

// MSE is the mean of (x - target)², the target being one number.
func (r *Run) MSE(x tensor.Tensor, target float32, weight float64) float64 {
	row := make([]float32, x.C)
	for i := range row {
		row[i] = target
	}
	return r.pointLoss(x, func(int, int) []float32 { return row }, weight, func(x, y float32) (float64, float32) {
		d := x - y
		return float64(d) * float64(d), 2 * d
	})
}

// CrossEntropy is the mean over all rows of -log softmax(logits)[label], labels
// being [B][T].
func (r *Run) CrossEntropy(logits tensor.Tensor, labels [][]int32, weight float64) float64 {
	return r.crossEntropy(logits, labels, func(ce float64) float64 { return weight })
}

// Focal is (1 - e^-ce)²·ce, ce being the mean cross-entropy over all rows
// (losses.py, FocalLoss, γ = 2). With gradient accumulation, batch is the ce of the
// whole batch; NaN otherwise.
func (r *Run) Focal(logits tensor.Tensor, labels [][]int32, batch, weight float64) float64 {
	ce := r.crossEntropy(logits, labels, func(ce float64) float64 {
		if !math.IsNaN(batch) {
			ce = batch
		}
		p := math.Exp(-ce)
		return weight * ((1-p)*(1-p) + 2*(1-p)*p*ce)
	})
	if !math.IsNaN(batch) {
		ce = batch
	}
	p := math.Exp(-ce)
	return (1 - p) * (1 - p) * ce
}

// crossEntropy records its gradient times factor of its value.
func (r *Run) crossEntropy(logits tensor.Tensor, labels [][]int32, factor func(ce float64) float64) float64 {
	n := logits.B * logits.T
	rows := make([]float64, n)
	recording := r.Recording() && r.needsGrad(logits)
	var dx tensor.Tensor
	if recording {
		dx = r.New(logits.B, logits.T, logits.C)
	}
	r.pool.Split(n, max(1, grainValues/(16*logits.C)), func(from, to int) {
		for i := from; i < to; i++ {
			b, t := i/logits.T, i%logits.T
			row, label := logits.Row(b, t), labels[b][t]
			if label < 0 || int(label) >= logits.C {
				panic(fmt.Sprintf("op: label %d of %d classes", label, logits.C))
			}
			top := row[0]
			for _, v := range row {
				top = max(top, v)
			}
			var sum float64
			for _, v := range row {
				sum += math.Exp(float64(v - top))
			}
			log := math.Log(sum)
			rows[i] = log - float64(row[label]-top)
			if recording {
				d := dx.Row(b, t)
				for j, v := range row {
					d[j] = float32(math.Exp(float64(v-top) - log))
				}
				d[label]--
			}
		}
	})
	var ce float64
	for _, v := range rows {
		ce += v
	}
	ce /= float64(n)
	if recording {
		scale := float32(factor(ce) / float64(n))
		r.recordLoss(func() {
			kernel.Scale(dx.Data, dx.Data, scale)
			r.accumulateGrad(logits, dx)
		})
	}
	return ce
}
