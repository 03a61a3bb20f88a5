package train

import (
	"fmt"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
)

// An Utterance is a recording with its labels, for each frame of its log-mel or more.
type Utterance struct {
	Wave []float32 // at the codec's rate
	// Perturbed is the crop of Wave in another voice, which is encoded in its place; nil for
	// none.
	Perturbed []float32
	F0        []float32 // Hz; unvoiced frames have 0
	Phones    []int32   // classes
	Speaker   int32     // class
}

// A Batch is the data of one step: a crop of each utterance, and for a codec the
// log-mel of the whole of it for the timbre and the teachers' labels of the crop. For a
// redecoder there are only the waveforms and what the codec makes of them.
type Batch struct {
	Inputs model.Inputs
	// Target [B, N, 1] is what is to be generated. It is Inputs.Wave but for utterances that
	// are encoded in another voice: those that Perturbed says.
	Target    tensor.Tensor
	Perturbed []bool
	F0        tensor.Tensor // [B, T, 1], the normalized target
	Pitch     tensor.Tensor // [B, T, 1], cycles of the decoder's window, 0 where there is none
	Energy    tensor.Tensor // [B, T, 1], the target that upstream calls uv
	Phones    [][]int32     // [B][T]
	Speaker   [][]int32     // [B][1]
	Encoded   model.RedecoderInputs
}

// Size returns the number of utterances.
func (b *Batch) Size() int { return b.Inputs.Wave.B }

// unperturbed returns how many utterances at the beginning are encoded as they are.
func (b *Batch) unperturbed() int {
	if i := slices.Index(b.Perturbed, true); i >= 0 {
		return i
	}
	return b.Size()
}

// A Collator makes batches of crops (meldataset.py, Collater). It is used by one goroutine at a time.
type Collator struct {
	mel         *dsp.Mel // the codec's
	energy      *dsp.Mel // with filters for 16 kHz, that of the pitch network
	prosodyMels int
	normF0      bool
	cyclesPerHz float32 // cycles of the decoder's window
}

// energyRate is the rate that the energy target's filters are built for, though
// they are laid over the codec's spectrum (meldataset.py).
const energyRate = 16000

// NewCollator prepares batches for a codec. With normF0 the pitch target is
// normalized for each crop.
func NewCollator(c model.CodecConfig, normF0 bool) *Collator {
	energy := c.Mel
	energy.FilterRate = energyRate
	f := &Collator{mel: dsp.NewMel(c.Mel), energy: dsp.NewMel(energy), prosodyMels: c.Quantizer.ProsodyMels, normF0: normF0}
	if c.ISTFT != nil {
		f.cyclesPerHz = float32(c.ISTFT.Window) / float32(c.Mel.FilterRate)
	}
	return f
}

// Frames returns the number of whole frames of n samples.
func (f *Collator) Frames(n int) int { return n / f.mel.Hop }

// Batch crops frames frames of each utterance, from frame starts[i] on.
func (f *Collator) Batch(us []Utterance, starts []int, frames int) (*Batch, error) {
	hop := f.mel.Hop
	b := &Batch{
		F0: tensor.New(len(us), frames, 1), Pitch: tensor.New(len(us), frames, 1), Energy: tensor.New(len(us), frames, 1),
		Target: tensor.New(len(us), frames*hop, 1),
		Inputs: model.Inputs{Wave: tensor.New(len(us), frames*hop, 1), Prosody: tensor.New(len(us), frames, f.prosodyMels)},
	}
	for i, u := range us {
		from, to := starts[i], starts[i]+frames
		whole := f.Frames(len(u.Wave))
		if from < 0 || to > whole || len(u.F0) < to || len(u.Phones) < to {
			return nil, fmt.Errorf("frames %d to %d of an utterance of %d, with %d of pitch and %d of phones", from, to, whole, len(u.F0), len(u.Phones))
		}
		crop := u.Wave[from*hop : to*hop]
		encoded := crop
		if u.Perturbed != nil {
			encoded = u.Perturbed
			if len(encoded) != len(crop) {
				return nil, fmt.Errorf("a crop of %s, with %d in another voice", plural.Of(len(crop), "sample"), len(encoded))
			}
		}
		b.Perturbed = append(b.Perturbed, u.Perturbed != nil)
		for t, v := range encoded {
			b.Inputs.Wave.Row(i, t)[0] = v
			b.Target.Row(i, t)[0] = crop[t]
		}
		mels := f.mel.Mels
		prosody := dsp.LogMels(encoded, frames, f.mel)[0]
		all := dsp.LogMels(u.Wave, whole, f.mel, f.energy)
		timbre := tensor.New(1, whole, mels)
		for t := range whole {
			copy(timbre.Row(0, t), all[0][t*mels:])
		}
		b.Inputs.Timbre = append(b.Inputs.Timbre, timbre)
		for t := range frames {
			copy(b.Inputs.Prosody.Row(i, t), prosody[t*mels:])
			b.Energy.Row(i, t)[0] = dsp.Energy(all[1][(from+t)*mels:][:mels])
		}
		for t, v := range f.pitchTarget(u.F0[from:to]) {
			b.F0.Row(i, t)[0] = v
			b.Pitch.Row(i, t)[0] = max(0, u.F0[from+t]) * f.cyclesPerHz
		}
		b.Phones = append(b.Phones, u.Phones[from:to])
		b.Speaker = append(b.Speaker, []int32{u.Speaker})
	}
	return b, nil
}

// The pitch target of a frame without a pitch, and the frequency up to which there
// is none (train.py).
const (
	unvoiced   = -10
	unvoicedHz = 5
)

// pitchTarget returns log2 of the voiced frames, minus its mean, over its unbiased
// standard deviation; unvoiced frames, and those for which that is no number, are
// -10 (train.py, norm_f0).
func (f *Collator) pitchTarget(f0 []float32) []float32 {
	target := make([]float32, len(f0))
	mean, deviation := 0.0, 1.0
	if f.normF0 {
		var n, sum, square float64
		for _, v := range f0 {
			if v > unvoicedHz {
				n++
				sum += math.Log2(float64(v))
			}
		}
		mean = sum / n
		for _, v := range f0 {
			if v > unvoicedHz {
				d := math.Log2(float64(v)) - mean
				square += d * d
			}
		}
		deviation = math.Sqrt(square / (n - 1))
	}
	for i, v := range f0 {
		target[i] = unvoiced
		if v > unvoicedHz {
			if x := (math.Log2(float64(v)) - mean) / deviation; !math.IsNaN(x) && !math.IsInf(x, 0) {
				target[i] = float32(x)
			}
		}
	}
	return target
}
