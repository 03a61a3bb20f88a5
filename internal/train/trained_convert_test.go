package train

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/teacher"
)

// A conversion is a held-out clip spoken in the voice of another.
type conversion struct {
	source, reference int // clips
	spoken            []float32
}

// choosePairs returns up to n pairs of clips of different voices: each pair of voices
// as often as any other as far as there are clips, no pair of clips twice.
func choosePairs(names []string, n int, random *rand.Rand) (pairs []conversion) {
	groups := map[string][]conversion{}
	for s, source := range names {
		for r, reference := range names {
			if a, b := voiceOf(source), voiceOf(reference); a != b {
				groups[a+"/"+b] = append(groups[a+"/"+b], conversion{source: s, reference: r})
			}
		}
	}
	voices := slices.Sorted(maps.Keys(groups))
	random.Shuffle(len(voices), func(i, k int) { voices[i], voices[k] = voices[k], voices[i] })
	for _, v := range voices {
		g := groups[v]
		random.Shuffle(len(g), func(i, k int) { g[i], g[k] = g[k], g[i] })
	}
	for round := 0; len(pairs) < n; round++ {
		before := len(pairs)
		for _, v := range voices {
			if g := groups[v]; round < len(g) && len(pairs) < n {
				pairs = append(pairs, g[round])
			}
		}
		if len(pairs) == before {
			break
		}
	}
	return pairs
}

// convert speaks held-out clips in each other's voices, prosody and content in
// another timbre as facodec convert does, and asks a classifier of real recordings
// who that is.
func (j *evaluation) convert() {
	clips := j.validator.clips
	var names []string
	for _, c := range clips {
		names = append(names, c.Name)
	}
	j.report.heading("Conversion between held-out clips")
	if j.pairs = choosePairs(names, conversionPairs, rand.New(rand.NewPCG(evaluationSeed, 0))); len(j.pairs) == 0 {
		j.report.row("pairs", "none: the held-out clips are of one voice, that is in one top folder")
		return
	}
	j.each(len(j.pairs), func(b *evaluationWorker, i int) {
		p := &j.pairs[i]
		p.spoken = b.Decode(j.results[p.source].codes.Only(model.ConversionParts...), j.results[p.reference].timbre, len(clips[p.source].Wave))
	})
	voices := map[string]bool{}
	for _, p := range j.pairs {
		voices[voiceOf(names[p.source])] = true
	}
	j.report.row("pairs", fmt.Sprintf("%d, of %d voices", len(j.pairs), len(voices)))
	j.identify()

	pitch := dsp.NewPitch(dsp.StandardPitch)
	contour := make([]float64, len(j.pairs))
	j.pool.For(len(j.pairs), func(i int) {
		p := j.pairs[i]
		contour[i] = metric.ComparePitch(pitch.F0(clips[p.source].Wave), pitch.F0(p.spoken)).Correlation
	})
	j.report.row("correlation of log f0 with the source", summary(metric.Summarize(contour)))
	j.compareContent()
}

// compareContent asks the content units that training learned from, which know nothing
// of the codec, how often a conversion says what its source says: in how many frames
// they are the same, beside a reconstruction and what chance gives.
func (j *evaluation) compareContent() {
	blob, err := base64.StdEncoding.DecodeString(j.file.Metadata()[checkpoint.TeachersKey])
	j.must(err)
	units, err := teacher.ParseUnits(blob)
	j.must(err)
	said := func(wave []float32) []int32 { return units.Phones(&teacher.Utterance{Samples: wave}) }
	same := func(a, b []int32) float64 {
		n := 0
		for i, u := range a {
			if u == b[i] {
				n++
			}
		}
		return float64(n) / float64(len(a))
	}
	converted, reconstructed, chance := make([]float64, len(j.pairs)), make([]float64, len(j.pairs)), make([]float64, len(j.pairs))
	j.each(len(j.pairs), func(b *evaluationWorker, i int) {
		d, wave := j.results[j.pairs[i].source], j.validator.clips[j.pairs[i].source].Wave
		source := said(wave)
		converted[i] = same(source, said(j.pairs[i].spoken))
		reconstructed[i] = same(source, said(b.Decode(d.codes, d.timbre, len(wave))))
		shuffled := slices.Clone(source)
		rand.New(rand.NewPCG(evaluationSeed, uint64(i))).Shuffle(len(shuffled), func(k, l int) {
			shuffled[k], shuffled[l] = shuffled[l], shuffled[k]
		})
		chance[i] = same(source, shuffled)
	})
	mean := func(all []float64) string { return percent(metric.Summarize(all).Mean) }
	j.report.row("frames whose content unit is the source's", fmt.Sprintf("%s; of its reconstruction %s, by chance %s", mean(converted), mean(reconstructed), mean(chance)))
}

// heard are prints and whose voice they are to be.
type heard struct {
	prints []voiceprint
	voices []string
}

