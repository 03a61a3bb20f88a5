package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// compareVoices gives a batch of batchOf what timbres are compared with.
func compareVoices(c model.CodecTrainingConfig, b *Batch, us []Utterance) {
	starts := make([]int, len(us))
	for i := range starts {
		starts[i] = 10 + 3*i
	}
	NewCollator(c.Codec, true).compareVoices(b, us, starts, b.F0.T, op.Random{Seed: 3}, 0)
}

// TestCompareVoices: timbre and partner are the two halves of an utterance, the crop is in the
// partner, which sounds as over another line in every step, and what is encoded in place of an
// utterance is another voice.
func TestCompareVoices(t *testing.T) {
	c := smallConfig()
	us := utterances(t, "en", "fr")
	const frames = 20
	us[1].Perturbed = slices.Repeat([]float32{0.1, -0.1}, frames*150)
	whole := batchOf(t, c, us, frames).Inputs.Timbre
	compared := func(starts []int, step uint64) *Batch {
		f := NewCollator(c.Codec, true)
		b, err := f.Batch(us, starts, frames)
		if err != nil {
			t.Fatal(err)
		}
		f.compareVoices(b, us, starts, frames, op.Random{Seed: 3, Step: step}, 0)
		return b
	}
	early, late := []int{0, 5}, []int{whole[0].T - frames, whole[1].T - frames}
	for _, k := range []struct {
		starts []int
		second bool // half that the timbre comes from
	}{{early, true}, {late, false}} {
		b := compared(k.starts, 0)
		for i, x := range b.Inputs.Timbre {
			half, partner := whole[i].T/2, b.Inputs.Partners[i]
			from := 0
			if k.second {
				from = half
			}
			if x.T+partner.T != whole[i].T || !slices.Equal(x.Row(0, 0), whole[i].Row(0, from)) {
				t.Errorf("crops from %v, utterance %d: %d frames from %d", k.starts, i, x.T, from)
			}
			other := whole[i].Row(0, half-from)
			if from == 0 {
				other = whole[i].Row(0, half)
			}
			if slices.Equal(partner.Row(0, 0), other) {
				t.Errorf("crops from %v, utterance %d: the partner is on the same line", k.starts, i)
			}
		}
		if len(b.Inputs.Others) != 1 || b.Inputs.Others[0].T != frames {
			t.Errorf("%d others", len(b.Inputs.Others))
		}
	}
	first, again, next := compared(early, 0), compared(early, 0), compared(early, 1)
	line := func(b *Batch) []float32 { return b.Inputs.Partners[0].Data }
	if !slices.Equal(line(first), line(again)) || slices.Equal(line(first), line(next)) {
		t.Error("a step draws other lines each time, or all steps draw the same")
	}
	for _, v := range line(first) {
		if v < float32((math.Log(lineFloor)+4)/4)-1e-3 || math.IsNaN(float64(v)) {
			t.Fatalf("a log-mel of %v", v)
		}
	}
}

// stepsOf returns trainer.Step that leaves the timbres of earlier steps as they are.
func stepsOf(t *testing.T, trainer *CodecTrainer, batch *Batch) func(...*Batch) (Losses, error) {
	t.Helper()
	for range 2 {
		if _, err := trainer.Step(batch); err != nil {
			t.Fatal(err)
		}
	}
	values, filled := slices.Clone(trainer.voices.values), trainer.voices.filled[0]
	if filled < bankLeast {
		t.Fatalf("%v timbres", filled)
	}
	return func(b ...*Batch) (Losses, error) {
		losses, err := trainer.Step(b...)
		copy(trainer.voices.values, values)
		trainer.voices.filled[0] = filled
		return losses, err
	}
}

// TestVoiceGradient: the timbre encoder learns from the comparison of timbres, by the gradient
// of the loss, and nothing else does.
func TestVoiceGradient(t *testing.T) {
	c, us := smallConfig(), utterances(t, "en", "fr", "it")
	batch := batchOf(t, c, us, 20)
	compareVoices(c, batch, us)
	o := upstreamCodecOptions()
	o.Weights = config.LossWeights{Voice: 2}
	o.Deterministic, o.DiscriminatorStart, o.Schedule.LearningRate = true, 1000, 0
	trainer := newCodecTrainer(t, c, o, 2)
	learned := checkSlopes(t, trainer.Trainer, stepsOf(t, trainer, batch), batch, "voice", o.Weights.Voice, 1e-3, learning)
	if len(learned) != 1 || learned["quantizer.timbre_encoder"] == 0 {
		t.Errorf("tensors that learn: %v", learned)
	}
}

