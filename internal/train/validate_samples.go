package train

import (
	"context"
	"image"
	"image/color"
	"math"
	"path"
	"strconv"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plot"
)

// A sample is a clip that is logged, by its number, and the one that it is converted to
// the voice of, -1 for none.
type sample struct{ clip, reference int }

// chooseSamples takes the first n clips. Each is converted to the voice of the next clip,
// round the end, in another folder; in the same folder where there is only one, and then
// rather of another file.
func chooseSamples(clips []Clip, n int) []sample {
	samples := make([]sample, 0, max(0, min(n, len(clips))))
	for i := range cap(samples) {
		s := sample{i, -1}
		bestScore := 0
		for j := range len(clips) - 1 {
			other := (i + 1 + j) % len(clips)
			score := 1
			switch {
			case path.Dir(clips[other].Name) != path.Dir(clips[i].Name):
				score = 3
			case clips[other].Name != clips[i].Name:
				score = 2
			}
			if score > bestScore {
				s.reference, bestScore = other, score
			}
		}
		samples = append(samples, s)
	}
	return samples
}

// truthSpectrogram is the tag of the recordings' own pictures.
const truthSpectrogram = eventlog.ValidationSpectrogram + "_gt"

// decodedParts are the parts that are decoded without the others.
var decodedParts = []struct {
	tag   string
	parts []model.Part
}{
	{eventlog.PartProsody, []model.Part{model.Prosody}},
	{eventlog.PartContent, []model.Part{model.Content}},
	{eventlog.PartResidual, []model.Part{model.Residual}},
	{eventlog.PartProsodyContent, model.ConversionParts},
}

// tag is a sample's tag: with its number, from 1, where there are several.
func (v *Validator) tag(base string, i int) string {
	if len(v.samples) == 1 {
		return base
	}
	return base + "_" + strconv.Itoa(i+1)
}

// logSamples logs the samples: the recordings once, their reconstructions, each part decoded
// alone with the clip's own timbre, and the conversion: prosody and content with the
// other clip's timbre.
func (v *Validator) logSamples(ctx context.Context, log *eventlog.Log, step int64, results []result) error {
	if !v.recordingsLogged {
		if err := v.logRecordings(log, step); err != nil {
			return err
		}
		v.recordingsLogged = true
	}
	type outputs struct {
		parts     [][]float32
		converted []float32
	}
	all := make([]outputs, len(v.samples))
	err := v.each(ctx, len(v.samples), func(b *evaluationWorker, i int) {
		s := v.samples[i]
		d, n := results[s.clip], len(v.clips[s.clip].Wave)
		for _, a := range decodedParts {
			all[i].parts = append(all[i].parts, b.Decode(d.codes.Only(a.parts...), d.timbre, n))
		}
		if s.reference >= 0 {
			all[i].converted = b.Decode(d.codes.Only(model.ConversionParts...), results[s.reference].timbre, n)
		}
	})
	if err != nil {
		return err
	}
	l := sampleLog{log: log, step: step, rate: v.codec.Mel.FilterRate}
	for i, s := range v.samples {
		truth, predicted := v.clips[s.clip].Wave, results[s.clip].decoded
		l.audio(v.tag(eventlog.FullPredicted, i), predicted)
		for k, a := range decodedParts {
			l.audio(v.tag(a.tag, i), all[i].parts[k])
		}
		if s.reference >= 0 {
			l.audio(v.tag(eventlog.Conversion, i), all[i].converted)
		}
		l.image(v.tag(eventlog.ValidationSpectrogram, i), v.spectrograms(truth, predicted))
	}
	return l.err
}

// logRecordings logs the recordings of the samples, and of the voices that they are
// converted to.
func (v *Validator) logRecordings(log *eventlog.Log, step int64) error {
	l := sampleLog{log: log, step: step, rate: v.codec.Mel.FilterRate}
	for i, s := range v.samples {
		truth := v.clips[s.clip].Wave
		l.audio(v.tag(eventlog.FullTruth, i), truth)
		l.image(v.tag(truthSpectrogram, i), v.spectrograms(truth))
		if s.reference >= 0 {
			l.audio(v.tag(eventlog.ConversionReference, i), v.clips[s.reference].Wave)
		}
	}
	return l.err
}

// A sampleLog logs at one step and keeps the first error.
type sampleLog struct {
	log  *eventlog.Log
	step int64
	rate int
	err  error
}

func (l *sampleLog) audio(tag string, samples []float32) {
	if l.err == nil {
		l.err = l.log.Audio(l.step, tag, l.rate, samples)
	}
}

func (l *sampleLog) image(tag string, img image.Image) {
	if l.err == nil {
		l.err = l.log.Image(l.step, tag, img)
	}
}

// How a spectrogram is drawn: a column of pixels for each frame.
const (
	bandHeight   = 2    // pixels of a mel band
	betweenRows  = 4    // pixels of white between two spectrograms
	spectraRange = 80.0 // dB from the loudest of the first spectrogram to black
)

// spectrograms draws waves of one length above each other, by one scale.
func (v *Validator) spectrograms(waves ...[]float32) image.Image {
	frames := (len(waves[0]) + v.codec.Hop() - 1) / v.codec.Hop()
	bands := v.codec.Mel.Mels
	height := bands*bandHeight + betweenRows
	img := image.NewRGBA(image.Rect(0, 0, frames, len(waves)*height-betweenRows))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	mel := dsp.NewMel(v.codec.Mel)
	top := math.Inf(-1)
	for row, wave := range waves {
		var spectra [][]float32
		mel.Stream().Push(wave, true, func(frame []float32) { spectra = append(spectra, append([]float32(nil), frame...)) })
		if row == 0 {
			for _, spectrum := range spectra {
				for _, value := range spectrum {
					top = max(top, decibels(value))
				}
			}
		}
		for t, spectrum := range spectra {
			for band, value := range spectrum {
				low := row*height + (bands-band)*bandHeight
				fill(img, t, low-bandHeight, low, plot.Magma(1+(decibels(value)-top)/spectraRange))
			}
		}
	}
	return img
}

// decibels undoes the scale of the log-mel (dsp.Mel).
func decibels(v float32) float64 { return (4*float64(v) - 4) * 10 / math.Ln10 }

func fill(img *image.RGBA, x, from, to int, c color.RGBA) {
	for y := from; y < to; y++ {
		img.SetRGBA(x, y, c)
	}
}
