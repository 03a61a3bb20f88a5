package dsp

import (
	"fmt"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/filterdesign"
	"github.com/facodec-go/facodec/internal/kernel"
)

// PitchConfig describes a pitch tracker.
type PitchConfig struct {
	SampleRate int     // Hz
	Hop        int     // samples from one frame to the next
	Min, Max   float64 // the range of f0 in Hz
}

// StandardPitch has 80 frames a second over the range of human voices. Frame t is
// centered on sample 300·t, and there are ceil(n/300) frames of n samples: the same
// frames as those of a log-mel spectrogram with that hop.
var StandardPitch = PitchConfig{SampleRate: 24000, Hop: 300, Min: 50, Max: 600}

// A PitchFrame is what is known of the voice at one time.
type PitchFrame struct {
	F0     float64 // Hz; 0 where there is no voice
	Voiced float64 // how periodic the frame is by itself: the probability of a voice, 0 to 1
}

// Pitch tracks the fundamental frequency of a voice after pYIN (Mauch and Dixon,
// "pYIN: a fundamental frequency estimator using probabilistic threshold
// distributions", ICASSP 2014). It differs from the paper in four things, each
// for robustness or speed:
//
//   - the signal is low-passed and decimated before, since a voice's upper
//     harmonics wander (jitter, glides) and say nothing that the lower do not;
//   - YIN's difference function over one window is replaced by one minus the
//     normalized cross-correlation (Talkin, "A robust algorithm for pitch
//     tracking", 1995) over a window that is as long as the lag asks for: what a
//     low voice needs is more than the glide of a high one allows. Each lag's two
//     windows lie evenly around the frame's center, so that a glide is neither
//     ahead nor behind;
//   - how likely a voice is, is taken from the height of the highest peak and
//     from the level, and not from the prior of the thresholds, whose scale fits
//     clean recordings only;
//   - the hidden Markov model's states are the candidates themselves and not 20
//     cent bins: the path is as fine as the candidates, and many times cheaper.
//
// It is read-only; every signal has a PitchStream.
type Pitch struct {
	PitchConfig
	decimate   int
	rate       float64        // of the decimated signal, Hz
	taps       int            // of the low-pass, centered
	lowPass    *kernel.Panels // the low-pass, for kernel.Width outputs in a row
	highPass   float64        // the pole of the high-pass
	shortest   float64        // decimated samples: the shortest lag that is a voice's
	maxLag     int            // in decimated samples
	windows    []int          // decimated samples compared with their shifted selves, by lag
	lead       int            // decimated samples of a frame before its center
	compared   *kernel.Correlation
	thresholds []float64
	prior      []float64 // of each threshold
}

const (
	pitchRate    = 8000   // Hz, at least, after decimation where there is one
	pitchLow     = 30.0   // Hz; what is below is offset, wind and steps
	pitchCutoff  = 2000.0 // Hz
	pitchPeriods = 1.5    // that a lag's window has
	pitchWindow  = 0.015  // seconds that it has at least: less is alike by chance
	pitchWeakest = 0.3    // correlations below this are no candidates
	pitchHalfway = 0.44   // one minus that at which voice and no voice are equally likely
	pitchSlope   = 0.06   // over which that turns
	// A frame whose multiples of a shorter lag are this little better than that
	// lag itself is a whistle, and the multiples are nobody's pitch.
	pitchWhistle = 0.03
	// A frame this far below the loudest one so far is silence, however periodic:
	// hum, or the room's echo.
	pitchSilence = 0.004
	// An amplitude below this is silence in any file: a third of a 16-bit step.
	pitchFloor = 1e-5
)

// maxEnergy is more than that of any frame but in a broken file.
const maxEnergy = 1e30

// maxCandidates bounds the states of a frame: the unvoiced one and the peaks.
const maxCandidates = 16

// NewPitch prepares a tracker. It panics for a configuration that makes no
// sense.
func NewPitch(c PitchConfig) *Pitch {
	if c.SampleRate <= 0 || c.Hop <= 0 || c.Min <= 0 || c.Max <= c.Min || c.Max > float64(c.SampleRate)/8 {
		panic(fmt.Sprintf("dsp: no pitch tracker for %+v", c))
	}
	p := &Pitch{PitchConfig: c, decimate: max(1, c.SampleRate/pitchRate)}
	p.rate = float64(c.SampleRate) / float64(p.decimate)
	taps := lowPass(pitchCutoff/float64(c.SampleRate), 20*p.decimate)
	p.taps = len(taps)
	p.lowPass = kernel.NewPanels(nil, 1, len(taps)+(kernel.Width-1)*p.decimate, kernel.Width)
	for n := range kernel.Width {
		for i, v := range taps {
			p.lowPass.Data[p.lowPass.Index(0, n*p.decimate+i, n)] = float32(v)
		}
	}
	p.highPass = math.Exp(-2 * math.Pi * pitchLow / p.rate)
	p.shortest = 0.99 * p.rate / c.Max // the refinement may step over the edge of the range
	p.maxLag = int(math.Ceil(p.rate / c.Min))
	p.windows = make([]int, p.maxLag+2)
	for lag := range p.windows {
		p.windows[lag] = int(max(pitchWindow*p.rate, pitchPeriods*float64(lag)))
	}
	p.lead = (p.windows[p.maxLag+1] + p.maxLag + 2) / 2
	begin, end := make([]int, len(p.windows)), make([]int, len(p.windows))
	for lag := 1; lag < len(p.windows); lag++ {
		begin[lag] = p.begin(lag)
		end[lag] = begin[lag] + p.windows[lag]
	}
	begin[0], end[0] = begin[1], begin[1] // nothing
	p.compared = kernel.NewCorrelation(begin, end)
	p.thresholds, p.prior = thresholdPrior()
	return p
}

