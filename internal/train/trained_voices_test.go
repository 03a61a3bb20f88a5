package train

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dsp"
)

// A voiceprint describes who speaks: the means of mel cepstral coefficients over
// the frames of speech, the logarithms of their standard deviations, and of the
// pitch in octaves the median and the mean absolute difference from it. Nothing in it
// comes from the codec or from what it was trained with.
type voiceprint []float64

const (
	printCepstra = 16 // the level, number 0, among them
	printBands   = 26 // of 32 filters that reach 12 kHz, those up to 7 kHz
	pitchAt      = 2*printCepstra - 1
	printSize    = pitchAt + 2
)

// newVoiceprint describes a wave. The pitch, in Hz and 0 where there is no voice, is
// NaN where there is none at all.
func newVoiceprint(wave []float32, f0 []float32) voiceprint {
	var rows [][printCepstra]float64
	var levels []float64
	mel := dsp.NewMel(dsp.MelConfig{FFT: 1024, Window: 600, Hop: 240, Mels: 32, FilterRate: dataRate})
	mel.Stream().Push(wave, true, func(frame []float32) {
		var row [printCepstra]float64
		power := 0.0
		for b, m := range frame[:printBands] {
			v := 4*float64(m) - 4 // the natural logarithm (dsp.Mel)
			power += math.Exp(v)
			for i := range row {
				row[i] += v * math.Sqrt(2.0/printBands) * math.Cos(math.Pi/printBands*(float64(b)+0.5)*float64(i))
			}
		}
		rows, levels = append(rows, row), append(levels, 10*math.Log10(power))
	})
	const speechRange = 30 // dB below the loud frames, where speech ends
	floor := quantile(levels, 0.95) - speechRange
	p := make(voiceprint, printSize)
	n := 0.0
	var sum, square [printCepstra]float64
	for t, row := range rows {
		if levels[t] < floor {
			continue
		}
		n++
		for i, v := range row {
			sum[i] += v
			square[i] += v * v
		}
	}
	for i := range sum {
		mean := sum[i] / n
		if i > 0 {
			p[i-1] = mean
		}
		p[printCepstra-1+i] = math.Log(math.Sqrt(max(0, square[i]/n-mean*mean)) + 0.01)
	}
	var octaves []float64
	for _, f := range f0 {
		if f > 0 {
			octaves = append(octaves, math.Log2(float64(f)))
		}
	}
	p[pitchAt], p[pitchAt+1] = math.NaN(), math.NaN()
	if len(octaves) > 0 {
		median := quantile(octaves, 0.5)
		spread := 0.0
		for _, o := range octaves {
			spread += math.Abs(o-median) / float64(len(octaves))
		}
		p[pitchAt], p[pitchAt+1] = median, spread
	}
	return p
}

func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(x))
	return sorted[int(q*float64(len(sorted)-1))]
}

// A voiceClassifier tells voices apart by linear discriminant analysis: the nearest
// mean of a class by the classes' common covariance, shrunken towards its diagonal.
type voiceClassifier struct {
	used    []int // features
	voices  []string
	center  []float64 // of all, for features that a print lacks
	scale   []float64
	centers [][]float64 // scaled, [voice]
	inverse *mat.Cholesky
}

// shrinkage is the share of the diagonal in the covariance. Of 0.05 to 1 it is what
// keeps most recordings recognized whatever was done to them before: noise, a low-pass
// filter, smoothed spectra, spoilt phases. No codec had a say in it.
const shrinkage = 0.5

// newVoiceClassifier learns from prints and whose they are. used are the features to
// look at.
func newVoiceClassifier(prints []voiceprint, voices []string, used []int) (*voiceClassifier, error) {
	c := &voiceClassifier{used: used, voices: slices.Compact(slices.Sorted(slices.Values(voices)))}
	d := len(used)
	c.center, c.scale = make([]float64, d), make([]float64, d)
	for j, f := range used {
		n := 0.0
		for _, p := range prints {
			if v := p[f]; v == v {
				c.center[j] += v
				n++
			}
		}
		c.center[j] /= max(n, 1)
	}
	sizes := make([]float64, len(c.voices))
	c.centers = make([][]float64, len(c.voices))
	for v := range c.centers {
		c.centers[v] = make([]float64, d)
	}
	class := make([]int, len(prints))
	for i, p := range prints {
		class[i], _ = slices.BinarySearch(c.voices, voices[i])
		sizes[class[i]]++
		for j := range used {
			c.centers[class[i]][j] += c.value(p, j)
		}
	}
	freedom := float64(len(prints) - len(c.voices))
	if freedom < 1 {
		return nil, fmt.Errorf("%d clips are too few for %d voices", len(prints), len(c.voices))
	}
	for v, center := range c.centers {
		for j := range center {
			center[j] /= sizes[v]
		}
	}
	covariance := mat.NewSymDense(d, nil)
	for i, p := range prints {
		x := make([]float64, d)
		for j := range used {
			x[j] = c.value(p, j) - c.centers[class[i]][j]
		}
		covariance.SymRankOne(covariance, 1/freedom, mat.NewVecDense(d, x))
	}
	for j := range d {
		c.scale[j] = math.Sqrt(covariance.At(j, j)) + 1e-9
	}
	scaled := mat.NewSymDense(d, nil)
	for j := range d {
		for k := j; k < d; k++ {
			v := covariance.At(j, k) / (c.scale[j] * c.scale[k])
			if j != k {
				v *= 1 - shrinkage
			}
			scaled.SetSym(j, k, v)
		}
		for _, center := range c.centers {
			center[j] /= c.scale[j]
		}
	}
	c.inverse = &mat.Cholesky{}
	if !c.inverse.Factorize(scaled) {
		return nil, fmt.Errorf("the covariance of %d features is singular", d)
	}
	return c, nil
}

