package dsp

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
)

var pitchSeeds = flag.Int("pitch.seeds", 3, "made-up speakers of each kind to track")

// A speaker is made-up speech with a known pitch, from source and filter:
// glottal pulses (Rosenberg 1971, his shape C) with jitter and shimmer through
// the resonances of changing vowels, in syllables between which there is silence,
// a fricative, the burst of a plosive or nothing, all under white noise. Unlike a
// glide's harmonics its periods decay, its level and spectrum change from syllable
// to syllable, and what is not voiced is loud at times.
type speaker struct {
	name     string
	contour  string  // linear, exponential, sinus, notes
	from, to float64 // Hz
	seconds  float64 // from one end to the other
	jitter   float64 // relative standard deviation of a period
	snr      float64 // dB, voiced power to white noise
}

var speakers = []speaker{
	{"linear", "linear", 60, 500, 2.5, 0.01, 20},
	{"exponential", "exponential", 500, 60, 2.5, 0.01, 20},
	{"sinus", "sinus", 60, 500, 1.5, 0.01, 20},
	{"notes", "notes", 60, 500, 1, 0.01, 20},
	{"man", "sinus", 60, 140, 0.6, 0.01, 20},
	{"woman", "sinus", 150, 350, 0.6, 0.01, 20},
	{"child", "sinus", 220, 500, 0.6, 0.01, 20},
}

const (
	speakerRate    = 24000
	speakerSeconds = 8
	speakerPeriod  = 1.0 / speakerRate
	shimmer        = 0.04 // relative standard deviation of a pulse
)

// f0 returns the contour at a time in seconds.
func (s speaker) f0(seconds float64, steps []float64) float64 {
	x := math.Mod(seconds/s.seconds, 2)
	if x > 1 {
		x = 2 - x // there and back
	}
	switch s.contour {
	case "linear":
		return s.from + (s.to-s.from)*x
	case "exponential":
		return s.from * math.Pow(s.to/s.from, x)
	case "sinus":
		return s.from * math.Pow(s.to/s.from, 0.5-0.5*math.Cos(math.Pi*x))
	}
	// Notes of 300 ms with 60 ms from one to the next.
	i, part := math.Modf(seconds / 0.3)
	a, b := steps[int(i)%len(steps)], steps[int(i+1)%len(steps)]
	return s.from * math.Pow(s.to/s.from, a+(b-a)*max(0, part-0.8)*5)
}

// A resonator is a two-pole filter with unit gain at 0 Hz.
type resonator struct{ a, b, c, y1, y2 float64 }

func (r *resonator) tune(frequency, bandwidth float64) {
	radius := math.Exp(-math.Pi * bandwidth / speakerRate)
	r.b = 2 * radius * math.Cos(2*math.Pi*frequency/speakerRate)
	r.c = -radius * radius
	r.a = 1 - r.b - r.c
}

func (r *resonator) filter(x float64) float64 {
	y := r.a*x + r.b*r.y1 + r.c*r.y2
	r.y1, r.y2 = y, r.y1
	return y
}

// vowels are the first three formants of men (Peterson and Barney 1952), Hz.
var vowels = [][3]float64{
	{270, 2290, 3010}, {390, 1990, 2550}, {530, 1840, 2480}, {660, 1720, 2410}, {730, 1090, 2440},
	{570, 840, 2410}, {440, 1020, 2240}, {300, 870, 2240}, {640, 1190, 2390}, {490, 1350, 1690},
}

// pulse is the glottal flow at a part of the period, 0 to 1.
func pulse(x float64) float64 {
	const rise, fall = 0.4, 0.16
	switch {
	case x < rise:
		return 0.5 - 0.5*math.Cos(math.Pi*x/rise)
	case x < rise+fall:
		return math.Cos(math.Pi / 2 * (x - rise) / fall)
	}
	return 0
}

// make returns the signal, whose peak is 1, and for each sample f0, 0 where there
// is no voice.
func (s speaker) make(seed uint64) (x []float32, truth []float64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	between := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	steps := make([]float64, 64)
	for i := range steps { // at most an octave from one to the next
		steps[i] = rng.Float64()
		if i > 0 {
			steps[i] = min(max(0, steps[i-1]+between(-0.33, 0.33)), 1)
		}
	}
	total := speakerSeconds * speakerRate
	wave := make([]float64, total)
	truth = make([]float64, total)
	var power, voiced float64
	for at := 0; at < total; {
		// A syllable: one to three vowels, its level within 6 dB.
		n := min(int(between(0.12, 0.6)*speakerRate), total-at)
		syllable := wave[at : at+n]
		s.voice(syllable, truth[at:at+n], float64(at)*speakerPeriod, steps, rng)
		scale(syllable, math.Pow(10, between(-6, 0)/20))
		for _, v := range syllable {
			power += v * v
		}
		voiced += float64(n)
		at += n
		n = min(int(between(0.06, 0.3)*speakerRate), total-at)
		gap := wave[at : at+n]
		switch rng.IntN(4) {
		case 0: // a fricative
			fricate(gap, between(2500, 6000), between(800, 2000), rng)
			scale(gap, math.Pow(10, between(-20, -3)/20))
		case 1: // a closure and its burst
			burst := gap[max(0, len(gap)-int(between(0.01, 0.04)*speakerRate)):]
			fricate(burst, between(1200, 4000), 1500, rng)
			scale(burst, math.Pow(10, between(-10, 0)/20))
		case 2: // a long pause
			n = min(n+int(between(0, 0.5)*speakerRate), total-at)
		}
		at += n
	}
	deviation := math.Sqrt(power/voiced) * math.Pow(10, -s.snr/20)
	peak := 0.0
	for i := range wave {
		wave[i] += deviation * rng.NormFloat64()
		peak = max(peak, math.Abs(wave[i]))
	}
	x = make([]float32, total)
	for i, v := range wave {
		x[i] = float32(v / peak)
	}
	return x, truth
}

