package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/model"
)

// An evaluated recording: what is known of one, or why not.
type evaluated struct {
	file  evalFile
	codes model.Codes
	err   error
}

// one evaluates a recording.
func (e *evaluation) one(ctx context.Context, j job, progress func(seconds float64)) (o evaluated) {
	if o.err = ctx.Err(); o.err != nil {
		return o
	}
	rate := e.codec.SampleRate()
	wave, err := audio.ReadFile(j.source, rate)
	if err != nil {
		o.err = err
		return o
	}
	gain := float32(1)
	if e.normalize {
		gain = toPeak(wave)
	}
	o.file = evalFile{Source: j.source, Output: j.output, name: j.path, Samples: len(wave), Seconds: float64(len(wave)) / float64(rate)}
	codes, spoken, err := e.reconstruct(ctx, wave, progress)
	if err != nil {
		o.err = fmt.Errorf("%s: %w", j.source, err)
		return o
	}
	speech := <-e.speeches
	o.file.measured = speech.Compare(wave, spoken)
	e.speeches <- speech
	o.codes = model.Codes(codes)
	if j.output != "" {
		o.file.Clipped, o.err = e.keep(j.output, spoken, gain)
	}
	return o
}

// reconstruct is Reconstruct of the codec, in pieces, between which ctx may end it,
// with the codes.
func (e *evaluation) reconstruct(ctx context.Context, wave []float32, progress func(seconds float64)) (codes facodec.Codes, spoken []float32, err error) {
	const block = 64 // frames
	c := e.codec
	hop, rate := c.HopLength(), float64(c.SampleRate())
	encoder, voice := c.NewEncoder(), c.NewVoiceEncoder()
	// Encoding is told as the first half of the work.
	done := 0
	for piece := range slices.Chunk(wave, block*hop) {
		if err := ctx.Err(); err != nil {
			return codes, nil, err
		}
		frames, err := encoder.Push(piece)
		if err != nil {
			return codes, nil, err
		}
		codes.Append(frames)
		if err := voice.Push(piece); err != nil {
			return codes, nil, err
		}
		done += len(piece)
		progress(float64(done) / rate / 2)
	}
	codes.Append(encoder.Flush())
	voice.EndClip()
	timbre, err := voice.Timbre()
	if err != nil {
		return codes, nil, err
	}
	decoder, err := c.NewDecoder(timbre)
	if err != nil {
		return codes, nil, err
	}
	for from := 0; from < codes.Frames(); from += block {
		if err := ctx.Err(); err != nil {
			return codes, nil, err
		}
		samples, err := decoder.Push(codes.Slice(from, min(from+block, codes.Frames())))
		if err != nil {
			return codes, nil, err
		}
		spoken = append(spoken, samples...)
		progress(float64(len(wave)+min(len(spoken), len(wave))) / rate / 2)
	}
	return codes, append(spoken, decoder.Flush()...)[:len(wave)], nil
}

// toPeak scales samples to peak 1 and returns the factor; silence stays what it is.
func toPeak(samples []float32) float32 {
	var peak float32
	for _, v := range samples {
		peak = max(peak, v, -v)
	}
	if peak < 0x1p-126 || peak-peak != 0 { // the inverse may be beyond float32
		return 1
	}
	for i := range samples {
		samples[i] *= 1 / peak
	}
	return 1 / peak
}

// keep writes a reconstruction at the recording's own level.
func (e *evaluation) keep(path string, samples []float32, gain float32) (clipped int64, err error) {
	if err := e.made.make(filepath.Dir(path)); err != nil {
		return 0, err
	}
	w, err := audio.Create(path, e.codec.SampleRate(), e.format)
	if err != nil {
		return 0, err
	}
	defer w.Discard()
	if gain != 1 {
		for i := range samples {
			samples[i] *= 1 / gain
		}
	}
	if err := w.Write(samples); err != nil {
		return 0, err
	}
	if err := w.Commit(); err != nil {
		return 0, err
	}
	return w.Clipped(), nil
}