// begin returns the first sample of a frame that is compared at a lag: the two windows lie
// evenly around the center.
func (p *Pitch) begin(lag int) int { return p.lead - (p.windows[lag]+lag)/2 }

// lowPass is a sinc under a Hann window, with unit gain at 0 Hz. The cutoff is
// relative to the sample rate; the filter reaches half to each side.
func lowPass(cutoff float64, half int) []float64 {
	taps := make([]float64, 2*half+1)
	var sum float64
	for i := range taps {
		t := float64(i - half)
		taps[i] = filterdesign.Sinc(2*cutoff*t) * (0.5 + 0.5*math.Cos(math.Pi*t/float64(half+1)))
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
	energy []float64 // of the frame's samples before each one
	x      []float32 // the frame
	scale  float64   // of its squares, which differs from 1 where float32 does not hold them
	sums   []float32 // of products, by lag
	corr   []float64 // normalized cross-correlation, by lag
	// The peaks of corr, shortest lag first: where they are, and what they lack to
	// one.
	lags, lacks []float64
	weights     []float64
}

func newPitchAnalyzer(p *Pitch) *pitchAnalyzer {
	return &pitchAnalyzer{
		Pitch: p, energy: make([]float64, p.span()+1), x: make([]float32, max(p.span(), p.compared.Reach())), sums: make([]float32, p.compared.Len()), corr: make([]float64, p.maxLag+2),
		lags: make([]float64, 0, p.maxLag), lacks: make([]float64, 0, p.maxLag), weights: make([]float64, 0, p.maxLag),
	}
}

// span is how many samples a frame needs.
func (p *Pitch) span() int { return 2 * (p.lead + 1) }

// begins takes a frame of span samples, and returns the root mean square of the longest
// window.
func (a *pitchAnalyzer) begins(x []float32) (level float64) {
	x = x[:a.span()]
	var sum float64
	for i, v := range x {
		sum += float64(v) * float64(v)
		a.energy[i+1] = sum
	}
	a.scale = 1
	if sum > maxEnergy {
		a.scale = sum
		kernel.Scale(a.x[:len(x)], x, float32(1/math.Sqrt(sum)))
	} else {
		copy(a.x, x)
	}
	n := a.windows[a.maxLag]
	return math.Sqrt(a.energyOf(a.lead-n/2, n) / float64(n))
}

// energyOf returns the energy of n samples of the frame.
func (a *pitchAnalyzer) energyOf(at, n int) float64 { return a.energy[at+n] - a.energy[at] }

// correlate fills corr for the frame.
func (a *pitchAnalyzer) correlate() {
	a.compared.Sums(a.sums, a.x)
	for lag := 1; lag < len(a.corr); lag++ {
		n, at := a.windows[lag], a.begin(lag)
		// The floor keeps what is silent from being like anything.
		norm := math.Sqrt(a.energyOf(at, n)*a.energyOf(at+lag, n)) + pitchFloor*pitchFloor*float64(n)
		a.corr[lag] = a.scale * float64(a.sums[lag]) / norm
	}
}

// peaks collects the local maxima of corr, refined by the cosine through the three
// highest values: a correlation is a sum of cosines, and at a few samples a period
// a parabola is off. Those at lags below the range are among them.
func (a *pitchAnalyzer) peaks() {
	a.lags, a.lacks = a.lags[:0], a.lacks[:0]
	for lag := 2; lag <= a.maxLag; lag++ {
		l, m, r := a.corr[lag-1], a.corr[lag], a.corr[lag+1]
		if m < pitchWeakest || m <= l || m < r {
			continue
		}
		height, shift := m, 0.0
		if turn := math.Acos((l + r) / (2 * m)); turn > 0 { // not so if it is not a number
			slope := (r - l) / (2 * math.Sin(turn))
			height, shift = math.Hypot(m, slope), math.Atan2(slope, m)/turn
		}
		a.lags = append(a.lags, float64(lag)+shift)
		a.lacks = append(a.lacks, max(0, 1-height))
	}
}

// voiced returns the probability that the frame has a voice by itself, and leaves
// the peaks that may be its period, with their weights.
func (a *pitchAnalyzer) voiced() float64 {
	a.peaks()
	short, n := 1.0, 0
	for n < len(a.lags) && a.lags[n] < a.shortest {
		short = min(short, a.lacks[n])
		n++
	}
	a.lags, a.lacks = slices.Delete(a.lags, 0, n), slices.Delete(a.lacks, 0, n)
	lowest := a.weighPeaks()
	if short < lowest+pitchWhistle {
		return 0
	}
	return 1 / (1 + math.Exp((lowest-pitchHalfway)/pitchSlope))
}

// weighPeaks assigns every peak the probability that it is the period: for each
// threshold the shortest lags that lack less share its prior, the first the most
// (section 2.1 of pYIN, with the geometric share of its later implementations).
// It returns what the highest peak lacks.
func (a *pitchAnalyzer) weighPeaks() (lowest float64) {
	const share = 0.135 // e⁻², of each peak relative to the one before it
	a.weights = a.weights[:0]
	lowest = 1
	best := -1
	for i, h := range a.lacks {
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
			a.weights[best] += a.prior[i] // none lacks less: the highest will do
			continue
		}
		total, part := 0.0, 1.0
		for _, h := range a.lacks {
			if h < threshold {
				total += part
				part *= share
			}
		}
		part = a.prior[i] / total
		for j, h := range a.lacks {
			if h < threshold {
				a.weights[j] += part
				part *= share
			}
		}
	}
	return lowest
}