// voice writes a voiced syllable and its f0.
func (s speaker) voice(dst, f0 []float64, start float64, steps []float64, rng *rand.Rand) {
	const ramp = speakerRate / 100
	formants := [4]resonator{}
	var from, to [3]float64
	from, to = vowels[rng.IntN(len(vowels))], vowels[rng.IntN(len(vowels))]
	tract := 0.95 + 0.3*rng.Float64() // its shortness
	phase, wander, level, before := 0.0, 1.0, 1.0, 0.0
	for i := range dst {
		if i%120 == 0 {
			x := float64(i) / float64(len(dst))
			for k := range from {
				f := tract * (from[k] + (to[k]-from[k])*x)
				formants[k].tune(f, 50+0.03*f)
			}
			formants[3].tune(3500*tract, 200)
		}
		f0[i] = s.f0(start+float64(i)*speakerPeriod, steps)
		phase += f0[i] * wander * speakerPeriod
		if phase >= 1 {
			phase--
			wander = 1 / (1 + s.jitter*rng.NormFloat64())
			level = 1 + shimmer*rng.NormFloat64()
		}
		flow := level * pulse(phase)
		v := flow - before
		before = flow
		for k := range formants {
			v = formants[k].filter(v)
		}
		edge := min(i, len(dst)-1-i)
		dst[i] = v * (0.5 - 0.5*math.Cos(math.Pi*min(1, (float64(edge)+0.5)/ramp)))
	}
	normalize(dst)
}

// fricate writes noise around a frequency.
func fricate(dst []float64, frequency, bandwidth float64, rng *rand.Rand) {
	var r resonator
	r.tune(frequency, bandwidth)
	before := 0.0
	for i := range dst {
		y := r.filter(rng.NormFloat64())
		dst[i], before = y-before, y
	}
	normalize(dst)
}

// normalize scales to a mean square of 1.
func normalize(x []float64) {
	var power float64
	for _, v := range x {
		power += v * v
	}
	if power > 0 {
		scale(x, 1/math.Sqrt(power/float64(len(x))))
	}
}

func scale(x []float64, by float64) {
	for i := range x {
		x[i] *= by
	}
}

// A tally counts what a tracker does.
type tally struct {
	frames, strict, wrong, missed, invented int
	both, gross, octave                     int
	cents                                   float64 // of the errors that are not gross, summed
}

// add compares a track with f0 by sample. A frame's truth is that of the sample
// it is centered on. Voicing is wrong where no sample within one hop has the voicing
// that the tracker found: a window over the edge of a voice may be called either.
// Strict counts those, too.
func (c *tally) add(track []PitchFrame, truth []float64) {
	hop := StandardPitch.Hop
	for t, f := range track {
		at := t * hop
		want := truth[at]
		c.frames++
		if (f.F0 > 0) != (want > 0) {
			c.strict++
			near := false
			for _, v := range truth[max(0, at-hop):min(len(truth), at+hop+1)] {
				near = near || (v > 0) == (f.F0 > 0)
			}
			if !near {
				c.wrong++
				if want > 0 {
					c.missed++
				} else {
					c.invented++
				}
			}
		}
		if f.F0 > 0 && want > 0 {
			c.both++
			if off := math.Abs(math.Log2(f.F0 / want)); off > math.Log2(1.05) {
				c.gross++
				if nearest := math.Round(off); nearest > 0 && math.Abs(off-nearest) < math.Log2(1.05) {
					c.octave++
				}
			} else {
				c.cents += 1200 * off
			}
		}
	}
}

func (c *tally) grossShare() float64   { return float64(c.gross) / float64(c.both) }
func (c *tally) voicingShare() float64 { return float64(c.wrong) / float64(c.frames) }

func (c *tally) log(t *testing.T, name string) {
	percent := func(n, of int) float64 { return 100 * float64(n) / float64(of) }
	t.Logf("%-14s gross error %.2f %% (octaves %.2f), voicing error %.2f %% (missed %.2f, invented %.2f; strictly %.2f), else %.1f cents off", name,
		percent(c.gross, c.both), percent(c.octave, c.both), percent(c.wrong, c.frames), percent(c.missed, c.frames), percent(c.invented, c.frames), percent(c.strict, c.frames), c.cents/float64(c.both-c.gross))
}

// TestPitchOfSpeakers: gross errors on less than 1 % of the frames that both call
// voiced, and voicing right on 97 %, for every kind of speaker, at peaks of 0 to
// -40 dBFS.
func TestPitchOfSpeakers(t *testing.T) {
	p := NewPitch(StandardPitch)
	var all tally
	for k, s := range speakers {
		var c tally
		for seed := range *pitchSeeds {
			x, truth := s.make(uint64(100*k + seed))
			gain := float32(math.Pow(10, -40*float64(seed%5)/4/20)) // 0 to -40 dBFS
			for i := range x {
				x[i] *= gain
			}
			track := p.Track(x)
			c.add(track, truth)
			all.add(track, truth)
		}
		c.log(t, s.name)
		if c.both == 0 || c.grossShare() >= 0.01 || c.voicingShare() > 0.03 {
			t.Errorf("%s: gross error on %.2f %%, voicing wrong on %.2f %%", s.name, 100*c.grossShare(), 100*c.voicingShare())
		}
	}
	all.log(t, "all")
	if strict := float64(all.strict) / float64(all.frames); strict > 0.03 {
		t.Errorf("voicing wrong on %.2f %%, tolerating nothing", 100*strict)
	}
}
