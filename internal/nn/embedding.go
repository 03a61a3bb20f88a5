package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Embedding is a table of vectors; key weight [size, dim].
type Embedding struct {
	table  op.EmbeddingTable
	weight *Param
}

// NewEmbedding declares a table.
func NewEmbedding(b *Builder, size, dim int) *Embedding {
	table := b.param("weight", Normal, size, dim)
	l := &Embedding{weight: table}
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(table)
		l.table = op.EmbeddingTable{Entries: v, Grad: table.Grad}
		if !load.training {
			l.table.Entries = append([]float32(nil), v...)
		}
		return err
	})
	return l
}

// Add returns y [B, T, dim], which it takes, with the vectors of codes [B][T]
// added to its rows.
func (l *Embedding) Add(r *op.Run, y tensor.Tensor, codes [][]int32) tensor.Tensor {
	l.weight.use(r)
	return r.AddEmbedding(y, l.table, codes)
}
