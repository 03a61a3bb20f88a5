package model

import (
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
)

// predicted returns what the decoder predicts of codes in one go: log magnitudes, and which frames
// count as voiced among those so far.
func predicted(codec *Codec, pool *parallel.Pool, codes Codes, timbre []float32) (magnitudes [][]float64, voiced []bool, levels []float64) {
	r := op.NewRun(pool)
	m := codec.Modulation(r, timbre)
	d := codec.Decoder.(voicedDecoder)
	s := d.Predict(r, m.apply(r, codec.Quantizer.Decode(r, codes)), m.blocks)
	_, share, power := d.Voicing(r, s)
	loudest := math.Inf(-1)
	for t := range power.T {
		row := make([]float64, s.magnitudes.C)
		for k, v := range s.magnitudes.Row(0, t) {
			row[k] = float64(v)
		}
		level := float64(power.Row(0, t)[0])
		loudest = max(loudest, level)
		magnitudes = append(magnitudes, row)
		levels = append(levels, level)
		voiced = append(voiced, share.Row(0, t)[0] > voicedShare && level > loudest-voicedBelow)
	}
	return magnitudes, voiced, levels
}

// TestEqualizer compares a filtered stream with the definition, written out: for each frame the mean of
// those before it, at the step where the filter was made, and a full convolution over frequency.
func TestEqualizer(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 2)
	source[Residual] = nil
	y, voicedY, _ := predicted(codec, pool, reference, timbre)
	x, voicedX, levels := predicted(codec, pool, source, timbre)
	if !slices.Contains(voicedX, true) || !slices.Contains(voicedX, false) || !slices.Contains(voicedY, false) {
		t.Fatal("all frames are voiced, or none: nothing is tested of the means")
	}
	bins := codec.Bins()
	target, n := make([]float64, bins), 0.0
	for i, row := range y {
		if voicedY[i] {
			n++
			for k, v := range row {
				target[k] += v
			}
		}
	}
	for k := range target {
		target[k] /= n
	}
	spectrum := codec.Spectrum(reference, timbre, pool)
	for k, want := range target {
		if math.Abs(float64(spectrum[k])-want) > 1e-4 {
			t.Fatalf("spectrum at bin %d: %g, want %g", k, spectrum[k], want)
		}
	}

	r := op.NewRun(pool)
	m := codec.Modulation(r, timbre)
	d := codec.Decoder.(voicedDecoder)
	s := d.Predict(r, m.apply(r, codec.Quantizer.Decode(r, source)), m.blocks)
	spectrum[7] -= 9 // more than is filtered away
	target[7] -= 9
	newEqualizer(spectrum, 24000).apply(r, d, s)
	after := r.LogPower(s.magnitudes)
	moved := 0.0
	for i, row := range x {
		if got := float64(after.Row(0, i)[0]); math.Abs(got-levels[i]) > 1e-3 {
			t.Fatalf("frame %d: level %g, was %g", i, got, levels[i])
		}
		sum, seen := make([]float64, bins), 0.0
		for j := range i / equalizerStep * equalizerStep {
			if voicedX[j] {
				seen++
				for k, v := range x[j] {
					sum[k] += v
				}
			}
		}
		deviation := equalizerWidth / 24000.0 * 2 * float64(bins-1)
		change, level, magnitude := make([]float64, bins), 0.0, 0.0
		for k, v := range target {
			change[k] = equalizerStrength * (seen*v - sum[k]) / (seen + equalizerFrames)
			level += math.Exp(v) * change[k]
			magnitude += math.Exp(v)
		}
		filtered := make([]float64, bins)
		for k := range filtered {
			v, weights := 0.0, 0.0
			for j := range bins {
				if math.Abs(float64(j-k)) > 3*deviation {
					continue
				}
				w := math.Exp(-math.Pow(float64(j-k)/deviation, 2) / 2)
				weights += w
				v += w * min(max(change[j]-level/magnitude, -equalizerLimit), equalizerLimit)
			}
			filtered[k] = row[k] + v/weights
			moved = max(moved, math.Abs(v/weights))
		}
		offset := float64(s.magnitudes.Row(0, i)[0]) - filtered[0] // as levels stay
		for k, want := range filtered {
			if got := float64(s.magnitudes.Row(0, i)[k]) - offset; math.Abs(got-want) > 2e-4 {
				t.Fatalf("frame %d, bin %d: %g, want %g", i, k, got, want)
			}
		}
	}
	if moved < 0.02 {
		t.Errorf("the filter moves magnitudes by %g at most: nothing was tested", moved)
	}
}

