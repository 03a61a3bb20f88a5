package train

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// siteLine is where other lines are drawn (see op.Random.Key).
const siteLine = siteParallel + 1

// compareVoices gives a batch what its timbres are compared with (loss_weights.voice): the
// timbre is taken from the half of the utterance that the crop is not in, and its partner is
// the other half, recorded by another microphone over another line, since a timbre encoder
// that only has to tell recordings apart learns these instead of voices. What is encoded in
// place of an utterance has another voice on the same line. first is the number of the first
// utterance in the step.
func (f *Collator) compareVoices(b *Batch, us []Utterance, starts []int, frames int, random op.Random, first int) {
	for i, u := range us {
		whole := b.Inputs.Timbre[i]
		half := whole.T / 2
		other, own := rowsOfMel(whole, 0, half), rowsOfMel(whole, half, whole.T)
		if 2*starts[i]+frames < whole.T {
			other, own = own, other
		}
		otherLine(own, &draws{key: random.Key(siteLine, first+i)})
		b.Inputs.Timbre[i] = other
		b.Inputs.Partners = append(b.Inputs.Partners, own)
		if u.Perturbed != nil {
			mel := tensor.New(1, frames, whole.C)
			for t, v := range dsp.LogMels(u.Perturbed, frames, f.mel)[0] {
				mel.Row(0, t/whole.C)[t%whole.C] = v
			}
			b.Inputs.Others = append(b.Inputs.Others, mel)
		}
	}
}

// rowsOfMel copies frames of a log-mel [1, T, mels].
func rowsOfMel(x tensor.Tensor, from, to int) tensor.Tensor {
	y := tensor.New(1, to-from, x.C)
	for t := range y.T {
		copy(y.Row(0, t), x.Row(0, from+t))
	}
	return y
}

// Ranges of what a line does to a log-mel.
const (
	lineKnots           = 7      // of its equalizer, evenly over the bands
	lineDeviation       = 4      // dB, standard deviation of each
	lineQuiet, lineLoud = -12, 4 // dB of level
	lineNarrowest       = 0.65   // of the bands pass through it; all of them, half of the time
	lineNoise, lineTilt = 5, 3   // nepers of power: of noise at most above the log's floor, and its fall over the bands
	lineFloor           = 1e-5   // added to the power before the logarithm (dsp.Mel)
)

// otherLine changes a log-mel [1, T, mels] as another microphone, level, noise and band limit
// would.
func otherLine(x tensor.Tensor, d *draws) {
	var knots [lineKnots]float64
	for i := range knots {
		knots[i] = lineDeviation * d.normal()
	}
	level := d.uniform(lineQuiet, lineLoud)
	bands := x.C
	if d.uniform(0, 1) < 0.5 {
		bands = int(d.uniform(lineNarrowest, 1) * float64(x.C))
	}
	noise, tilt := 0.0, d.uniform(0, lineTilt)
	if d.uniform(0, 1) < 0.5 {
		noise = lineFloor * math.Exp(d.uniform(0, lineNoise))
	}
	for k := range x.C {
		share := float64(k) / float64(x.C)
		at := share * (lineKnots - 1)
		i := int(at)
		gain := math.Pow(10, (level+knots[i]+(at-float64(i))*(knots[i+1]-knots[i]))/10)
		if k >= bands {
			gain = 0
		}
		hiss := noise * math.Exp(-tilt*share)
		for t := range x.T {
			row := x.Row(0, t)
			power := math.Exp(4*float64(row[k])-4) - lineFloor
			power = gain * (max(0, power) + hiss*d.uniform(0.5, 1.5))
			row[k] = float32((math.Log(lineFloor+power) + 4) / 4)
		}
	}
}

// normal returns a normally distributed number (Box and Muller, 1958).
func (d *draws) normal() float64 {
	return math.Sqrt(-2*math.Log(1-d.uniform(0, 1))) * math.Cos(2*math.Pi*d.uniform(0, 1))
}

// A voiceBank holds the timbres of the last utterances, which others are told apart from (He
// et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020,
// there of a slower encoder).
type voiceBank struct {
	values []float32 // [bankSize][latent], the oldest first
	filled []float32 // one value, how many there are: part of a checkpoint
	latent int
	next   []float32 // those of the step
}

const (
	bankSize        = 256
	bankLeast       = 4 // fewer have no mean that is worth anything
	bankTemperature = 0.1
)

func newVoiceBank(latent int) *voiceBank {
	return &voiceBank{values: make([]float32, bankSize*latent), filled: make([]float32, 1), latent: latent}
}

// buffers are its state, for checkpoints.
func (b *voiceBank) buffers() []stateBuffer {
	return []stateBuffer{{checkpoint.VoicesPrefix + "timbres", b.values}, {checkpoint.VoicesPrefix + "filled", b.filled}}
}

// collect keeps the timbres of a piece; first says that it is the first of this rank.
func (b *voiceBank) collect(first bool, timbres tensor.Tensor) {
	if first {
		b.next = b.next[:0]
	}
	for i := range timbres.B {
		b.next = append(b.next, timbres.Row(i, 0)...)
	}
}

// add adds the timbres of a step, of all ranks, which take the place of the oldest.
func (b *voiceBank) add(ranks collective.Comm) error {
	all, err := gatherValues(ranks, b.next)
	if err != nil {
		return err
	}
	kept := append(b.vectorsOf(b.values[:int(b.filled[0])*b.latent]), b.vectorsOf(all)...)
	kept = kept[max(0, len(kept)-bankSize):]
	values := slices.Concat(kept...)
	b.filled[0] = float32(copy(b.values, values) / b.latent)
	return nil
}

func (b *voiceBank) vectorsOf(v []float32) [][]float32 {
	return slices.Collect(slices.Chunk(v, b.latent))
}

// contrast returns what timbres are compared by, others being further voices
// [n, 1, latent]; nil as long as there are too few.
func (b *voiceBank) contrast(others tensor.Tensor) *op.Contrast {
	n := int(b.filled[0])
	if n < bankLeast {
		return nil
	}
	c := &op.Contrast{Others: b.vectorsOf(b.values[:n*b.latent]), Mean: make([]float32, b.latent), Temperature: bankTemperature}
	for _, v := range c.Others {
		for k, x := range v {
			c.Mean[k] += x / float32(n)
		}
	}
	for i := range others.B {
		c.Others = append(c.Others, others.Row(i, 0))
	}
	return c
}
