package train

import (
	"math"
	"reflect"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
)

// TestLossTable: every name and tag is there once, and every weight of the config is
// that of a loss.
func TestLossTable(t *testing.T) {
	names, tags := map[string]bool{}, map[string]bool{}
	for _, l := range lossInfos() {
		if names[l.name] || tags[l.curve.Tag] || l.name == "" || l.curve.Group == "" || l.curve.Panel == "" {
			t.Errorf("%+v", l)
		}
		names[l.name], tags[l.curve.Tag] = true, true
	}
	var weights []func(config.LossWeights) float64
	weights = append(weights, weightsOf(waveLosses)...)
	weights = append(weights, weightsOf(adversarialLosses)...)
	weights = append(weights, weightsOf(codecLosses)...)
	fields := reflect.TypeFor[config.LossWeights]()
	for i := range fields.NumField() {
		var w config.LossWeights
		reflect.ValueOf(&w).Elem().Field(i).SetFloat(3)
		used := 0
		for _, weight := range weights {
			if weight(w) == 3 {
				used++
			}
		}
		if used == 0 {
			t.Errorf("loss_weights.%s is no loss's weight", fields.Field(i).Tag.Get("key"))
		}
	}
}

func weightsOf[O any](table []loss[O]) (all []func(config.LossWeights) float64) {
	for _, l := range table {
		if l.weight != nil {
			all = append(all, l.weight)
		}
	}
	return all
}

// TestTotal: the total of a step is the sum of the losses by their weights, each of
// which is computed and logged.
func TestTotal(t *testing.T) {
	c := smallConfig()
	o := upstreamCodecOptions()
	o.Weights.Conversion, o.Weights.Pitch, o.Weights.Envelope, o.Weights.Voice, o.Weights.Identity = 7, 5, 3, 2, 4
	o.MeasureInterval = 1
	us := utterances(t, "en", "fr")
	batch, trainer := batchOf(t, c, us, 16), newCodecTrainer(t, c, o, 2)
	compareVoices(c, batch, us)
	var losses Losses
	for filled := 0; filled <= bankLeast; filled += len(us) { // then timbres are compared
		var err error
		if losses, err = trainer.Step(batch); err != nil {
			t.Fatal(err)
		}
	}
	total := 0.0
	sum := func(name string, weight func(config.LossWeights) float64) {
		value, ok := losses[name]
		if !ok {
			t.Errorf("no %s", name)
		}
		if weight != nil {
			total += weight(o.Weights) * value
		}
	}
	for _, l := range waveLosses {
		sum(l.name, l.weight)
	}
	for _, l := range adversarialLosses {
		sum(l.name, l.weight)
	}
	for _, l := range codecLosses {
		sum(l.name, l.weight)
	}
	if math.Abs(losses["total"]-total) > 1e-9*total {
		t.Errorf("total %v, want %v", losses["total"], total)
	}
	for name := range losses {
		known := name == "total" || name == "discriminator" || len(name) > 10 && name[:10] == "grad_norm."
		for _, l := range lossInfos() {
			known = known || l.name == name
		}
		if !known {
			t.Errorf("%s is in no table, and is not logged", name)
		}
	}
}
