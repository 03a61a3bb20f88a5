package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TransformerConfig describes a Transformer.
type TransformerConfig struct {
	Dim, Hidden   int // channels, and those inside the feed-forward part
	Kernel        int // of the feed-forward part's first convolution
	Heads, Layers int
	// Condition, if not 0, is the length of a vector that scale and shift of every
	// layer norm come from.
	Condition int
}

// A Transformer is a pre-norm transformer encoder over frames; keys
// position_emb.pe, layers.<i>.ln_1, layers.<i>.self_attn, layers.<i>.ln_2,
// layers.<i>.ffn.ffn_1, layers.<i>.ffn.ffn_2, last_ln (Amphion,
// models/codec/ns3_codec/transformer.py). Every frame sees all others: a run's
// first chunk must be its last.
type Transformer struct {
	// position is what is added to every frame: the first row of the table of
	// positions, which upstream adds along the batch.
	position []float32
	layers   []*transformerLayer
	last     *conditionalLayerNorm
	heads    int
}

type transformerLayer struct {
	norm1, norm2 *conditionalLayerNorm
	attention    *Conv // in_proj: query, key and value
	out          *Conv
	ffn1, ffn2   *Conv
}

// NewTransformer declares a transformer under b's prefix.
func NewTransformer(b *Builder, c TransformerConfig) *Transformer {
	l := &Transformer{position: make([]float32, c.Dim), last: newConditionalLayerNorm(b.In("last_ln"), c.Dim, c.Condition), heads: c.Heads}
	for i := 1; i < c.Dim; i += 2 {
		l.position[i] = 1 // sin 0 and cos 0 in turn
	}
	NewBuffer(b, "position_emb.pe", func(v []float32) { copy(l.position, v) }, -1, 1, c.Dim)
	for i := range c.Layers {
		b := b.In("layers").In(i)
		attention := affine{
			plain: true, rows: 3 * c.Dim,
			v:    b.In("self_attn").param("in_proj_weight", nil, 3*c.Dim, c.Dim),
			bias: b.In("self_attn").param("in_proj_bias", nil, 3*c.Dim),
		}
		l.layers = append(l.layers, &transformerLayer{
			norm1:     newConditionalLayerNorm(b.In("ln_1"), c.Dim, c.Condition),
			attention: newConv(b, ConvConfig{In: c.Dim, Out: 3 * c.Dim, K: 1}, attention),
			out:       NewLinear(b.In("self_attn").In("out_proj"), c.Dim, c.Dim),
			norm2:     newConditionalLayerNorm(b.In("ln_2"), c.Dim, c.Condition),
			ffn1: NewConv(b.In("ffn").In("ffn_1"), ConvConfig{
				In: c.Dim, Out: c.Hidden, K: c.Kernel, ZeroPad: true, NoWeightNorm: true}),
			ffn2: NewLinear(b.In("ffn").In("ffn_2"), c.Hidden, c.Dim),
		})
	}
	return l
}

// Modulations projects the vector that a conditioned transformer depends on, once for
// all inputs: the scales and shifts of its layer norms.
func (l *Transformer) Modulations(r *op.Run, condition tensor.Tensor) (modulations []tensor.Tensor) {
	for _, norm := range l.norms() {
		modulations = append(modulations, norm.project.Forward(r, nil, r.Borrow(condition)))
	}
	return modulations
}

func (l *Transformer) norms() (norms []*conditionalLayerNorm) {
	for _, layer := range l.layers {
		norms = append(norms, layer.norm1, layer.norm2)
	}
	return append(norms, l.last)
}

// Forward runs the transformer on x, which it takes: [1, T, dim] → the same. The
// modulations are those of the condition, or nil without one.
func (l *Transformer) Forward(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) tensor.Tensor {
	y := r.New(1, x.T, x.C)
	for t := range x.T {
		row := y.Row(0, t)
		for i, v := range x.Row(0, t) {
			row[i] = v + l.position[i]
		}
	}
	r.Free(x)
	x = y // [1, T, dim]
	modulation := func(i int) *tensor.Tensor {
		if modulations == nil {
			return nil
		}
		return &modulations[i]
	}
	for i, layer := range l.layers {
		h := layer.attend(r, layer.norm1.Forward(r, x, modulation(2*i)), l.heads)
		x = layer.out.ForwardAdd(r, nil, h, x)
		h = layer.ffn1.Forward(r, nil, layer.norm2.Forward(r, x, modulation(2*i+1))) // [1, T, hidden]
		x = layer.ffn2.ForwardAdd(r, nil, r.LeakyReLU(h, 0), x)
	}
	y = l.last.Forward(r, x, modulation(2*len(l.layers)))
	r.Free(x)
	return y
}

// attend takes x: [1, T, dim] → the same.
func (l *transformerLayer) attend(r *op.Run, x tensor.Tensor, heads int) tensor.Tensor {
	dim := x.C
	x = l.attention.Forward(r, nil, x) // [1, T, 3·dim]
	q, k, v := r.SliceChannels(x, 0, dim), r.SliceChannels(x, dim, 2*dim), r.SliceChannels(x, 2*dim, 3*dim)
	r.Free(x)
	y := r.Attention(q, k, v, heads)
	r.Free(q, k, v)
	return y
}

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
