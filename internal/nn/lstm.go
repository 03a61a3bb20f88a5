package nn

import (
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An SLSTM is a stack of LSTM layers with a skip around it, LSTM(x) + x; keys
// lstm.weight_ih_l<i> [4·dim, dim], weight_hh_l<i>, bias_ih_l<i>, bias_hh_l<i>
// (dac/model/encodec.py). Gates are in PyTorch's order i, f, g, o.
type SLSTM struct {
	layers []op.LSTMFilter
	slots  []op.Slot
	params [][]*Param // of each layer
}

// NewSLSTM declares an LSTM of the given number of layers.
func NewSLSTM(b *Builder, dim, layers int) *SLSTM {
	l := &SLSTM{layers: make([]op.LSTMFilter, layers)}
	b = b.In("lstm")
	for i := range layers {
		l.slots = append(l.slots, op.NewSlot())
		init := Uniform(1 / math.Sqrt(float64(dim)))
		ih := b.param(fmt.Sprintf("weight_ih_l%d", i), init, 4*dim, dim)
		hh := b.param(fmt.Sprintf("weight_hh_l%d", i), init, 4*dim, dim)
		bih := b.param(fmt.Sprintf("bias_ih_l%d", i), init, 4*dim)
		bhh := b.param(fmt.Sprintf("bias_hh_l%d", i), init, 4*dim)
		l.params = append(l.params, []*Param{ih, hh, bih, bhh})
		l.layers[i].Hidden = dim
		for _, side := range []struct {
			filter *op.Filter
			weight *Param
			biases []*Param
		}{{&l.layers[i].Input, ih, []*Param{bih, bhh}}, {&l.layers[i].Recurrent, hh, nil}} {
			b.onLoad(func(load *Loader) (err error) {
				if load.training {
					side.filter.Trainable = &trainableGates{net: b.net, weight: side.weight, biases: side.biases, dim: dim}
					return nil
				}
				return packGates(load, side.filter, side.weight, dim, side.filter == &l.layers[i].Recurrent)
			})
		}
		b.onLoad(func(load *Loader) (err error) {
			l.layers[i].Input.Bias, err = gateBias(load, bih, bhh, dim)
			return err
		})
	}
	return l
}

// gateRow returns the row of PyTorch's [4·dim] that is output o in the packed
// order: 16 units of each gate in turn.
func gateRow(o, dim int) (int, bool) {
	group, rest := o/(4*kernel.Width), o%(4*kernel.Width)
	gate, unit := rest/kernel.Width, group*kernel.Width+rest%kernel.Width
	return gate*dim + unit, unit < dim
}

// gateRows returns the first row and the number of rows behind a panel of sixteen units of
// one gate.
func gateRows(panel, dim int) (first, n int) {
	unit := panel / 4 * kernel.Width
	return panel%4*dim + unit, min(kernel.Width, dim-unit)
}

// packGates packs a weight [4·dim, in] into f. At precision Fast recurrent weights, which
// each step reads, have 16 bits however few there are.
func packGates(load *Loader, f *op.Filter, p *Param, dim int, recurrent bool) error {
	v, err := load.Values(p)
	if err != nil {
		return err
	}
	in, out := p.Shape[1], 4*tensor.RoundUp(dim)
	source := rowPanels(v, nil, in, 1, func(panel int) (first, n int) { return gateRows(panel, dim) })
	switch _, split := load.bf16(in); {
	case load.halves(in): // an encoder's LSTM changes few codes
		f.BF16 = load.packBF16(out, in, 1, source)
	case split && load.is(Fast) && !recurrent:
		f.BF16, f.Rest = packSplit(load.region, out, in, 1, source)
	case recurrent && load.is(Fast) || load.int16(out*in):
		f.Panels = packInt16(load.region, out, in, 1, source)
	default:
		f.Panels = packFloat32(load.region, out, in, 1, source)
	}
	load.release(p)
	return nil
}

// gateBias returns the sum of PyTorch's two biases in the packed order.
func gateBias(load *Loader, bih, bhh *Param, dim int) ([]float32, error) {
	x, err := load.Values(bih)
	if err != nil {
		return nil, err
	}
	h, err := load.Values(bhh)
	if err != nil {
		return nil, err
	}
	bias := make([]float32, 4*tensor.RoundUp(dim))
	for o := range bias {
		if row, ok := gateRow(o, dim); ok {
			bias[o] = x[row] + h[row]
		}
	}
	return bias, nil
}

// Forward runs the layers over x: [B, T, dim] → [B, T, dim].
func (l *SLSTM) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	h := x
	for i, layer := range l.layers {
		for _, p := range l.params[i] {
			p.use(r)
		}
		y := r.LSTM(l.slots[i], layer, h)
		if i > 0 {
			r.Free(h)
		}
		h = y
	}
	y := r.Add(h, x)
	r.Free(h, x)
	return y
}
