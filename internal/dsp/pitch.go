package dsp

import (
	"fmt"
	"math"
	"math/bits"

	"gonum.org/v1/gonum/dsp/fourier"
)

// PitchConfig describes a pitch tracker.
type PitchConfig struct {
	SampleRate int     // Hz
	Hop        int     // samples from one frame to the next
	Min, Max   float64 // the range of f0 in Hz
}

// StandardPitch gives 80 frames a second over the range of human voices, each
// centred like that of the standard mel spectrogram.
var StandardPitch = PitchConfig{SampleRate: 24000, Hop: 300, Min: 50, Max: 600}

// A PitchFrame is what is known of the voice at one time.
type PitchFrame struct {
	F0     float64 // Hz; 0 where there is no voice
	Voiced float64 // how periodic the frame is by itself: the probability of a voice, 0 to 1
}

// Pitch tracks the fundamental frequency of a voice after pYIN (Mauch and Dixon,
// "pYIN: a fundamental frequency estimator using probabilistic threshold
// distributions", ICASSP 2014), whose difference function is that of YIN (de
// Cheveigné and Kawahara, JASA 111, 2002). It differs from the paper in three
// things, each for robustness or speed:
//
//   - the signal is low-passed and decimated before, since a voice's upper
//     harmonics wander (jitter, glides) and say nothing that the lower do not;
//   - how likely a voice is, is taken from the depth of the deepest trough and
//     from the level, and not from the prior of the thresholds, whose scale fits
//     clean recordings only;
//   - the hidden Markov model's states are the candidates themselves and not 20
//     cent bins: the path is as fine as the candidates, and many times cheaper.
//
// It is read-only; every signal has a PitchStream.
type Pitch struct {
	PitchConfig
	decimate   int
	taps       []float64 // of the low-pass, centred
	window     int       // samples compared with their shifted selves
	maxLag     int       // in decimated samples
	size       int       // of the FFT
	lead       int       // decimated samples of a frame before its centre
	thresholds []float64
	prior      []float64 // of each threshold
}

const (
	pitchWindow  = 0.0427 // seconds: two periods of the lowest voices, little of a glide
	pitchCutoff  = 2200.0 // Hz
	pitchTrough  = 0.9    // troughs higher than this are no candidates
	pitchHalfway = 0.42   // depth at which voice and no voice are equally likely
	pitchSlope   = 0.06   // over which that turns
	// A frame this far below the loudest one so far is silence, however periodic:
	// hum, or the room's echo.
	pitchSilence = 0.004
	// An amplitude below this is silence in any file: a third of a 16-bit step.
	pitchFloor = 1e-5
)

// maxCandidates bounds the states of a frame: the unvoiced one and the troughs.
const maxCandidates = 16

// NewPitch prepares a tracker. It panics for a configuration that makes no
// sense.
func NewPitch(c PitchConfig) *Pitch {
	if c.SampleRate <= 0 || c.Hop <= 0 || c.Min <= 0 || c.Max <= c.Min || c.Max > float64(c.SampleRate)/8 {
		panic(fmt.Sprintf("dsp: no pitch tracker for %+v", c))
	}
	p := &Pitch{PitchConfig: c, decimate: max(1, c.SampleRate/12000)}
	rate := float64(c.SampleRate) / float64(p.decimate)
	p.window = int(pitchWindow * rate)
	p.maxLag = int(math.Ceil(rate / c.Min))
	p.size = fastLength(p.window + p.maxLag + 2)
	// A lag τ compares around window/2 + τ/2; that of a middle voice is centred.
	middle := rate / math.Sqrt(c.Min*c.Max)
	p.lead = int(float64(p.window)/2 + middle/2)
	p.taps = lowPass(pitchCutoff/float64(c.SampleRate), 32*p.decimate)
	p.thresholds, p.prior = thresholdPrior()
	return p
}

// fastLength returns the next length of 2^a or 3·2^a.
func fastLength(n int) int {
	power := 1 << bits.Len(uint(n-1))
	if n <= power/4*3 {
		return power / 4 * 3
	}
	return power
}

// lowPass is a sinc under a Hann window, with unit gain at 0 Hz. The cutoff is
// relative to the sample rate; the filter reaches half to each side.
func lowPass(cutoff float64, half int) []float64 {
	taps := make([]float64, 2*half+1)
	var sum float64
	for i := range taps {
		t := float64(i - half)
		taps[i] = sinc(2*cutoff*t) * (0.5 + 0.5*math.Cos(math.Pi*t/float64(half+1)))
		sum += taps[i]
	}
	for i := range taps {
		taps[i] /= sum
	}
	return taps
}

