package live

import (
	"math"
	"slices"
	"time"
)

// Stats are what a meter shows.
type Stats struct {
	// In and Out are levels since the last call.
	In, Out Level
	// Seconds of input, and of it what was skipped, because it was not processed in time,
	// in so many Dropouts.
	Seconds, Skipped float64
	Dropouts         int
	// Algorithm is by how much the codec's output is behind its input, however fast the
	// computer, resamplers included.
	Algorithm time.Duration
	// Frame is how long the last frames took: the median, the 99th percentile of them and
	// the longest. Of the last 1024; of blocks, where Options.Block says so.
	Frame Times
	// RealTimeFactor is the time that they took, of the time that they last.
	RealTimeFactor float64
}

// A Level is that of some sound, of full scale 1.
type Level struct {
	Peak, RMS float64
}

// Decibels returns a level in dB of full scale, at least -99.
func Decibels(x float64) float64 { return max(-99, 20*math.Log10(max(x, 1e-9))) }

// Times are of many frames.
type Times struct{ Median, P99, Max time.Duration }

type level struct {
	peak float32
	sum  float64
	n    int
}

func (l *level) add(samples []float32) {
	for _, v := range samples {
		l.peak = max(l.peak, v, -v)
		l.sum += float64(v) * float64(v)
	}
	l.n += len(samples)
}

func (l *level) take() Level {
	taken := Level{Peak: float64(l.peak), RMS: math.Sqrt(l.sum / float64(max(l.n, 1)))}
	*l = level{}
	return taken
}

type meters struct {
	in, out          level
	block, rate      int // samples that are converted at a time, and in a second
	written, skipped int64
	dropouts         int
	inGap            bool
	times            [1024]time.Duration
	blocks           int
	sorted           []time.Duration
}

func (m *meters) init(block, rate int) {
	m.block, m.rate = block, rate
	m.sorted = make([]time.Duration, 0, len(m.times))
}

// processed records blocks that took so long together.
func (m *meters) processed(took time.Duration, blocks int, skipped bool) {
	if blocks == 0 {
		return
	}
	if skipped {
		m.skipped += int64(blocks * m.block)
		if !m.inGap {
			m.dropouts++
		}
		m.inGap = true
		return
	}
	m.inGap = false
	for range blocks {
		m.times[m.blocks%len(m.times)] = took / time.Duration(blocks)
		m.blocks++
	}
}

// Stats returns what the meters show.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := &e.meters
	rate := float64(e.options.InRate)
	s := Stats{
		In: m.in.take(), Out: m.out.take(), Dropouts: m.dropouts,
		Seconds: float64(m.written) / rate, Skipped: float64(m.skipped) / float64(m.rate),
		Algorithm: e.algorithm,
	}
	m.sorted = append(m.sorted[:0], m.times[:min(m.blocks, len(m.times))]...)
	n := len(m.sorted)
	if n == 0 {
		return s
	}
	var sum time.Duration
	for _, t := range m.sorted {
		sum += t
	}
	slices.Sort(m.sorted)
	s.Frame = Times{m.sorted[n/2], m.sorted[n*99/100], m.sorted[n-1]}
	s.RealTimeFactor = sum.Seconds() / (float64(n) * float64(m.block) / float64(m.rate))
	return s
}
