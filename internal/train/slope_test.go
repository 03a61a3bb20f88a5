package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/nn"
)

// checkSlopes compares how a loss of the generator changes along a direction with what
// its gradient says, for each part of the parameters that partOf names, "" for none.
// The trainer's rate is 0, the loss's weight is weight, and it is to change by change.
// It returns how many tensors each part has.
func checkSlopes(t *testing.T, trainer *Trainer, step func(...*Batch) (Losses, error), batch *Batch, name string, weight, change float64, partOf func(n *nn.Network, p *nn.Param) string) map[string]int {
	t.Helper()
	keepGradients(trainer)
	loss := func() float64 {
		for _, n := range trainer.Generator {
			if err := n.Refresh(trainer.pool); err != nil {
				t.Fatal(err)
			}
		}
		losses, err := step(batch)
		if err != nil {
			t.Fatal(err)
		}
		return losses[name]
	}
	loss()
	type tensor struct{ values, direction []float32 }
	rng := rand.New(rand.NewPCG(1, 2))
	parts, slopes, sizes := map[string][]tensor{}, map[string]float64{}, map[string]int{}
	for _, n := range trainer.Generator {
		for _, p := range n.Params {
			part := partOf(n, p)
			if part == "" {
				continue
			}
			// Along the gradient, each value by a part of its own, so that the slope is steep.
			direction := make([]float32, p.Len())
			for i, g := range p.Grad {
				direction[i] = g * rng.Float32()
				slopes[part] += float64(g) / weight * float64(direction[i])
			}
			parts[part] = append(parts[part], tensor{p.Value, direction})
			sizes[part]++
		}
	}
	for part, tensors := range parts {
		move := func(by float64) float64 {
			var before [][]float32
			for _, x := range tensors {
				before = append(before, slices.Clone(x.values))
				for i, d := range x.direction {
					x.values[i] += float32(by) * d
				}
			}
			l := loss()
			for i, x := range tensors {
				copy(x.values, before[i])
			}
			return l
		}
		by := change / slopes[part]
		got := (move(by) - move(-by)) / (2 * by)
		if !(slopes[part] > 0) || math.Abs(got-slopes[part]) > 0.03*slopes[part] {
			t.Errorf("%s: the loss rises by %v, its gradient says %v", part, got, slopes[part])
		}
	}
	return sizes
}
