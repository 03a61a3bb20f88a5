package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Embedding is a table of vectors; key weight [size, dim].
type Embedding struct{ table []float32 }

// NewEmbedding declares a table.
func NewEmbedding(b *Builder, size, dim int) *Embedding {
	l := &Embedding{}
	table := b.param("weight", size, dim)
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(table)
		l.table = append([]float32(nil), v...)
		return err
	})
	return l
}

// Add adds the vectors of codes to the rows of y [1, T, dim].
func (l *Embedding) Add(r *op.Run, y tensor.Tensor, codes []int32) { r.Lookup(y, l.table, codes) }
