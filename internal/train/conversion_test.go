package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// conversionOptions have nothing on but the loss of conversions.
func conversionOptions() CodecOptions {
	o := upstreamCodecOptions()
	o.Weights = config.LossWeights{Conversion: 2}
	o.Deterministic, o.DiscriminatorStart, o.Schedule.LearningRate = true, 1000, 0
	return o
}

// TestConversionGradient: from conversions the decoder learns and what modulates its
// input, by the gradient of the loss; nothing else does, above all not the timbre
// extractor, which could make itself agree.
func TestConversionGradient(t *testing.T) {
	o := conversionOptions()
	trainer := newCodecTrainer(t, smallConfig(), o, 2)
	batch := batchOf(t, smallConfig(), utterances(t, "en", "fr", "it"), 30)
	learned := checkSlopes(t, trainer.Trainer, trainer.Step, batch, "conversion", o.Weights.Conversion, 3e-4, func(n *nn.Network, p *nn.Param) string {
		switch {
		case p.Unused || !slices.ContainsFunc(p.Grad, func(g float32) bool { return g != 0 }):
			return ""
		case n.Prefix == "quantizer":
			return strings.Join(strings.Split(p.Name, ".")[:2], ".")
		}
		return n.Prefix
	})
	t.Logf("tensors that learn: %v", learned)
	if len(learned) != 2 || learned["decoder"] == 0 {
		t.Errorf("tensors that learn: %v; want those of the decoder and of its norm", learned)
	}
}

// TestConvert: every utterance is spoken in the timbre of the next, and heard as the
// codec hears recordings.
func TestConvert(t *testing.T) {
	c := smallConfig()
	trainer := newCodecTrainer(t, c, conversionOptions(), 2)
	us := utterances(t, "en", "fr", "it")
	batch := batchOf(t, c, us, 30)
	r := trainer.generatorRun
	r.Record(op.Random{Off: true})
	codec := trainer.Model.Codec
	spoken := codec.Forward(r, batch.Inputs, model.DropoutMasks{})
	converted := trainer.Model.Convert(r, spoken)
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
			if got := converted.WaveTimbre.Row(b, 0)[i]; math.Abs(float64(got-v)) > 1e-4 {
				t.Fatalf("utterance %d: timbre %g at %d, of its log-mel %g", b, got, i, v)
			}
		}
	}
}

// TestWithoutConversion: a spectrogram that nothing can be converted with is no
// hindrance where nothing is.
func TestWithoutConversion(t *testing.T) {
	c := smallConfig()
	c.Codec.Mel.FFT = 1500
	o := upstreamCodecOptions()
	if _, err := newCodecTrainer(t, c, o, 2).Step(batchOf(t, c, utterances(t, "en", "fr"), 20)); err != nil {
		t.Fatal(err)
	}
}
