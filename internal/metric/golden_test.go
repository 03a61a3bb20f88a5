package metric

import (
	"math"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
)

// TestGoldenDistances compares the mel and the STFT distance with the losses of
// the originals, in float32 there. A loss is a mean over a batch of waves of one
// length: the mean of the distances.
func TestGoldenDistances(t *testing.T) {
	const tolerance = 1e-5
	for pattern, distance := range map[string]func(a, b []float32) float64{
		"module_loss_mel*.npz":  NewMelDistance(24000).Distance,
		"module_loss_stft*.npz": NewSTFTDistance().Distance,
	} {
		for _, path := range golden.Files(t, pattern) {
			g := golden.Load(t, path)
			pred, shape := g.F32("input.pred")
			target, _ := g.F32("input.target")
			batch, samples := shape[0], shape[2]
			var got float64
			for i := range batch {
				from, to := i*samples, (i+1)*samples
				got += distance(target[from:to], pred[from:to]) / float64(batch)
			}
			want := g.Scalar("output.0")
			t.Logf("%s: %v, want %v, relative error %.2g", g.Name, got, want, math.Abs(got/want-1))
			if !(math.Abs(got/want-1) <= tolerance) {
				t.Errorf("%s: %v, want %v", g.Name, got, want)
			}
			// The gradients are the losses' of training.
			g.Done(func(name string) bool { return name == "grad.input.pred" || name == "grad.input.target" })
		}
	}
}
