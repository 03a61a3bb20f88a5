package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/metric"
)

// A baseline is what a reconstruction must beat: the mean spectrum of the speech
// that was trained on. It knows nothing of the clip that it stands for.
//
// For each scale and band of the mel distance it is one number, the mean of the
// log-mels of all frames of all training clips. The distance of a clip from it is
// the mel distance with that constant in place of the reconstruction's log-mels. No
// signal has exactly this spectrum, so that a signal does worse. Where the mean is
// the usual choice, the median is the best one: no other constant has a smaller
// mean absolute difference from the clips that it was taken of.
type baseline struct {
	mean, median [][]float64 // log10, [scale][band]
	magnitude    []float64   // the mean magnitude spectrum, of the longest window
}

// A melScale is a window and its bands.
type melScale struct {
	window  []float64
	filters []dsp.MelFilter
	fft     *fourier.FFT
}

// A melAnalysis computes the log-mels that metric.MelDistance compares; the test
// below has the one against the other. It serves one goroutine at a time.
type melAnalysis struct{ scales []melScale }

func newMelAnalysis() *melAnalysis {
	a := &melAnalysis{}
	for _, s := range dsp.MelScales {
		a.scales = append(a.scales, melScale{hann(s.Window), dsp.SlaneyFilters(dataRate, s.Window, s.Mels), fourier.NewFFT(s.Window)})
	}
	return a
}

// hann is the periodic window.
func hann(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n))
	}
	return w
}

// each calls do for every frame of every scale, with its log10 of mel bands and its
// magnitudes, which do must not keep.
func (a *melAnalysis) each(wave []float32, do func(scale int, bands, magnitude []float64)) {
	last := len(wave) - 1
	for i, s := range a.scales {
		n := len(s.window)
		frame, magnitude, bands := make([]float64, n), make([]float64, n/2+1), make([]float64, len(s.filters))
		var spectrum []complex128
		for start := -n / 2; start+n/2 <= len(wave); start += n / 4 {
			for j, w := range s.window {
				k := max(start+j, -start-j)
				frame[j] = w * float64(wave[min(k, 2*last-k)])
			}
			spectrum = s.fft.Coefficients(spectrum, frame)
			for k, c := range spectrum {
				magnitude[k] = math.Hypot(real(c), imag(c))
			}
			for b, f := range s.filters {
				sum := 0.0
				for k, w := range f.Weights {
					sum += w * magnitude[f.First+k]
				}
				bands[b] = math.Log10(max(1e-5, sum))
			}
			do(i, bands, magnitude)
		}
	}
}

// distance is the mean over frames and bands of the absolute difference from a
// constant spectrum, summed over scales.
func (a *melAnalysis) distance(wave []float32, constant [][]float64) float64 {
	sums, counts := make([]float64, len(a.scales)), make([]float64, len(a.scales))
	a.each(wave, func(scale int, bands, _ []float64) {
		for b, v := range bands {
			sums[scale] += math.Abs(v - constant[scale][b])
		}
		counts[scale] += float64(len(bands))
	})
	total := 0.0
	for i, sum := range sums {
		total += sum / counts[i]
	}
	return total
}

// The histograms that medians are read off.
const (
	lowestLog = -5.0 // the mel distance's floor
	logBins   = 1000
	logStep   = 0.01
)

// newBaseline learns from clips, of which load returns one by its number. forEach
// calls a function for 0 to n-1, side by side; the result does not depend on how.
func newBaseline(n int, forEach func(n int, do func(i int)), load func(i int) []float32) *baseline {
	var lock sync.Mutex
	type sums struct {
		bands     [][]float64
		frames    []float64
		magnitude []float64
	}
	parts := make([]sums, n)
	longest := len(dsp.MelScales) - 1
	histograms := make([][][logBins]int32, longest+1)
	for i, s := range dsp.MelScales {
		histograms[i] = make([][logBins]int32, s.Mels)
	}
	forEach(n, func(i int) {
		p := sums{frames: make([]float64, longest+1), magnitude: make([]float64, dsp.MelScales[longest].Window/2+1)}
		for _, s := range dsp.MelScales {
			p.bands = append(p.bands, make([]float64, s.Mels))
		}
		wave := load(i)
		lock.Lock() // of the histograms, whose counts add up to the same in any order
		defer lock.Unlock()
		newMelAnalysis().each(wave, func(scale int, bands, magnitude []float64) {
			p.frames[scale]++
			for b, v := range bands {
				p.bands[scale][b] += v
				histograms[scale][b][min(logBins-1, int((v-lowestLog)/logStep))]++
			}
			if scale == longest {
				for k, v := range magnitude {
					p.magnitude[k] += v
				}
			}
		})
		parts[i] = p
	})
	b := &baseline{magnitude: make([]float64, dsp.MelScales[longest].Window/2+1)}
	for scale, s := range dsp.MelScales {
		mean, median, frames := make([]float64, s.Mels), make([]float64, s.Mels), 0.0
		for _, p := range parts {
			frames += p.frames[scale]
			for i, v := range p.bands[scale] {
				mean[i] += v
			}
			if scale == longest {
				for k, v := range p.magnitude {
					b.magnitude[k] += v
				}
			}
		}
		for i := range mean {
			mean[i] /= frames
			median[i] = medianOf(&histograms[scale][i], frames)
		}
		if scale == longest {
			for k := range b.magnitude {
				b.magnitude[k] /= frames
			}
		}
		b.mean, b.median = append(b.mean, mean), append(b.median, median)
	}
	return b
}

