package scope

import "math"

// bins hold a series of unknown length in bounded memory: each bin sums up per
// values in a row, and when the bins run out, neighbors are merged and per
// doubles.
type bins[T any] struct {
	limit int // even
	all   []T
	per   int // values in a bin
	last  int // values in the last one
	merge func(a, b T) T
}

func newBins[T any](limit int, merge func(a, b T) T) *bins[T] {
	return &bins[T]{limit: limit + limit%2, per: 1, last: 1, merge: merge}
}

func (b *bins[T]) add(v T) {
	if len(b.all) > 0 && b.last < b.per {
		b.last++
		b.all[len(b.all)-1] = b.merge(b.all[len(b.all)-1], v)
		return
	}
	if len(b.all) == b.limit {
		for i := range b.limit / 2 {
			b.all[i] = b.merge(b.all[2*i], b.all[2*i+1])
		}
		clear(b.all[b.limit/2:])
		b.all = b.all[:b.limit/2]
		b.per *= 2
	}
	b.all = append(b.all, v)
	b.last = 1
}

// A series is a bin for every Step seconds from Start on.
type series[T any] struct {
	start, step float64
	bins        []T
}

// series returns the bins of values that lie step seconds apart from start on.
func (b *bins[T]) series(start, step float64) series[T] {
	return series[T]{start, step * float64(b.per), b.all}
}

// within returns the bins that a stretch of time touches.
func (s series[T]) within(from, to float64) []T {
	first := int(math.Floor((from - s.start) / s.step))
	last := int(math.Ceil((to - s.start) / s.step))
	first, last = max(first, 0), min(last, len(s.bins))
	if first >= last {
		return nil
	}
	return s.bins[first:last]
}

// An extent is the range of some values; without any it is upside down.
type extent struct{ min, max float32 }

var nothing = extent{float32(math.Inf(1)), float32(math.Inf(-1))}

func (e extent) empty() bool { return e.min > e.max }

func (e extent) with(other extent) extent {
	return extent{min(e.min, other.min), max(e.max, other.max)}
}

func extentOf(all []extent) extent {
	e := nothing
	for _, other := range all {
		e = e.with(other)
	}
	return e
}

// A voice is the pitch of some frames: its range, and its mean by the sum of
// logarithms over those frames that have one.
type voice struct {
	extent
	logs   float64
	frames int
}

var silence = voice{extent: nothing}

func voiceOf(f0 float64) voice {
	return voice{extent{float32(f0), float32(f0)}, math.Log(f0), 1}
}

func (v voice) with(other voice) voice {
	return voice{v.extent.with(other.extent), v.logs + other.logs, v.frames + other.frames}
}

func (v voice) mean() float64 { return math.Exp(v.logs / float64(v.frames)) }

func voiceIn(all []voice) voice {
	v := silence
	for _, other := range all {
		v = v.with(other)
	}
	return v
}

// A spectrum is the sum of some frames' powers by mel band, and how many they
// are.
type spectrum struct {
	power  []float64
	frames int
}

func (s spectrum) with(other spectrum) spectrum {
	for i, p := range other.power {
		s.power[i] += p
	}
	s.frames += other.frames
	return s
}
