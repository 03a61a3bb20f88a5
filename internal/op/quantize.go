package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// Codebook holds the entries of one vector quantizer.
type Codebook struct {
	Entries    []float32      // [size][dim], as stored
	Normalised *kernel.Panels // [1, dim, size]: the entries at length 1
	HalfNorms  []float32      // minus half the squared length of each normalised entry, padded to a panel
	Size, Dim  int
}

// normEpsilon is PyTorch's default for normalize.
const normEpsilon = 1e-12

// NewCodebook prepares entries [size][dim] for searching.
func NewCodebook(entries []float32, size, dim int) Codebook {
	c := Codebook{Entries: entries, Size: size, Dim: dim, Normalised: kernel.NewPanels(nil, 1, dim, size)}
	c.HalfNorms = make([]float32, tensor.RoundUp(size))
	row := make([]float32, dim)
	for i := range size {
		normalise(row, entries[i*dim:][:dim])
		var square float64
		for j, v := range row {
			c.Normalised.Data[c.Normalised.Index(0, j, i)] = v
			square += float64(v) * float64(v)
		}
		c.HalfNorms[i] = float32(-square / 2)
	}
	return c
}

func normalise(dst, x []float32) {
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
// by L2 distance after both are brought to length 1 (dac/nn/quantize.py,
// decode_latents): [B][T]. Of several at the same distance it is the first.
func (r *Run) Quantize(c Codebook, e tensor.Tensor) [][]int32 {
	unit := r.New(e.B, e.T, e.C)
	for b := range e.B {
		for t := range e.T {
			normalise(unit.Row(b, t), e.Row(b, t))
		}
	}
	// |a-b|² = |a|² - 2(a·b - |b|²/2): the nearest has the largest a·b - |b|²/2.
	scores := r.product(Filter{Panels: c.Normalised, Bias: c.HalfNorms},
		ConvShape{K: 1, Stride: 1, Dilation: 1}, unit, 0, unit.T, nil)
	codes := make([][]int32, e.B)
	for b := range codes {
		codes[b] = make([]int32, e.T)
		for t := range e.T {
			row := scores.Row(b, t)
			best := 0
			for i, v := range row {
				if v > row[best] {
					best = i
				}
			}
			codes[b][t] = int32(best)
		}
	}
	r.Free(unit, scores)
	return codes
}

// Entries returns the entries that codes [B][T] name: [B, T, dim].
func (r *Run) Entries(c Codebook, codes [][]int32) tensor.Tensor {
	y := r.New(len(codes), len(codes[0]), c.Dim)
	for b, row := range codes {
		for t, code := range row {
			copy(y.Row(b, t), c.Entries[int(code)*c.Dim:][:c.Dim])
		}
	}
	return y
}
