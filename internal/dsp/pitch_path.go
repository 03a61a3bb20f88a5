package dsp

import (
	"math"
	"math/bits"
	"slices"
)

// A pitchPath finds the most likely sequence of candidates: Viterbi's algorithm
// over the candidates of each frame and the state of no voice, decided as soon as
// all paths that are still in the race share their past.
type pitchPath struct {
	steps  []pitchStep // undecided
	scores [maxCandidates]float64
	count  int // steps until the next look at what is decided
}

// A pitchStep is one frame's states; state 0 is no voice.
type pitchStep struct {
	n       int
	voiced  float64
	f0, log [maxCandidates]float64 // log2 of f0
	cost    [maxCandidates]float64 // -log of the observation's probability
	back    [maxCandidates]uint8   // the best state before
}

const (
	pitchJump   = 10.0 // nats for an octave from one frame to the next
	pitchCap    = 8.0  // and the most that a jump costs
	pitchSwitch = 4.0  // nats to begin or end a voice
	pitchTiny   = 1e-6 // the least probability, so that no state is impossible

	pathLook  = 8   // steps between two looks
	pathLimit = 400 // steps after which the best path so far is taken: 5 s
)

func (p *pitchPath) reset() { *p = pitchPath{steps: p.steps[:0]} }

// begin adds a frame without candidates.
func (p *pitchPath) begin(voiced float64) {
	if len(p.steps) < cap(p.steps) {
		p.steps = p.steps[:len(p.steps)+1]
	} else {
		p.steps = append(p.steps, pitchStep{})
	}
	s := &p.steps[len(p.steps)-1]
	s.n, s.voiced = 1, voiced
	s.cost[0] = -math.Log(max(1-voiced, pitchTiny))
}

// candidate adds a state to the frame, in place of the least likely one if there
// are too many.
func (p *pitchPath) candidate(f0, probability float64) {
	s := &p.steps[len(p.steps)-1]
	cost := -math.Log(max(probability, pitchTiny))
	i := s.n
	if s.n < maxCandidates {
		s.n++
	} else {
		i = 1
		for j := 2; j < maxCandidates; j++ {
			if s.cost[j] > s.cost[i] {
				i = j
			}
		}
		if s.cost[i] <= cost {
			return
		}
	}
	s.f0[i], s.log[i], s.cost[i] = f0, math.Log2(f0), cost
}

// extend finds each state's best predecessor.
func (p *pitchPath) extend() {
	last := len(p.steps) - 1
	s := &p.steps[last]
	if last == 0 {
		// The first frame of a signal; decide leaves one step behind always.
		copy(p.scores[:s.n], s.cost[:s.n])
		return
	}
	before := &p.steps[last-1]
	var scores [maxCandidates]float64
	for i := range s.n {
		best, from := math.Inf(1), 0
		for j := range before.n {
			score := p.scores[j]
			switch {
			case (i == 0) != (j == 0):
				score += pitchSwitch
			case i != 0:
				score += min(pitchJump*math.Abs(s.log[i]-before.log[j]), pitchCap)
			}
			if score < best {
				best, from = score, j
			}
		}
		scores[i], s.back[i] = best+s.cost[i], uint8(from)
	}
	// Only differences count, and they must not drown in an hour's sum.
	least := slices.Min(scores[:s.n])
	for i := range s.n {
		p.scores[i] = scores[i] - least
	}
}

// decide emits the steps that all surviving paths share.
func (p *pitchPath) decide(emit func(PitchFrame)) {
	if p.count++; p.count < pathLook {
		return
	}
	p.count = 0
	last := len(p.steps) - 1
	alive := uint32(1)<<p.steps[last].n - 1
	for t := last; t > 0; t-- {
		var before uint32
		for states := alive; states != 0; states &= states - 1 {
			before |= 1 << p.steps[t].back[bits.TrailingZeros32(states)]
		}
		if alive = before; alive&(alive-1) == 0 {
			p.emit(t-1, bits.TrailingZeros32(alive), emit)
			return
		}
	}
	if len(p.steps) < pathLimit {
		return
	}
	state := p.best()
	for t := last; t > last/2; t-- {
		state = int(p.steps[t].back[state])
	}
	p.emit(last/2, state, emit)
}

// best returns the last step's state with the best score.
func (p *pitchPath) best() int {
	best := 0
	for i := range p.steps[len(p.steps)-1].n {
		if p.scores[i] < p.scores[best] {
			best = i
		}
	}
	return best
}

// emit emits the steps up to one whose state is known, and drops them.
func (p *pitchPath) emit(last, state int, emit func(PitchFrame)) {
	// Voices are looked up backwards and told forwards; the step's first
	// candidate has room for the answer.
	for t := last; t >= 0; t-- {
		s := &p.steps[t]
		f0 := 0.0
		if state != 0 {
			f0 = s.f0[state]
		}
		s.f0[0] = f0
		state = int(s.back[state])
	}
	for t := range last + 1 {
		emit(PitchFrame{F0: p.steps[t].f0[0], Voiced: p.steps[t].voiced})
	}
	n := copy(p.steps, p.steps[last+1:])
	p.steps = p.steps[:n]
}

// flush ends the signal.
func (p *pitchPath) flush(emit func(PitchFrame)) {
	if len(p.steps) > 0 {
		p.emit(len(p.steps)-1, p.best(), emit)
	}
	p.reset()
}
