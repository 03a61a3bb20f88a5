package main

import (
	"context"
	"fmt"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/recording"
)

// An evaluated recording: what is known of one, or why not.
type evaluated struct {
	file  evalFile
	codes model.Codes
	err   error
}

// one evaluates a recording.
func (e *evaluation) one(ctx context.Context, j job, progress func(seconds float64)) (o evaluated) {
	if o.err = ctx.Err(); o.err == nil && j.output != "" {
		o.err = e.made.ready(j.output)
	}
	if o.err != nil {
		return o
	}
	wave, err := audio.ReadFile(j.source, e.rate)
	if err != nil {
		o.err = err
		return o
	}
	gain := recording.Gain(1)
	if e.normalize {
		gain = recording.GainFor(wave)
		gain.Apply(wave)
	}
	o.file = evalFile{Source: j.source, Output: j.output, name: j.path, Samples: len(wave), Seconds: float64(len(wave)) / float64(e.rate)}
	var decoded []float32
	if e.pairs != nil {
		o.file.Decoded, decoded, o.err = e.readDecoded(j, wave)
		o.file.DecodedSeconds = round(float64(len(decoded)) / float64(e.rate))
		gain.Apply(decoded)
	} else {
		decoded, o.codes, o.err = e.through(ctx, j, wave, progress)
	}
	if o.err == nil {
		o.err = ctx.Err()
	}
	if o.err != nil {
		return o
	}
	progress(o.file.Seconds)
	speech := <-e.speeches
	both := min(len(wave), len(decoded))
	o.file.measured = speech.Compare(wave[:both], decoded[:both])
	e.speeches <- speech
	if j.output != "" {
		o.file.Clipped, o.err = e.keep(j.output, decoded, gain)
	}
	return o
}

// through encodes and decodes a recording.
func (e *evaluation) through(ctx context.Context, j job, wave []float32, progress func(seconds float64)) (decoded []float32, codes model.Codes, err error) {
	tokens, err := e.codec.Encode(wave)
	if err == nil {
		progress(float64(len(wave)) / float64(e.rate) / 2)
		if err := ctx.Err(); err != nil {
			return nil, codes, err
		}
		decoded, err = e.codec.Decode(tokens)
	}
	if err != nil {
		return nil, codes, fmt.Errorf("%s: %w", j.source, err)
	}
	return decoded, model.Codes(tokens.Codes), nil
}

// keep writes a reconstruction at the recording's own level.
func (e *evaluation) keep(path string, samples []float32, gain recording.Gain) (clipped int64, err error) {
	w, err := audio.Create(path, e.codec.SampleRate(), e.format)
	if err != nil {
		return 0, err
	}
	defer w.Discard()
	gain.Undo(samples)
	if err := w.Write(samples); err != nil {
		return 0, err
	}
	if err := w.Commit(); err != nil {
		return 0, err
	}
	return w.Clipped(), nil
}