func medianOf(histogram *[logBins]int32, n float64) float64 {
	below := 0.0
	for i, count := range histogram {
		if below += float64(count); below >= n/2 {
			return lowestLog + (float64(i)+0.5)*logStep
		}
	}
	return math.NaN()
}

// noise is the signal of the mean spectrum: Gaussian noise of n samples whose mean
// magnitude spectrum is proportional to the training clips', at an RMS.
func (b *baseline) noise(n int, rms float64, random *rand.Rand) []float32 {
	size := 2 * (len(b.magnitude) - 1)
	window, fft := hann(size), fourier.NewFFT(size)
	white := make([]float64, n+2*size)
	for i := range white {
		white[i] = random.NormFloat64()
	}
	shaped := make([]float64, len(white))
	frame := make([]float64, size)
	for start := 0; start+size <= len(white); start += size / 4 {
		for i, w := range window {
			frame[i] = w * white[start+i]
		}
		spectrum := fft.Coefficients(nil, frame)
		for k := range spectrum {
			spectrum[k] *= complex(b.magnitude[k], 0)
		}
		for i, v := range fft.Sequence(nil, spectrum) {
			shaped[start+i] += v
		}
	}
	shaped = shaped[size : size+n]
	scale := rms / rmsOf(shaped)
	wave := make([]float32, n)
	for i, v := range shaped {
		wave[i] = float32(scale * v)
	}
	return wave
}

func rmsOf[T float32 | float64](x []T) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

func serially(n int, do func(i int)) {
	for i := range n {
		do(i)
	}
}

// TestBaselineIsOfTheMelDistance: a constant spectrum that a signal does have is as
// far off as metric.MelDistance says that the signal is. Silence is such a signal.
func TestBaselineIsOfTheMelDistance(t *testing.T) {
	wave := speech(t, "fr")[4000:20000]
	silence := make([]float32, len(wave))
	b := newBaseline(1, serially, func(int) []float32 { return silence })
	want := metric.NewMelDistance(dataRate).Distance(wave, silence)
	if got := newMelAnalysis().distance(wave, b.mean); math.Abs(got-want) > 1e-9 {
		t.Errorf("distance to the spectrum of silence %v, by metric %v", got, want)
	}
}

// TestBaseline: the mean and the median are the least squares and the least absolute
// differences, and the noise has the spectrum and level that it is to have.
func TestBaseline(t *testing.T) {
	clips := [][]float32{speech(t, "en")[:24000], speech(t, "it")[:36000]}
	b := newBaseline(len(clips), serially, func(i int) []float32 { return clips[i] })
	a := newMelAnalysis()
	var frames, square, absolute [3]float64
	for _, wave := range clips {
		a.each(wave, func(scale int, bands, _ []float64) {
			const s, band = 4, 20
			if scale != s {
				return
			}
			for i, off := range []float64{-0.1, 0, 0.1} {
				frames[i]++
				square[i] += math.Pow(bands[band]-b.mean[s][band]-off, 2)
				absolute[i] += math.Abs(bands[band] - b.median[s][band] - off)
			}
		})
	}
	for i, total := range square {
		if want := square[1] + 0.01*frames[1]; i != 1 && math.Abs(total-want) > 1e-9*want {
			t.Errorf("squares beside the mean are %v and should be %v", total, want)
		}
	}
	if absolute[1] >= absolute[0] || absolute[1] >= absolute[2] {
		t.Errorf("absolute differences %v: the median is not the best", absolute)
	}

	noise := b.noise(10*dataRate, 0.1, rand.New(rand.NewPCG(1, 2)))
	if rms := rmsOf(noise); math.Abs(rms-0.1) > 1e-6 {
		t.Errorf("the noise has an RMS of %v, want 0.1", rms)
	}
	again := newBaseline(1, serially, func(int) []float32 { return noise })
	ratios := make([]float64, 0, len(b.magnitude))
	for k := 10; k < 600; k++ { // 0.1 to 7 kHz
		ratios = append(ratios, again.magnitude[k]/b.magnitude[k])
	}
	slices.Sort(ratios)
	if low, high := ratios[len(ratios)/20], ratios[len(ratios)*19/20]; high/low > 1.35 {
		t.Errorf("the noise's spectrum is %v to %v times the wanted one", low, high)
	}
}
