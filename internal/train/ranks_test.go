package train

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/tensor"
)

// onRanks calls f for each rank of a world at once, with messages that are delayed at
// random; a rank that returns an error ends the others.
func onRanks(size int, f func(ranks collective.Comm) error) error {
	w, ranks := collective.NewWorld(size)
	w.MaxDelay = time.Millisecond / 2
	errs := make([]error, size)
	var running sync.WaitGroup
	for i, c := range ranks {
		running.Go(func() {
			if errs[i] = f(c); errs[i] != nil {
				w.Abort(i)
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// pieceOf cuts utterances out of a batch.
func pieceOf(whole *Batch, from, to int) *Batch {
	b := *whole
	cut := func(x tensor.Tensor) tensor.Tensor {
		return tensor.Tensor{B: to - from, T: x.T, C: x.C, Stride: x.Stride, Data: x.Data[from*x.T*x.Stride : to*x.T*x.Stride]}
	}
	b.Inputs = model.Inputs{Wave: cut(b.Inputs.Wave), Prosody: cut(b.Inputs.Prosody), Timbre: b.Inputs.Timbre[from:to]}
	if whole.Inputs.Partners != nil {
		b.Inputs.Partners = whole.Inputs.Partners[from:to]
	}
	b.Target, b.Perturbed = cut(b.Target), b.Perturbed[from:to]
	b.F0, b.Pitch, b.Energy = cut(b.F0), cut(b.Pitch), cut(b.Energy)
	b.Phones, b.Speaker = b.Phones[from:to], b.Speaker[from:to]
	return &b
}

// TestRanksEqualAccumulation: steps on several ranks, each with a share of the pieces,
// are those of one process with all pieces, in every parameter, moment and loss: with
// dropout, conversions, entries that are restarted, and initial weights from data. All
// gradients are on their way before the backward pass is over.
func TestRanksEqualAccumulation(t *testing.T) {
	c := smallConfig()
	whole := batchOf(t, c, utterances(t, "en", "fr", "it", "ru", "es"), 16)
	compareVoices(c, whole, utterances(t, "en", "fr", "it", "ru", "es"))
	pieces := []*Batch{pieceOf(whole, 0, 1), pieceOf(whole, 1, 3), pieceOf(whole, 3, 4), pieceOf(whole, 4, 5)}
	o := upstreamCodecOptions()
	o.Weights.Conversion, o.Weights.Voice, o.Weights.Identity = 2, 1, 2
	o.EMADecay, o.Seed, o.RestartCodes, o.NormalizeCodes, o.DataInit = 0.99, 5, 2, true, true
	o.DiscriminatorStart = 1
	const steps = 3
	type outcome struct {
		state  map[string][]float32
		losses []Losses
		codes  []int32
		chosen []float32

		traffic GradientTraffic
	}
	train := func(ranks collective.Comm) (got outcome, err error) {
		o := o
		o.Ranks = ranks
		trainer := newCodecTrainer(t, c, o, 1)
		trainer.bucketValues = 10000
		first, end := PiecesOf(ranks.Rank(), ranks.Size(), len(pieces))
		for range steps {
			losses, err := trainer.Step(pieces[first:end]...)
			if err != nil {
				return got, err
			}
			got.losses = append(got.losses, maps.Clone(losses))
		}
		got.state, got.traffic = state(trainer.Trainer), trainer.Traffic
		for _, books := range trainer.Codes {
			got.codes = append(got.codes, slices.Concat(slices.Concat(books...)...)...)
		}
		for _, b := range trainer.buffers {
			got.chosen = append(got.chosen, b.values...)
		}
		return got, nil
	}
	want, err := train(collective.Alone{})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{2, 3, 4} {
		err := onRanks(size, func(ranks collective.Comm) error {
			got, err := train(ranks)
			if err != nil {
				return err
			}
			who := fmt.Sprintf("rank %d of %d", ranks.Rank(), size)
			for name, v := range want.state {
				golden.Equal(t, who+": "+name, got.state[name], v)
			}
			for i := range want.losses {
				if !maps.Equal(got.losses[i], want.losses[i]) {
					t.Errorf("%s, step %d: losses %v, in one process %v", who, i, got.losses[i], want.losses[i])
				}
			}
			golden.Equal(t, who+": counts of codes", got.chosen, want.chosen)
			if !slices.Equal(got.codes, want.codes) {
				t.Errorf("%s: other codes", who)
			}
			if g := got.traffic; g.Buckets < 10*steps || g.Early < g.Buckets || g.Bytes == 0 || g.Busy == 0 {
				t.Errorf("%s: %+v", who, g)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%d ranks: %v", size, err)
		}
	}
}

// TestGradientOrder: the sum of pieces does not depend on how they are shared out, and is
// that of a tree over all of them.
func TestGradientOrder(t *testing.T) {
	for pieces := 1; pieces <= 13; pieces++ {
		values := make([]float32, pieces)
		for i := range values {
			values[i] = float32(1+i*i) * 0.1 // rounded in every sum
		}
		var tree func(from, to int) float32
		tree = func(from, to int) float32 {
			if to-from == 1 {
				return values[from]
			}
			half := 1
			for 2*half < to-from {
				half *= 2
			}
			return tree(from, from+half) + tree(from+half, to)
		}
		want := tree(0, pieces)
		for ranks := 1; ranks <= pieces; ranks++ {
			var nodes []node
			var sums [][]float32
			for rank := range ranks {
				first, end := PiecesOf(rank, ranks, pieces)
				own := nodesOf(first, end-first)
				for _, n := range own {
					from := n.index << n.level
					sums = append(sums, []float32{tree(from, from+1<<n.level)})
				}
				nodes = append(nodes, own...)
			}
			if got := sumNodes(nodes, sums); got[0] != want {
				t.Errorf("%d pieces on %d ranks: %v, want %v", pieces, ranks, got[0], want)
			}
		}
	}
	var left, right float32
	for i := range 13 {
		left += float32(1+i*i) * 0.1
		right = float32(1+(12-i)*(12-i))*0.1 + right
	}
	if left == right {
		t.Error("the values sum to the same in every order: the test shows nothing")
	}
}
