package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// A Position is a place in the endless sequence of batches: that of the next one.
type Position struct {
	Epoch int `json:"epoch"`
	Batch int `json:"batch"` // in the epoch, from 0
}

// draw returns a number that looks random and depends on what is given alone: not
// on a generator's state, and so not on who draws first.
func draw(use string, seed uint64, epoch int, c Clip, repeat int) uint64 {
	b := []byte(use)
	for _, n := range []uint64{seed, uint64(epoch), uint64(c.Start), uint64(c.Samples), uint64(repeat)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	sum := sha256.Sum256(append(b, c.Path...))
	return binary.LittleEndian.Uint64(sum[:])
}

// gain returns a clip's gain in an epoch in dB, uniform from lo to hi.
func gain(seed uint64, epoch int, c Clip, repeat int, lo, hi float64) float64 {
	u := float64(draw("gain", seed, epoch, c, repeat)>>11) / (1 << 53)
	return lo + (hi-lo)*u
}

// amplify scales samples by dB.
func amplify(samples []float32, db float64) {
	if db == 0 {
		return
	}
	f := float32(math.Pow(10, db/20))
	for i := range samples {
		samples[i] *= f
	}
}

// shuffled returns an epoch's order of n clips: Fisher and Yates's, with numbers
// from splitmix64 (Steele, Lea and Flood 2014), so that it is the same with every
// version of Go.
func shuffled(seed uint64, epoch, n int) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	state := draw("order", seed, epoch, Clip{}, 0)
	for i := n - 1; i > 0; i-- {
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		j, _ := bits.Mul64(z, uint64(i+1)) // below i+1
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// A schedule is which clip stands where in the endless sequence. It remembers one
// epoch's order and serves one goroutine.
type schedule struct {
	seed  uint64
	clips int
	batch int // clips of one
	epoch int // of order
	order []int32
}

// batches returns how many an epoch has. The last clips, too few for a batch, are
// left out, others each epoch; where all are too few they make one batch, in which
// they repeat.
func (s *schedule) batches() int { return max(1, s.clips/s.batch) }

// orderOf returns an epoch's order, which the caller must not change.
func (s *schedule) orderOf(epoch int) []int32 {
	if s.order == nil || s.epoch != epoch {
		s.epoch, s.order = epoch, shuffled(s.seed, epoch, s.clips)
	}
	return s.order
}

// next returns the position after p.
func (s *schedule) next(p Position) Position {
	if p.Batch++; p.Batch >= s.batches() {
		p = Position{Epoch: p.Epoch + 1}
	}
	return p
}

// check returns p, or the start of the next epoch where p is behind the end of its
// epoch: batches are larger or clips fewer than when p was taken.
func (s *schedule) check(p Position) (Position, error) {
	if p.Epoch < 0 || p.Batch < 0 || p.Epoch == math.MaxInt {
		return p, fmt.Errorf("position epoch %d, batch %d: is none", p.Epoch, p.Batch)
	}
	if p.Batch >= s.batches() {
		return Position{Epoch: p.Epoch + 1}, nil
	}
	return p, nil
}