// thresholdPrior is the paper's distribution of YIN's threshold, Beta(2, 18)
// over 100 steps: mean 0.1.
func thresholdPrior() (thresholds, prior []float64) {
	const steps = 100
	var sum float64
	for i := range steps {
		x := (float64(i) + 0.5) / steps
		thresholds = append(thresholds, x)
		prior = append(prior, x*math.Pow(1-x, 17))
		sum += prior[i]
	}
	for i := range prior {
		prior[i] /= sum
	}
	return thresholds, prior
}

// A pitchAnalyzer finds the candidates of a frame. It holds what is reused.
type pitchAnalyzer struct {
	*Pitch
	fft           *fourier.FFT
	padded, corr  []float64
	whole, first  []complex128
	diff          []float64 // the difference function, then normalised, by lag
	lags, heights []float64 // of the troughs, shortest lag first
	weights       []float64
}

func newPitchAnalyzer(p *Pitch) *pitchAnalyzer {
	return &pitchAnalyzer{
		Pitch: p, fft: fourier.NewFFT(p.size),
		padded: make([]float64, p.size), corr: make([]float64, p.size),
		whole: make([]complex128, p.size/2+1), first: make([]complex128, p.size/2+1),
		diff: make([]float64, p.maxLag+2),
		lags: make([]float64, 0, p.maxLag), heights: make([]float64, 0, p.maxLag), weights: make([]float64, 0, p.maxLag),
	}
}

// span is how many samples a frame needs.
func (p *Pitch) span() int { return p.window + p.maxLag + 1 }

// difference fills diff with YIN's cumulative mean normalised difference (its
// equations 6 and 8) of a frame of span samples, and returns their mean square.
func (a *pitchAnalyzer) difference(x []float64) (power float64) {
	n := copy(a.padded, x[:a.span()])
	clear(a.padded[n:])
	a.fft.Coefficients(a.whole, a.padded)
	clear(a.padded[a.window:])
	a.fft.Coefficients(a.first, a.padded)
	for i, f := range a.first {
		a.first[i] = complex(real(f), -imag(f)) * a.whole[i]
	}
	a.fft.Sequence(a.corr, a.first) // the products summed over the window, by lag, times size
	var energy float64
	for _, v := range x[:a.window] {
		energy += v * v
	}
	shifted, scale, sum := energy, 2/float64(a.size), 0.0
	a.diff[0] = 1
	for lag := 1; lag < len(a.diff); lag++ {
		in, out := x[lag+a.window-1], x[lag-1]
		shifted += in*in - out*out
		d := max(0, energy+shifted-scale*a.corr[lag])
		sum += d
		if sum > 0 {
			a.diff[lag] = d * float64(lag) / sum
		} else {
			a.diff[lag] = 1
		}
	}
	return energy / float64(a.window)
}

// troughs collects the local minima of diff with their parabolic refinement. Those
// at lags below the range are among them: a whistle's period is its shortest lag,
// and the multiples of it that lie in the range are nobody's pitch.
func (a *pitchAnalyzer) troughs() {
	a.lags, a.heights = a.lags[:0], a.heights[:0]
	for lag := 2; lag <= a.maxLag; lag++ {
		l, m, r := a.diff[lag-1], a.diff[lag], a.diff[lag+1]
		if m > pitchTrough || m >= l || m > r {
			continue
		}
		shift := 0.5 * (l - r) / (l - 2*m + r)
		a.lags = append(a.lags, float64(lag)+shift)
		a.heights = append(a.heights, max(0, m-0.25*(l-r)*shift))
	}
}

// weigh gives every trough the probability that it is the period: for each
// threshold the shortest lags below it share its prior, the first the most
// (section 2.1 of pYIN, with the geometric share of its later implementations).
// It returns the lowest height.
func (a *pitchAnalyzer) weigh() (lowest float64) {
	const share = 0.135 // e⁻², of each trough relative to the one before it
	a.weights = a.weights[:0]
	lowest = 1
	best := -1
	for i, h := range a.heights {
		a.weights = append(a.weights, 0)
		if h < lowest {
			lowest, best = h, i
		}
	}
	if best < 0 {
		return 1
	}
	for i, threshold := range a.thresholds {
		if threshold <= lowest {
			a.weights[best] += a.prior[i] // nothing is below it: the lowest will do
			continue
		}
		total, part := 0.0, 1.0
		for _, h := range a.heights {
			if h < threshold {
				total += part
				part *= share
			}
		}
		part = a.prior[i] / total
		for j, h := range a.heights {
			if h < threshold {
				a.weights[j] += part
				part *= share
			}
		}
	}
	return lowest
}
