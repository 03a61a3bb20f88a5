package model

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// PredictorsConfig describes the Predictors.
type PredictorsConfig struct {
	Latent           int
	Phones, Speakers int // classes
	// ContentF0 and ProsodyPhone add z_c and z_p to the inputs of the adversaries.
	ContentF0, ProsodyPhone bool
	// GlobalF0 declares rev_global_f0_predictor, which no loss uses.
	GlobalF0 bool
}

// Predictors are the networks of training that predict pitch, energy, phones and speaker
// from the part that should carry them, and, behind gradient reversal, from the parts
// that should not; keys fa_predictors.* (modules/quantize.py, FApredictors).
type Predictors struct {
	PredictorsConfig
	// Reversal is the scale of the reversed gradients; 1 upstream.
	Reversal   float32
	f0         *Predictor // f0_predictor: f0 and energy of z_p
	phone      *Predictor // phone_predictor: of z_c
	timbre     *nn.Conv   // timbre_predictor: speaker of the timbre
	revF0      *Predictor // rev_f0_predictor.1
	revContent *Predictor // rev_content_predictor.1
	revTimbre  *Predictor // rev_timbre_predictor.1, on the mean over time
}

// NewPredictors declares the predictors under b's prefix, including two that no loss
// uses, whose keys checkpoints have.
func NewPredictors(b *nn.Builder, c PredictorsConfig) *Predictors {
	l := &Predictors{
		PredictorsConfig: c,
		Reversal:         1,
		f0:               NewPredictor(b.In("f0_predictor"), c.Latent, 1, 2, false),
		phone:            NewPredictor(b.In("phone_predictor"), c.Latent, c.Phones, 1, false),
		timbre:           nn.NewLinear(b.In("timbre_predictor"), c.Latent, c.Speakers),
		revF0:            NewPredictor(b.In("rev_f0_predictor").In(1), c.Latent, 1, 2, false),
		revContent:       NewPredictor(b.In("rev_content_predictor").In(1), c.Latent, c.Phones, 1, false),
		revTimbre:        NewPredictor(b.In("rev_timbre_predictor").In(1), c.Latent, c.Speakers, 1, true),
	}
	nn.NewLinear(b.In("global_f0_predictor").Unused(), c.Latent, 1)
	if c.GlobalF0 {
		NewPredictor(b.In("rev_global_f0_predictor").In(1).Unused(), c.Latent, 1, 1, true)
	}
	return l
}

// Predicted are the predictors' outputs for an utterance's parts: f0 and energy
// [B, T, 1], phones [B, T, classes], speakers [B, 1, classes]. Those with Rev are of the
// predictors behind gradient reversal.
type Predicted struct {
	F0, Energy, Phones, Speaker             tensor.Tensor
	RevF0, RevEnergy, RevPhones, RevSpeaker tensor.Tensor
}

// Forward predicts from the quantized parts [B, T, latent] and timbres
// [B, 1, latent], all of which are left to the caller.
func (l *Predictors) Forward(r *op.Run, parts [NumParts]tensor.Tensor, timbre tensor.Tensor) Predicted {
	prosody, content, residual := parts[Prosody], parts[Content], parts[Residual]
	var p Predicted
	two := l.f0.Forward(r, r.Borrow(prosody))
	p.F0, p.Energy = two[0], two[1]
	p.Phones = l.phone.Forward(r, r.Borrow(content))[0]
	p.Speaker = l.timbre.Forward(r, nil, r.Borrow(timbre))
	two = l.revF0.Forward(r, r.ReverseGradient(l.addIf(r, residual, content, l.ContentF0), l.Reversal))
	p.RevF0, p.RevEnergy = two[0], two[1]
	p.RevPhones = l.revContent.Forward(r, r.ReverseGradient(l.addIf(r, residual, prosody, l.ProsodyPhone), l.Reversal))[0]
	all := addAll(r, parts[:]...)
	p.RevSpeaker = l.revTimbre.Forward(r, replace(r, all, r.ReverseGradient(all, l.Reversal)))[0]
	return p
}

// addIf returns x + y where condition is true, and x otherwise.
func (l *Predictors) addIf(r *op.Run, x, y tensor.Tensor, condition bool) tensor.Tensor {
	if condition {
		return r.Add(x, y)
	}
	return x
}

// A Predictor is a stack of residual units with anti-aliased activations and
// linear heads; keys model.<i>.*, heads.<i>.* (modules/layers.py, CNNLSTM, which
// has no LSTM).
type Predictor struct {
	units  [3]predictorUnit
	last   *nn.AntiAliasedSnake // model.3
	heads  []*nn.Conv
	global bool
}

type predictorUnit struct {
	act1, act2   *nn.AntiAliasedSnake // block.0, block.2
	conv1, conv2 *nn.Conv             // block.1, block.3
}

// NewPredictor declares a predictor over dim channels of heads with out values
// each: for every frame or, where it is global, for the mean over time.
func NewPredictor(b *nn.Builder, dim, out, heads int, global bool) *Predictor {
	l := &Predictor{global: global}
	for i := range l.units {
		u := b.In("model").In(i).In("block")
		l.units[i] = predictorUnit{
			act1:  nn.NewAntiAliasedSnake(u.In(0), dim),
			conv1: nn.NewConv(u.In(1), nn.ConvConfig{In: dim, Out: dim, K: 7, Dilation: i + 1, ZeroPad: true}),
			act2:  nn.NewAntiAliasedSnake(u.In(2), dim),
			conv2: nn.NewConv(u.In(3), nn.ConvConfig{In: dim, Out: dim, K: 1}),
		}
	}
	l.last = nn.NewAntiAliasedSnake(b.In("model").In(3), dim)
	for i := range heads {
		l.heads = append(l.heads, nn.NewLinear(b.In("heads").In(fmt.Sprint(i)), dim, out))
	}
	return l
}

// Forward returns the outputs of the heads for x, which it takes: [B, T, out] each, or
// [B, 1, out] where it is global.
func (l *Predictor) Forward(r *op.Run, x tensor.Tensor) []tensor.Tensor {
	for _, u := range l.units {
		h := u.conv1.Forward(r, nil, u.act1.Forward(r, x))
		h = replace(r, h, u.act2.Forward(r, h))
		x = u.conv2.ForwardAdd(r, nil, h, x) // [B, T, dim]
	}
	x = replace(r, x, l.last.Forward(r, x))
	if l.global {
		x = replace(r, x, r.Mean(x))
	}
	var out []tensor.Tensor
	for _, head := range l.heads {
		out = append(out, head.Forward(r, nil, r.Borrow(x)))
	}
	r.Free(x)
	return out
}
