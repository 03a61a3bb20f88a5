package train

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// broadcast makes the parameters of networks those of rank 0, and derives from them what
// layers need.
func (t *Trainer) broadcast(networks ...*nn.Network) error {
	for _, n := range networks {
		for _, p := range n.Params {
			if err := collective.Broadcast(t.Ranks, p.Value); err != nil {
				return err
			}
		}
		if err := n.Refresh(t.pool); err != nil {
			return err
		}
	}
	return nil
}

// shareState makes the state of all ranks that of rank 0.
func (t *Trainer) shareState() error {
	if t.Ranks.Size() == 1 {
		return nil
	}
	text, err := json.Marshal(t.counters())
	if err != nil {
		return err
	}
	if text, err = collective.Share(t.Ranks, text); err != nil {
		return err
	}
	var c counters
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("from rank 0: %w", err)
	}
	for _, a := range t.arrays() {
		if err := collective.Broadcast(t.Ranks, a.values); err != nil {
			return err
		}
	}
	t.setCounters(c)
	return t.broadcast(t.Networks()...)
}

// arrays returns all arrays of the state but the parameters themselves, under the names
// that they have in checkpoints.
func (t *Trainer) arrays() (all []stateBuffer) {
	for _, n := range t.Networks() {
		for _, m := range t.Optimizers[n.Prefix].Moments {
			all = append(all, stateBuffer{checkpoint.MeanPrefix + m.Param.Name, m.M}, stateBuffer{checkpoint.SquarePrefix + m.Param.Name, m.V})
		}
	}
	if t.EMA != nil {
		for i, p := range t.EMA.Params {
			all = append(all, stateBuffer{p.Name, t.EMA.Means[i]})
		}
	}
	return append(all, t.buffers...)
}

// checkReplicas returns an error that names two ranks and an array where the state of
// ranks is not the same. All do the same to the same numbers, so that a difference means
// that a machine computes wrongly, or other than the rest.
func (t *Trainer) checkReplicas() error {
	if t.Ranks.Size() == 1 {
		return nil
	}
	all := t.arrays()
	for _, n := range t.Networks() {
		for _, p := range n.Params {
			all = append(all, stateBuffer{p.Name, p.Value})
		}
	}
	sums := make([]int32, len(all))
	t.pool.For(len(all), func(i int) {
		sum, _ := weights.Checksum(all[i].values)
		sums[i] = int32(sum)
	})
	gathered, err := collective.AllGather(t.Ranks, collective.Bytes(sums))
	if err != nil {
		return err
	}
	first, err := collective.Values[int32](gathered[0])
	if err != nil {
		return err
	}
	for rank, data := range gathered {
		other, err := collective.Values[int32](data)
		if err != nil {
			return err
		}
		if slices.Equal(other, first) {
			continue
		}
		name := "the number of arrays"
		for i := range min(len(other), len(first)) {
			if other[i] != first[i] {
				name = all[i].name
				break
			}
		}
		return fmt.Errorf("rank 0 and rank %d no longer train the same model: %s differs; one of their machines computes wrongly, or they have other kinds of processors", rank, name)
	}
	return nil
}
