package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A conditionalLayerNorm is a LayerNorm over channels with weight [C] and bias [C], or with a
// scale and a shift that key style, a Linear, makes of a vector.
type conditionalLayerNorm struct {
	modulation tensor.Tensor // [1, 1, 2·C]
	project    *Conv
}

func newConditionalLayerNorm(b *Builder, c, condition int) *conditionalLayerNorm {
	if condition > 0 {
		return &conditionalLayerNorm{project: NewLinear(b.In("style"), condition, 2*c)}
	}
	l := &conditionalLayerNorm{modulation: tensor.New(1, 1, 2*c)}
	weight, bias := b.param("weight", nil, c), b.param("bias", nil, c)
	b.onLoad(func(load *Loader) error {
		for i, p := range []*Param{weight, bias} {
			v, err := load.Values(p)
			if err != nil {
				return err
			}
			copy(l.modulation.Data[i*c:], v)
		}
		return nil
	})
	return l
}

// Forward leaves x to the caller. A modulation that is not nil replaces the layer's
// own.
func (l *conditionalLayerNorm) Forward(r *op.Run, x tensor.Tensor, modulation *tensor.Tensor) tensor.Tensor {
	if modulation == nil {
		modulation = &l.modulation
	}
	return r.AdaptiveLayerNorm(x, *modulation)
}
