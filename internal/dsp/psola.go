package dsp

import "math"

// PSOLA changes the voice of speech and leaves its timing: time-domain pitch-synchronous
// overlap-add (Moulines and Charpentier, "Pitch-synchronous waveform processing
// techniques for text-to-speech synthesis using diphones", Speech Communication 9, 1990)
// with resampled grains, which moves formants (as in Praat's "Change gender").
type PSOLA struct {
	SampleRate int
	Hop        int     // samples between values of f0
	Pitch      float64 // factor on the pitch
	Formants   float64 // factor on the formant frequencies
}

const (
	unvoicedPeriod = 0.01 // seconds between grains where there is no pitch
	shortestPeriod = 0.001
	longestPeriod  = 0.025
	// A grain is placed where it continues the one before, up to this share of a period
	// away from where the pitch has it.
	periodSearch = 0.2
	// Where grains leave gaps, what is left of them is not amplified beyond 1/thinnest.
	thinnest = 0.5
)

// Apply returns x in another voice, with as many samples. f0 is the pitch in Hz, one
// value for each hop, 0 where there is none; the last value holds to the end.
func (p PSOLA) Apply(x, f0 []float32) []float32 {
	out := make([]float32, len(x))
	if len(x) == 0 {
		return out
	}
	weights := make([]float32, len(x))
	marks := p.marks(x, f0)
	nearest := 0
	for at := marks[0].at; at < float64(len(x)); {
		for nearest+1 < len(marks) && math.Abs(marks[nearest+1].at-at) <= math.Abs(marks[nearest].at-at) {
			nearest++
		}
		m := marks[nearest]
		p.addGrain(out, weights, x, m, at)
		step := m.period
		if m.voiced {
			step /= p.Pitch
		}
		at += step
	}
	for t, w := range weights {
		out[t] /= max(w, thinnest)
	}
	return out
}

// A pitchMark is the center of a grain.
type pitchMark struct {
	at, period float64 // samples, the period to the next mark
	voiced     bool
}

// marks places pitch marks from the start of x on, a period apart, so that the samples
// around a voiced mark are most like those around the one before.
func (p PSOLA) marks(x, f0 []float32) []pitchMark {
	last := p.period(f0, 0)
	last.at = 0
	marks := []pitchMark{last}
	for {
		next := p.period(f0, last.at)
		next.at = last.at + next.period
		if next.at >= float64(len(x)) {
			return marks
		}
		if next.voiced && last.voiced {
			next.at = mostAlike(x, int(last.at), int(next.at), int(next.period))
		}
		marks[len(marks)-1].period = next.at - last.at
		marks = append(marks, next)
		last = next
	}
}

// period returns a mark without a place, as the pitch at a time has it.
func (p PSOLA) period(f0 []float32, at float64) pitchMark {
	rate := float64(p.SampleRate)
	m := pitchMark{period: unvoicedPeriod * rate}
	if len(f0) == 0 {
		return m
	}
	if hz := float64(f0[min(int(at)/p.Hop, len(f0)-1)]); hz > 0 {
		m.voiced = true
		m.period = min(max(rate/hz, shortestPeriod*rate), longestPeriod*rate)
	}
	return m
}

// mostAlike returns the sample near to whose surroundings correlate most with those of
// from, a period to each side.
func mostAlike(x []float32, from, to, period int) float64 {
	reach := int(periodSearch * float64(period))
	best, at := math.Inf(-1), to
	for c := max(to-reach, from+1); c <= to+reach && c < len(x); c++ {
		lead, tail := min(period, from), min(period, len(x)-c)
		a, b := x[from-lead:from+tail], x[c-lead:c+tail]
		var product, energy float64
		for i, v := range a {
			w := float64(b[i])
			product += float64(v) * w
			energy += w * w
		}
		if score := product / math.Sqrt(energy+1e-9); score > best {
			best, at = score, c
		}
	}
	return float64(at)
}

// addGrain adds the two periods around a mark, under a Hann window and resampled by
// the factor of the formants, centered at a time of the output.
func (p PSOLA) addGrain(out, weights, x []float32, m pitchMark, at float64) {
	half := m.period / p.Formants
	for t := max(int(math.Ceil(at-half)), 0); t <= int(at+half) && t < len(out); t++ {
		d := float64(t) - at
		w := float32(0.5 + 0.5*math.Cos(math.Pi*d/half))
		out[t] += w * cubicAt(x, m.at+d*p.Formants)
		weights[t] += w
	}
}

// cubicAt returns x at a time between samples (Catmull-Rom). Outside of x the nearest
// sample holds.
func cubicAt(x []float32, at float64) float32 {
	floor := math.Floor(at)
	i, f := int(floor), float32(at-floor)
	sample := func(i int) float32 { return x[min(max(i, 0), len(x)-1)] }
	a, b, c, d := sample(i-1), sample(i), sample(i+1), sample(i+2)
	return b + 0.5*f*(c-a+f*(2*a-5*b+4*c-d+f*(3*(b-c)+d-a)))
}
