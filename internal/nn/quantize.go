package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A VectorQuantize looks up the nearest entry of one codebook in a projected
// space; keys in_proj.*, out_proj.*, codebook.weight [size, dim]
// (dac/nn/quantize.py). It computes in float32 whatever the precision: of two entries at
// nearly the same distance the nearer one must win, and it is a hundredth of the work.
type VectorQuantize struct {
	in, out  *Conv
	entries  *Param
	codebook op.Codebook
}

// NewVectorQuantize declares a quantizer of dim-dimensional entries for x of c
// channels.
func NewVectorQuantize(b *Builder, c, size, dim int) *VectorQuantize {
	return newVectorQuantize(b, &VectorQuantize{
		in:      NewConv(b.In("in_proj"), ConvConfig{In: c, Out: dim, K: 1, Float32: true}),
		out:     NewConv(b.In("out_proj"), ConvConfig{In: dim, Out: c, K: 1, Float32: true}),
		entries: b.In("codebook").param("weight", Normal, size, dim),
	})
}

// NewLinearVectorQuantize declares a quantizer whose projections are Linear layers,
// with the entries under _codebook.weight (Amphion,
// models/codec/ns3_codec/quantize/fvq.py).
func NewLinearVectorQuantize(b *Builder, c, size, dim int) *VectorQuantize {
	return newVectorQuantize(b, &VectorQuantize{
		in:      newNormLinear(b.In("in_proj"), c, dim),
		out:     newNormLinear(b.In("out_proj"), dim, c),
		entries: b.In("_codebook").param("weight", Normal, size, dim),
	})
}

func newVectorQuantize(b *Builder, l *VectorQuantize) *VectorQuantize {
	b.onLoad(func(load *Loader) error {
		v, err := load.Values(l.entries)
		if err == nil {
			l.setEntries(v)
		}
		return err
	})
	return l
}

// setEntries prepares entries for searching.
func (l *VectorQuantize) setEntries(entries []float32) {
	shape := l.entries.Shape
	l.codebook = op.NewCodebook(append([]float32(nil), entries...), shape[0], shape[1])
	l.codebook.Grad = l.entries.Grad
}

// Forward returns codes [B][T], the projected input [B, T, dim] and the result of
// Decode for the codes. It leaves x to the caller. In training the gradient passes
// from the entries straight to the projected input.
func (l *VectorQuantize) Forward(r *op.Run, x tensor.Tensor) (codes [][]int32, latent, z tensor.Tensor) {
	latent = l.in.Forward(r, nil, r.Borrow(x))
	codes = r.Quantize(l.codebook, latent)
	return codes, latent, l.out.Forward(r, nil, r.StraightThrough(l.codebook, codes, latent))
}

// Decode returns the out-projected entries that codes [B][T] name: [B, T, c].
func (l *VectorQuantize) Decode(r *op.Run, codes [][]int32) tensor.Tensor {
	return l.out.Forward(r, nil, r.Entries(l.codebook, codes))
}

// ResidualVQ is a chain of quantizers, each of which quantizes the residual of the
// earlier ones; keys quantizers.<i>.* (dac/nn/quantize.py, ResidualVectorQuantize).
type ResidualVQ struct {
	Quantizers []*VectorQuantize
	Size       int
}

// NewResidualVQ declares a chain of n quantizers.
func NewResidualVQ(b *Builder, c, n, size, dim int) *ResidualVQ {
	l := &ResidualVQ{Size: size}
	for i := range n {
		l.Quantizers = append(l.Quantizers, NewVectorQuantize(b.In("quantizers").In(i), c, size, dim))
	}
	return l
}

// NewLinearResidualVQ declares a chain of n quantizers of NewLinearVectorQuantize;
// keys layers.<i>.* (Amphion, models/codec/ns3_codec/quantize/rvq.py).
func NewLinearResidualVQ(b *Builder, c, n, size, dim int) *ResidualVQ {
	l := &ResidualVQ{Size: size}
	for i := range n {
		l.Quantizers = append(l.Quantizers, NewLinearVectorQuantize(b.In("layers").In(i), c, size, dim))
	}
	return l
}

