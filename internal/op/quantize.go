package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Codebook holds the entries of one vector quantizer.
type Codebook struct {
	Entries    []float32      // [size][dim], as stored
	Normalized *kernel.Panels // [1, dim, size]: the L2-normalized entries
	HalfNorms  []float32      // minus half the squared length of each normalized entry, padded to a panel
	Size, Dim  int
	// Grad, if not nil, accumulates the gradient with respect to the entries.
	Grad []float32
}

// normEpsilon is PyTorch's default for normalize.
const normEpsilon = 1e-12

// NewCodebook prepares entries [size][dim] for searching.
func NewCodebook(entries []float32, size, dim int) Codebook {
	c := Codebook{Entries: entries, Size: size, Dim: dim, Normalized: kernel.NewPanels(nil, 1, dim, size)}
	c.HalfNorms = make([]float32, tensor.RoundUp(size))
	row := make([]float32, dim)
	for i := range size {
		normalize(row, entries[i*dim:][:dim])
		var square float64
		for j, v := range row {
			c.Normalized.Data[c.Normalized.Index(0, j, i)] = v
			square += float64(v) * float64(v)
		}
		c.HalfNorms[i] = float32(-square / 2)
	}
	return c
}

func normalize(dst, x []float32) {
	var square float64
	for _, v := range x {
		square += float64(v) * float64(v)
	}
	inv := 1 / max(math.Sqrt(square), normEpsilon)
	for i, v := range x {
		dst[i] = float32(float64(v) * inv)
	}
}

// Quantize returns for each row of e [B, T, dim] the index of the nearest entry
// by L2 distance after both are L2-normalized (dac/nn/quantize.py,
// decode_latents): [B][T]. Of several at the same distance it is the first.
func (r *Run) Quantize(c Codebook, e tensor.Tensor) [][]int32 {
	unit := r.New(e.B, e.T, e.C)
	r.eachRows(e.B*e.T, max(1, grainValues/(8*e.Stride)), rowsTask{f: normalizeRows, y: unit, a: e})
	// |a-b|² = |a|² - 2(a·b - |b|²/2): the nearest has the largest a·b - |b|²/2.
	scores := r.product(Filter{Panels: c.Normalized, Bias: c.HalfNorms},
		ConvShape{K: 1, Stride: 1, Dilation: 1}, unit, 0, unit.T, nil)
	codes := r.NewCodes(e.B, e.T)
	r.eachRows(e.B*e.T, max(1, grainValues/(4*scores.Stride)), rowsTask{f: largestRows, a: scores, codes: codes})
	r.Free(unit, scores)
	return codes
}

func normalizeRows(t *rowsTask, from, to int) {
	for i := from; i < to; i++ {
		normalize(row(t.y, i), row(t.a, i))
	}
}

// largestRows finds the first of the largest values of each row.
func largestRows(t *rowsTask, from, to int) {
	for i := from; i < to; i++ {
		scores := row(t.a, i)
		best, most := 0, scores[0]
		for j, v := range scores {
			if v > most {
				best, most = j, v
			}
		}
		t.codes[i/t.a.T][i%t.a.T] = int32(best)
	}
}

// Entries returns the entries that codes [B][T] name: [B, T, dim].
func (r *Run) Entries(c Codebook, codes [][]int32) tensor.Tensor {
	y := r.New(len(codes), len(codes[0]), c.Dim)
	for b, row := range codes {
		for t, code := range row {
			copy(y.Row(b, t), c.entry(code))
		}
	}
	return y
}

func (c *Codebook) entry(code int32) []float32 { return c.Entries[int(code)*c.Dim:][:c.Dim] }

// StraightThrough returns the entries that were chosen for e [B, T, dim]. Their
// gradient is copied to e, the straight-through estimator (dac/nn/quantize.py:
// z_e + (z_q - z_e).detach()).
func (r *Run) StraightThrough(c Codebook, codes [][]int32, e tensor.Tensor) tensor.Tensor {
	y := r.Entries(c, codes)
	if r.Recording() && r.needsGrad(e) {
		r.record(&y, func(dy tensor.Tensor) { r.accumulateGradCopy(e, dy) })
	}
	return y
}

// QuantizationLoss returns the mean squared distance between e [B, T, dim] and the
// entries chosen for it, which is both the commitment loss, whose gradient is that of
// e, and the codebook loss, whose gradient is that of the entries. Each sequence
// counts with its weight, all being 1 where weights is nil (dac/nn/quantize.py,
// VectorQuantize.forward).
func (r *Run) QuantizationLoss(c Codebook, codes [][]int32, e tensor.Tensor, weights []float32, commitment, codebook float64) float64 {
	weight := func(b int) float64 {
		if weights == nil {
			return 1
		}
		return float64(weights[b])
	}
	n := float64(e.B * e.T * e.C)
	var total float64
	for b := range e.B {
		var sum float64
		for t, code := range codes[b] {
			entry := c.entry(code)
			for j, v := range e.Row(b, t) {
				d := float64(v - entry[j])
				sum += d * d
			}
		}
		total += weight(b) * sum
	}
	if r.Recording() {
		r.retain(e)
		r.recordLoss(func() {
			de := r.New(e.B, e.T, e.C)
			for b := range e.B {
				toE, toEntry := float32(2*weight(b)*commitment/n), float32(2*weight(b)*codebook/n)
				for t, code := range codes[b] {
					entry, d := c.entry(code), de.Row(b, t)
					for j, v := range e.Row(b, t) {
						d[j] = toE * (v - entry[j])
						if c.Grad != nil {
							c.Grad[int(code)*c.Dim+j] += toEntry * (entry[j] - v)
						}
					}
				}
			}
			r.release(e)
			r.accumulateGrad(e, de)
		})
	}
	return total / n
}