func (c *voiceClassifier) value(p voiceprint, j int) float64 {
	if v := p[c.used[j]]; v == v {
		return v
	}
	return c.center[j]
}

// classify returns the voice that a print is nearest to.
func (c *voiceClassifier) classify(p voiceprint) string {
	best, least := 0, math.Inf(1)
	for v, center := range c.centers {
		x := mat.NewVecDense(len(center), nil)
		for j, m := range center {
			x.SetVec(j, c.value(p, j)/c.scale[j]-m)
		}
		var y mat.VecDense
		if err := c.inverse.SolveVecTo(&y, x); err != nil {
			continue // badly conditioned: not of a shrunken correlation
		}
		if d := mat.Dot(x, &y); d < least {
			best, least = v, d
		}
	}
	return c.voices[best]
}

// Sets of features to look at: the means of the cepstra, with the median of the pitch,
// and everything.
func cepstralFeatures() []int { return span(0, printCepstra-1) }
func meanFeatures() []int     { return append(cepstralFeatures(), pitchAt) }
func allFeatures() []int      { return span(0, printSize) }

func span(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// leaveOneOut returns the share of prints that a classifier of all others recognizes.
func leaveOneOut(prints []voiceprint, voices []string, used []int) (float64, error) {
	right := 0
	for i := range prints {
		c, err := newVoiceClassifier(without(prints, i), without(voices, i), used)
		if err != nil {
			return 0, err
		}
		if c.classify(prints[i]) == voices[i] {
			right++
		}
	}
	return float64(right) / float64(len(prints)), nil
}

func without[T any](x []T, i int) []T { return slices.Delete(slices.Clone(x), i, i+1) }

// TestVoiceClassifier: six recordings of each of five people, of whom it knows the
// others.
func TestVoiceClassifier(t *testing.T) {
	var prints []voiceprint
	var voices []string
	pitch := dsp.NewPitch(dsp.StandardPitch)
	paths, err := filepath.Glob(filepath.Join("..", "teacher", "testdata", "voices", "*.opus"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range paths {
		wave, err := audio.ReadFile(path, dataRate)
		if err != nil {
			t.Fatal(err)
		}
		p := newVoiceprint(wave, pitch.F0(wave))
		for _, v := range p {
			if !finite(v) {
				t.Fatalf("%s: %v", path, p)
			}
		}
		voice, _, _ := strings.Cut(filepath.Base(path), "-")
		prints, voices = append(prints, p), append(voices, voice)
	}
	for name, used := range map[string][]int{"all": allFeatures(), "means": meanFeatures(), "cepstra": cepstralFeatures()} {
		share, err := leaveOneOut(prints, voices, used)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.3f of %d recordings recognized", name, share, len(prints))
		if share < 0.8 {
			t.Errorf("%s: %.3f of %d recordings are recognized", name, share, len(prints))
		}
	}
	if _, err := newVoiceClassifier(prints[:2], []string{"a", "b"}, allFeatures()); err == nil {
		t.Error("a clip for each of two voices is enough")
	}
	// Without a pitch it is the cepstrum that decides.
	c, err := newVoiceClassifier(prints, voices, meanFeatures())
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, p := range prints {
		p = slices.Clone(p)
		p[pitchAt], p[pitchAt+1] = math.NaN(), math.NaN()
		if c.classify(p) == voices[i] {
			right++
		}
	}
	if right < len(prints)*8/10 {
		t.Errorf("without pitch %d of %d are recognized", right, len(prints))
	}
}

// TestDiscriminant: where two features err together, their difference tells classes
// apart that neither of them does.
func TestDiscriminant(t *testing.T) {
	var prints []voiceprint
	var voices []string
	for i := range 40 {
		common := 10 * math.Sin(float64((i/2)*(i/2)))
		small := 0.1 * math.Cos(float64(3*(i/2)))
		shift := float64(i % 2)
		prints = append(prints, voiceprint{common, common + small + 2*shift})
		voices = append(voices, []string{"a", "b"}[i%2])
	}
	var middle [2]float64 // between the classes, which are as large as each other
	for _, p := range prints {
		middle[0] += p[0] / float64(len(prints))
		middle[1] += p[1] / float64(len(prints))
	}
	c, err := newVoiceClassifier(prints, voices, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		first, second float64
		want          string
	}{{0, 1, "b"}, {0, -1, "a"}, {4, 1, "a"}, {-4, -1, "b"}} {
		// By the second feature alone the last two would be the other's.
		if got := c.classify(voiceprint{middle[0] + x.first, middle[1] + x.second}); got != x.want {
			t.Errorf("%v and %v beside the middle is given to %s, want %s", x.first, x.second, got, x.want)
		}
	}
}
