package train

import (
	"fmt"
	"maps"
	"slices"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/plural"
)

// pieces says where the pieces of a step are: each rank has some of them, those of rank
// 0 first. One process has all.
type pieces struct {
	counts     []int // of each rank
	first      int   // the number of this rank's first piece in the step
	utterances int   // in all pieces
	before     int   // utterances of the pieces before this rank's
}

// planPieces asks every rank for its pieces.
func planPieces(ranks collective.Comm, own []*Batch) (p pieces, err error) {
	sizes := make([]int32, len(own))
	for i, b := range own {
		sizes[i] = int32(b.Size())
	}
	all, err := collective.AllGather(ranks, collective.Bytes(sizes))
	if err != nil {
		return p, err
	}
	for rank, data := range all {
		sizes, err := collective.Values[int32](data)
		if err != nil {
			return p, err
		}
		if rank == ranks.Rank() {
			p.first, p.before = p.total(), p.utterances
		}
		p.counts = append(p.counts, len(sizes))
		for _, n := range sizes {
			p.utterances += int(n)
		}
	}
	if len(own) == 0 {
		return p, fmt.Errorf("rank %d has no piece of the step", ranks.Rank())
	}
	return p, nil
}

// total returns the number of all pieces.
func (p *pieces) total() (n int) {
	for _, count := range p.counts {
		n += count
	}
	return n
}

// PiecesOf returns which of a step's pieces a rank has: those from first on, up to the
// one before end.
func PiecesOf(rank, ranks, pieces int) (first, end int) {
	return pieces * rank / ranks, pieces * (rank + 1) / ranks
}

// add adds to a value of the piece that is at work. Those of all pieces become losses of
// the step in sumLosses.
func (s *step) add(name string, value float64) { s.pieceLosses[len(s.pieceLosses)-1][name] += value }

// sumLosses adds up what was added since it was last called, piece by piece, those of
// other ranks among them, and adds the sums to the losses of the step.
func (s *step) sumLosses() error {
	var own []float64
	names := slices.Sorted(maps.Keys(s.pieceLosses[0]))
	for _, piece := range s.pieceLosses {
		for _, name := range names {
			own = append(own, piece[name])
		}
	}
	s.pieceLosses = nil
	all, err := collective.AllGather(s.Ranks, collective.Bytes(own))
	if err != nil {
		return err
	}
	sums := make([]float64, len(names))
	for rank, data := range all {
		values, err := collective.Values[float64](data)
		if err != nil {
			return err
		}
		if len(values) != len(names)*s.plan.counts[rank] {
			return fmt.Errorf("rank %d has %d losses of %s, rank %d has %d of each: do all run the same experiment?",
				rank, len(values), plural.Of(s.plan.counts[rank], "piece"), s.Ranks.Rank(), len(names))
		}
		for i, v := range values {
			sums[i%len(names)] += v
		}
	}
	for i, name := range names {
		s.losses[name] += sums[i]
	}
	return nil
}