// Quantized is the result of a ResidualVQ.
//
// In training, Masks, if not nil, has for each codebook the weight of each sequence:
// 0 for a codebook that quantizer dropout leaves out.
type Quantized struct {
	Z       tensor.Tensor   // the sum of the quantizers' outputs, [B, T, c]
	Codes   [][][]int32     // [codebook][B][T]
	Latents []tensor.Tensor // each quantizer's projected input, [B, T, dim]
	Masks   [][]float32
}

// Free frees Z, the latents and the codes.
func (q Quantized) Free(r *op.Run) {
	r.Free(q.Z)
	r.Free(q.Latents...)
	r.FreeTensors(q.Latents)
	r.FreeBooks(q.Codes)
}

// Forward quantizes x, which it takes.
func (l *ResidualVQ) Forward(r *op.Run, x tensor.Tensor) Quantized {
	return l.ForwardMasked(r, x, nil)
}

// ForwardMasked quantizes x, which it takes. Masks [codebook][B], if not nil, scale
// the contribution of each codebook to Z; the residual for the next one does not
// depend on them (dac/nn/quantize.py, quantizer dropout).
func (l *ResidualVQ) ForwardMasked(r *op.Run, x tensor.Tensor, masks [][]float32) Quantized {
	return l.chain(r, x, masks, func(i int, x tensor.Tensor) ([][]int32, tensor.Tensor, tensor.Tensor) {
		return l.Quantizers[i].Forward(r, x)
	})
}

// chain quantizes x, which it takes, with the codebooks one after the other.
func (l *ResidualVQ) chain(r *op.Run, x tensor.Tensor, masks [][]float32,
	quantize func(book int, x tensor.Tensor) (codes [][]int32, latent, z tensor.Tensor)) Quantized {
	q := Quantized{Masks: masks, Codes: r.NewBooks(len(l.Quantizers)), Latents: r.NewTensors(len(l.Quantizers))}
	residual := x
	for i := range l.Quantizers {
		codes, latent, z := quantize(i, residual)
		q.Codes[i], q.Latents[i] = codes, latent
		rest := r.Sub(residual, z)
		r.Free(residual)
		residual = rest
		if masks != nil {
			masked := r.Scale(z, masks[i])
			r.Free(z)
			z = masked
		}
		if i == 0 {
			q.Z = z
			continue
		}
		sum := r.Add(q.Z, z)
		r.Free(q.Z, z)
		q.Z = sum
	}
	r.Free(residual)
	return q
}

// Masks returns the masks with which sequence b uses the first books[b] codebooks;
// nil for a nil list.
func (l *ResidualVQ) Masks(books []int) [][]float32 {
	if books == nil {
		return nil
	}
	masks := make([][]float32, len(l.Quantizers))
	for i := range masks {
		masks[i] = make([]float32, len(books))
		for b, n := range books {
			if i < n {
				masks[i][b] = 1
			}
		}
	}
	return masks
}

// Decode returns the sum of the decoded codes [codebook][B][T], of at least the
// first codebook and at most all.
func (l *ResidualVQ) Decode(r *op.Run, codes [][][]int32) tensor.Tensor {
	z := l.Quantizers[0].Decode(r, codes[0])
	for i, c := range codes[1:] {
		next := l.Quantizers[i+1].Decode(r, c)
		sum := r.Add(z, next)
		r.Free(z, next)
		z = sum
	}
	return z
}

// Loss returns the mean squared distance between latents and the entries chosen
// for them, summed over the codebooks: the commitment loss and, in value, the
// codebook loss. In training their gradients are recorded with the weights given.
func (l *ResidualVQ) Loss(r *op.Run, q Quantized, commitment, codebook float64) float64 {
	var total float64
	for i, book := range l.Quantizers {
		var mask []float32
		if q.Masks != nil {
			mask = q.Masks[i]
		}
		book.entries.use(r)
		total += r.QuantizationLoss(book.codebook, q.Codes[i], q.Latents[i], mask, commitment, codebook)
	}
	return total
}
