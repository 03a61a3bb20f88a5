package nn

import (
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A BiLSTM is PyTorch's LSTM of one layer in both directions; keys weight_ih_l0
// [4·hidden, in], weight_hh_l0 [4·hidden, hidden], bias_ih_l0, bias_hh_l0
// [4·hidden], and the same with _reverse behind them.
type BiLSTM struct {
	forward, reverse op.LSTMFilter
}

// NewBiLSTM declares an LSTM of hidden units in each direction.
func NewBiLSTM(b *Builder, in, hidden int) *BiLSTM {
	l := &BiLSTM{}
	newLSTMDirection(b, "_l0", &l.forward, in, hidden)
	newLSTMDirection(b, "_l0_reverse", &l.reverse, in, hidden)
	return l
}

func newLSTMDirection(b *Builder, suffix string, f *op.LSTMFilter, in, hidden int) {
	f.Hidden = hidden
	ih, hh := b.param("weight_ih"+suffix, nil, 4*hidden, in), b.param("weight_hh"+suffix, nil, 4*hidden, hidden)
	bih, bhh := b.param("bias_ih"+suffix, nil, 4*hidden), b.param("bias_hh"+suffix, nil, 4*hidden)
	b.onLoad(func(load *Loader) (err error) {
		if load.training {
			return errInferenceOnly
		}
		if err = packGates(load, &f.Input, ih, hidden, false); err != nil {
			return err
		}
		if err = packGates(load, &f.Recurrent, hh, hidden, true); err != nil {
			return err
		}
		f.Input.Bias, err = gateBias(load, bih, bhh, hidden)
		return err
	})
}

// lstmRows is how many rows have their gates in memory at a time.
const lstmRows = 512

// Forward returns the hidden states of both directions, forward's first: [1, T,
// in] → [1, T, 2·hidden], of a whole utterance.
func (l *BiLSTM) Forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	hidden := l.forward.Hidden
	y := r.New(1, x.T, 2*hidden)
	for half, f := range []op.LSTMFilter{l.forward, l.reverse} {
		slot := op.NewSlot() // a new one each time: every utterance starts from zero
		// row returns which row of the utterance the direction comes to as its i-th.
		row := func(i int) int {
			if half == 1 {
				return x.T - 1 - i
			}
			return i
		}
		for from := 0; from < x.T; from += lstmRows {
			n := min(lstmRows, x.T-from)
			part := r.New(1, n, x.C)
			for i := range n {
				copy(part.Row(0, i), x.Row(0, row(from+i)))
			}
			h := r.LSTM(slot, f, part)
			for i := range n {
				copy(y.Row(0, row(from+i))[half*hidden:], h.Row(0, i))
			}
			r.Free(part, h)
		}
	}
	r.Free(x)
	return y
}