// learning names the parts of a codec that get a gradient.
func learning(n *nn.Network, p *nn.Param) string {
	switch {
	case p.Unused || !slices.ContainsFunc(p.Grad, func(g float32) bool { return math.Abs(float64(g)) > 1e-20 }):
		return ""
	case n.Prefix == "quantizer":
		return strings.Join(strings.Split(p.Name, ".")[:2], ".")
	}
	return n.Prefix
}

// TestIdentityGradient: the decoder learns, by the gradient of the loss, to give what it decodes
// and converts the timbre that it decodes with, and so do the codes.
func TestIdentityGradient(t *testing.T) {
	c, us := smallConfig(), utterances(t, "en", "fr", "it")
	us[2].Perturbed = us[2].Wave[:20*300] // which tells nothing of the gradient
	batch := batchOf(t, c, us, 20)
	us[2].Perturbed = nil
	compareVoices(c, batch, us)
	o := upstreamCodecOptions()
	o.Weights = config.LossWeights{Voice: 1e-30, Identity: 2}
	o.Deterministic, o.JointParts, o.DiscriminatorStart, o.Schedule.LearningRate = true, true, 1000, 0
	trainer := newCodecTrainer(t, c, o, 2)
	step := stepsOf(t, trainer, batch)
	sum := func(b ...*Batch) (Losses, error) { // which the gradient is of
		losses, err := step(b...)
		for _, name := range []string{"identity", "converted_identity"} {
			if !(losses[name] > 0) {
				t.Errorf("%s is %v", name, losses[name])
			}
			losses["sum"] += losses[name]
		}
		return losses, err
	}
	all := map[string]bool{}
	learned := checkSlopes(t, trainer.Trainer, sum, batch, "sum", o.Weights.Identity, 1e-3, func(n *nn.Network, p *nn.Param) string {
		part := learning(n, p)
		if part != "" {
			all[part] = true
		}
		if part != "decoder" && part != "quantizer.timbre_linear" {
			return "" // gradients go straight through the quantizers, differences do not
		}
		return part
	})
	if len(learned) != 2 || !all["encoder"] {
		t.Errorf("parts that learn: %v", all)
	}
}

// TestDetachContent: where it is to, content learns only from what is encoded in another voice.
func TestDetachContent(t *testing.T) {
	c, us := smallConfig(), utterances(t, "en", "fr")
	for _, perturbed := range []bool{false, true} {
		if perturbed {
			us[1].Perturbed = us[1].Wave[:16*300]
		}
		o := upstreamCodecOptions()
		o.Weights = config.LossWeights{Mel: 1}
		o.Deterministic, o.JointParts, o.DetachContent, o.DiscriminatorStart = true, true, true, 1000
		trainer := newCodecTrainer(t, c, o, 1)
		keepGradients(trainer.Trainer)
		if _, err := trainer.Step(batchOf(t, c, us, 16)); err != nil {
			t.Fatal(err)
		}
		for _, n := range trainer.Generator {
			for _, p := range n.Params {
				if part := learning(n, p); part == "quantizer.content_quantizer" && !perturbed {
					t.Errorf("%s learns", p.Name)
				} else if p.Name == "quantizer.content_quantizer.quantizers.0.out_proj.weight_v" && perturbed && part == "" {
					t.Errorf("%s learns nothing", p.Name)
				}
			}
		}
	}
}

// TestVoiceBank: the timbres of the last steps, the oldest first, and no more than there is
// room for.
func TestVoiceBank(t *testing.T) {
	b := newVoiceBank(2)
	var want []float32
	for i := range bankSize + 10 {
		x := tensor.New(1, 1, 2)
		copy(x.Data, []float32{float32(i), -float32(i)})
		want = append(want, x.Data[:2]...)
		b.collect(true, x)
		if i == bankLeast-1 && b.contrast(tensor.Tensor{}) != nil {
			t.Error("too few are compared")
		}
		if err := b.add(collective.Alone{}); err != nil {
			t.Fatal(err)
		}
	}
	golden.Equal(t, "the last", b.values, want[len(want)-2*bankSize:])
	c := b.contrast(tensor.New(3, 1, 2))
	if mean := float32(10+bankSize+9) / 2; len(c.Others) != bankSize+3 || math.Abs(float64(c.Mean[0]-mean)) > 1e-2 || math.Abs(float64(c.Mean[1]+mean)) > 1e-2 {
		t.Errorf("%d others, mean %v", len(c.Others), c.Mean)
	}
}