// share returns how many of h a classifier gives to their voices.
func (h heard) share(c *voiceClassifier) float64 {
	right := 0
	for i, p := range h.prints {
		if c.classify(p) == h.voices[i] {
			right++
		}
	}
	return float64(right) / float64(len(h.prints))
}

// hear describes waves, n of them.
func (j *evaluation) hear(n int, wave func(b *evaluationWorker, i int) []float32, voice func(i int) string) heard {
	pitch := dsp.NewPitch(dsp.StandardPitch)
	h := heard{make([]voiceprint, n), make([]string, n)}
	j.each(n, func(b *evaluationWorker, i int) {
		x := wave(b, i)
		h.prints[i], h.voices[i] = newVoiceprint(x, pitch.F0(x)), voice(i)
	})
	return h
}

// identify asks whose voices the conversions are. What counts is a classifier of
// recordings, by the means of MFCC and pitch. Three others are there to understand it:
// without pitch; by how much both move, too, which a codec smooths by ten times what
// voices differ in, so that it takes all that is spoken for one voice; and of what the
// codec makes of the training clips, to which the codec's own sound is no sign of a
// voice. How far each can be believed is how often it is right on reconstructions.
func (j *evaluation) identify() {
	clips := j.validator.clips
	again := func(b *evaluationWorker, wave []float32) []float32 {
		return b.Decode(b.Encode(wave), b.Timbre(wave), len(wave))
	}
	trained := func(i int) string { return voiceOf(j.set.Train[i].Path) }
	held := func(i int) string { return voiceOf(clips[i].Name) }
	recordings := j.hear(len(j.set.Train), func(_ *evaluationWorker, i int) []float32 { return j.load(j.set.Train[i]) }, trained)
	decoded := j.hear(len(j.set.Train), func(b *evaluationWorker, i int) []float32 { return again(b, j.load(j.set.Train[i])) }, trained)
	heldOut := j.hear(len(clips), func(_ *evaluationWorker, i int) []float32 { return clips[i].Wave }, held)
	reconstructed := j.hear(len(clips), func(b *evaluationWorker, i int) []float32 { return again(b, clips[i].Wave) }, held)
	toReference := j.hear(len(j.pairs), func(_ *evaluationWorker, i int) []float32 { return j.pairs[i].spoken }, func(i int) string { return held(j.pairs[i].reference) })
	toSource := heard{toReference.prints, nil}
	for _, p := range j.pairs {
		toSource.voices = append(toSource.voices, held(p.source))
	}
	for i, c := range []struct {
		name string
		of   heard
		used []int
	}{
		{"mean MFCC and pitch", recordings, meanFeatures()},
		{"mean MFCC alone", recordings, cepstralFeatures()},
		{"mean MFCC and pitch, and their deviations", recordings, allFeatures()},
		{"mean MFCC and pitch, of reconstructed training clips", decoded, meanFeatures()},
	} {
		classifier, err := newVoiceClassifier(c.of.prints, c.of.voices, c.used)
		j.must(err)
		own, err := leaveOneOut(c.of.prints, c.of.voices, c.used)
		j.must(err)
		j.report.row("classifier by "+c.name, fmt.Sprintf("right on %s of what it learned from, each left out in turn, %s of held-out recordings, %s of their reconstructions",
			percent(own), percent(heldOut.share(classifier)), percent(reconstructed.share(classifier))))
		to := toReference.share(classifier)
		text := fmt.Sprintf("%s; to the source %s", percent(to), percent(toSource.share(classifier)))
		if i == 0 {
			j.report.aim("conversions given to the reference", text, "at least "+percent(aimConverted), to >= aimConverted)
		} else {
			j.report.row("conversions given to the reference", text)
		}
	}
}

func TestChoosePairs(t *testing.T) {
	names := []string{"a/1", "a/2", "a/3", "b/1", "b/x/2", "c/1"}
	for n, want := range map[int]int{6: 6, 20: 20, 100: 2 * (3*2 + 3*1 + 2*1)} {
		pairs := choosePairs(names, n, rand.New(rand.NewPCG(1, 0)))
		if len(pairs) != want {
			t.Errorf("%d pairs, want %d", len(pairs), want)
		}
		seen, voices := map[[2]int]bool{}, map[string]int{}
		for _, p := range pairs {
			k := [2]int{p.source, p.reference}
			a, b := voiceOf(names[p.source]), voiceOf(names[p.reference])
			if seen[k] || a == b {
				t.Errorf("%d of %v: pair %v", n, names, k)
			}
			seen[k] = true
			voices[a+b]++
		}
		if len(voices) != 6 {
			t.Errorf("%d pairs are of the voices %v", n, voices)
		}
	}
	if pairs := choosePairs([]string{"a/1", "a/2"}, 20, rand.New(rand.NewPCG(1, 0))); len(pairs) != 0 {
		t.Errorf("pairs of one voice: %v", pairs)
	}
}
