package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An EmbeddingTable holds the vectors of an embedding, one after the other.
type EmbeddingTable struct {
	Entries []float32
	// Grad, if not nil, accumulates the gradient with respect to the entries.
	Grad []float32
}

// AddEmbedding returns y [B, T, C], which it takes, plus the vectors of the table at
// codes [B][T].
func (r *Run) AddEmbedding(y tensor.Tensor, table EmbeddingTable, codes [][]int32) tensor.Tensor {
	z := r.New(y.B, y.T, y.C)
	for b := range y.B {
		for t, code := range codes[b] {
			kernel.Add(z.Row(b, t), y.Row(b, t), table.Entries[int(code)*y.C:])
		}
	}
	if r.Recording() && (r.needsGrad(y) || table.Grad != nil) {
		r.record(&z, func(dz tensor.Tensor) {
			for b := range dz.B {
				for t, code := range codes[b] {
					if table.Grad == nil {
						break
					}
					entry := table.Grad[int(code)*dz.C:][:dz.C]
					kernel.Add(entry, entry, dz.Row(b, t))
				}
			}
			r.accumulateGradCopy(y, dz)
		})
	}
	r.Free(y)
	return z
}
