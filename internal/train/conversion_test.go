package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// conversionOptions have nothing on but the loss of conversions.
func conversionOptions() Options {
	o := DefaultOptions()
	o.Weights = LossWeights{Conversion: 2}
	o.Fixed, o.DiscriminatorStart, o.Schedule.LearningRate = true, 1000, 0
	return o
}

// TestConversionGradient: from conversions the decoder learns and what modulates its
// input, by the gradient of the loss; nothing else does, above all not the timbre
// extractor, which could make itself agree.
func TestConversionGradient(t *testing.T) {
	o := conversionOptions()
	trainer := newTrainer(t, smallConfig(), o, 2)
	batch := batchOf(t, smallConfig(), utterances(t, "en", "fr", "it"), 30)
	loss := func() float64 {
		for _, n := range trainer.Networks.Generator {
			if err := n.Refresh(trainer.pool); err != nil {
				t.Fatal(err)
			}
		}
		losses, err := trainer.Step(batch)
		if err != nil {
			t.Fatal(err)
		}
		return losses["conversion"]
	}
	loss()
	random := rand.New(rand.NewPCG(1, 2))
	learned := map[string]int{}
	slopes, values, directions := map[string]float64{}, map[string][][]float32{}, map[string][][]float32{}
	for _, n := range trainer.Networks.Generator {
		for _, p := range n.Params {
			if p.Unused || !slices.ContainsFunc(p.Grad, func(g float32) bool { return g != 0 }) {
				continue
			}
			part := n.Prefix
			if part == "quantizer" {
				part = strings.Join(strings.Split(p.Name, ".")[:2], ".")
			}
			learned[part]++
			direction := make([]float32, p.Len())
			for i, g := range p.Grad {
				direction[i] = g * random.Float32()
				slopes[part] += float64(g) / o.Weights.Conversion * float64(direction[i])
			}
			values[part], directions[part] = append(values[part], p.Value), append(directions[part], direction)
		}
	}
	for part, all := range values {
		move := func(by float64) float64 {
			before := make([][]float32, len(all))
			for k, v := range all {
				before[k] = slices.Clone(v)
				for i, d := range directions[part][k] {
					v[i] += float32(by) * d
				}
			}
			l := loss()
			for k, v := range all {
				copy(v, before[k])
			}
			return l
		}
		step := 2e-3 * loss() / slopes[part]
		got := (move(step) - move(-step)) / (2 * step)
		if !(slopes[part] > 0) || math.Abs(got-slopes[part]) > 0.03*slopes[part] {
			t.Errorf("%s: the loss rises by %v, its gradient says %v", part, got, slopes[part])
		}
	}
	t.Logf("tensors that learn: %v", learned)
	if len(learned) != 2 || learned["decoder"] == 0 {
		t.Errorf("tensors that learn: %v; want those of the decoder and of its norm", learned)
	}
}

// TestConvert: every utterance is spoken in the timbre of the next, and heard as the
// codec hears recordings.
func TestConvert(t *testing.T) {
	c := smallConfig()
	trainer := newTrainer(t, c, conversionOptions(), 2)
	us := utterances(t, "en", "fr", "it")
	batch := batchOf(t, c, us, 30)
	r := trainer.generator
	r.Record(op.Random{Off: true})
	codec := trainer.Networks.Codec
	spoken := codec.Forward(r, batch.Heard, model.Chance{})
	converted := trainer.Networks.Convert(r, spoken)
	mel := dsp.NewMel(c.Codec.Mel)
	for b := range us {
		if want := spoken.Timbre.Row((b+1)%len(us), 0); !slices.Equal(converted.Timbre.Row(b, 0), want) {
			t.Errorf("utterance %d: timbre %v, want %v", b, converted.Timbre.Row(b, 0)[:4], want[:4])
		}
		wave := converted.Wave.Sample(b).ToBCT()
		frames := tensor.New(1, 30, mel.Mels)
		for i, v := range dsp.LogMels(wave, 30, mel)[0] {
			frames.Row(0, i/mel.Mels)[i%mel.Mels] = v
		}
		want := codec.Quantizer.Timbres(r, []tensor.Tensor{frames})
		for i, v := range want.Row(0, 0) {
			if got := converted.HeardTimbre.Row(b, 0)[i]; math.Abs(float64(got-v)) > 1e-4 {
				t.Fatalf("utterance %d: timbre %g at %d, of its log-mel %g", b, got, i, v)
			}
		}
	}
}