// TestEqualizerInChunks: filtered streams do not depend on how codes arrive, nor on the number of
// threads, also with frames of a reference; and begin as the first did after Reset, and another voice.
func TestEqualizerInChunks(t *testing.T) {
	var want [2][]float32
	for _, threads := range []int{1, 2, 3} {
		codec, pool, source, reference, timbre := referenceCase(t, threads)
		source[Residual] = nil
		spectrum := codec.Spectrum(reference, timbre, pool)
		for i, strength := range []float64{0, 0.5} {
			s := codec.NewDecoderStream(timbre, pool)
			s.SetReference(codec.NewReference(reference, timbre, pool), strength)
			plain := s.Push(source, true)
			s.Reset()
			s.SetSpectrum(spectrum)
			whole := s.Push(source, true)
			if want[i] == nil {
				want[i] = whole
			}
			if !slices.Equal(whole, want[i]) {
				t.Errorf("%d threads, strength %g: other samples", threads, strength)
			}
			if slices.Equal(whole, plain) {
				t.Error("the spectrum changes nothing")
			}
			for name, next := range sizes(codec.Hop()) {
				s.Reset()
				var got []float32
				chunked(source.Frames(), func() int { return (next() + codec.Hop() - 1) / codec.Hop() }, func(from, to int, last bool) {
					got = append(got, s.Push(source.Slice(from, to), last)...)
				})
				if !slices.Equal(got, want[i]) {
					t.Errorf("in chunks of %s: other samples", name)
				}
			}
			s.Reset()
			s.Push(source.Slice(0, 40), false)
			s.run.Reset()
			s.SetSpectrum(spectrum) // as a change of voice does
			if s.match != nil {
				s.match.reset()
			}
			if !slices.Equal(s.Push(source, true), want[i]) {
				t.Error("a spectrum that is set again goes on with what was heard before")
			}
			s.Reset()
			s.SetSpectrum(nil)
			if !slices.Equal(s.Push(source, true), plain) {
				t.Error("without the spectrum it is not as before")
			}
		}
	}
}

// TestEqualizerAllocatesNothing frame by frame, also when the voice changes.
func TestEqualizerAllocatesNothing(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 1)
	s := codec.NewDecoderStream(timbre, pool)
	spectrum := codec.Spectrum(reference, timbre, pool)
	s.SetSpectrum(spectrum)
	samples := make([]float32, 0, 10*codec.Hop())
	frame := source.Slice(20, 21)
	step := func() {
		s.SetSpectrum(spectrum)
		samples = s.Append(samples[:0], frame, false)
	}
	for range 20 {
		step()
	}
	if n := testing.AllocsPerRun(50, step); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

// TestEqualizerForgetsOverflow: frames that are not finite, of a voice that is none, leave nothing behind.
func TestEqualizerForgetsOverflow(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 1)
	s := codec.NewDecoderStream(timbre, pool)
	s.SetSpectrum(codec.Spectrum(reference, timbre, pool))
	absurd := slices.Clone(timbre)
	for i := range absurd {
		absurd[i] = math.MaxFloat32
	}
	s.SetTimbre(absurd)
	lost := s.Push(source.Slice(0, 20), false)
	if !slices.ContainsFunc(lost, func(x float32) bool { return x-x != 0 }) {
		t.Fatal("the voice is no absurd one: nothing is tested")
	}
	s.SetTimbre(timbre)
	rest := s.Push(source.Slice(20, source.Frames()), true)
	if i := slices.IndexFunc(rest[len(rest)/2:], func(x float32) bool { return x-x != 0 }); i >= 0 {
		t.Errorf("half of the utterance later sample %d is not finite", i)
	}
}
