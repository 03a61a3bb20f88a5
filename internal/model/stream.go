package model

import (
	"cmp"
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// blockFrames is the most frames that streams send through the networks at once:
// enough to use the weights many times while they are in a cache, little enough
// that memory stays flat.
const blockFrames = 64

// The sections that a stream's profiler measures.
const (
	stageTimbre    = "timbre"
	stageEncoder   = "encoder"
	stageProsody   = "prosody"
	stageQuantizer = "quantizer"
	stageDecoder   = "decoder"
)

// An EncoderStream turns samples into codes as they arrive. The codes are those of the
// whole utterance for any chunk size; the last frame is complete only when the
// utterance ends.
type EncoderStream struct {
	codec      *Codec
	run        *op.Run
	mel        *dsp.MelStream
	z, prosody op.Slot   // frames of one path that wait for the other
	melRows    []float32 // frames of the current block, [T][prosody mels]
}

// NewEncoderStream starts an utterance.
func (c *Codec) NewEncoderStream(pool *parallel.Pool) *EncoderStream {
	return &EncoderStream{
		codec: c, run: op.NewRun(pool), mel: dsp.NewMel(c.Mel).Stream(),
		z: op.NewSlot(), prosody: op.NewSlot(),
	}
}

// Profile measures the stream from now on; nil ends it.
func (s *EncoderStream) Profile(p *op.Profiler) { s.run.Profiler = p }

// Reset starts another utterance.
func (s *EncoderStream) Reset() {
	s.run.Reset()
	s.mel.Reset()
}

// Push adds samples and returns the codes of the frames that are complete. With
// last the utterance ends: ceil(samples/hop) frames will have been returned in
// all.
func (s *EncoderStream) Push(samples []float32, last bool) Codes {
	var codes Codes
	s.Append(&codes, samples, last)
	return codes
}

// Append is Push, appending to codes.
func (s *EncoderStream) Append(codes *Codes, samples []float32, last bool) {
	s.run.Pool().BeginBurst()
	defer s.run.Pool().EndBurst()
	s.push(samples, last, func(p Parts) { p.appendTo(codes) })
}

// push calls emit with the quantized parts of each block, which are freed when it
// returns.
func (s *EncoderStream) push(samples []float32, last bool, emit func(Parts)) {
	block := blockFrames * s.codec.Hop()
	for {
		n := min(len(samples), block)
		s.run.Last = last && n == len(samples)
		p := s.block(samples[:n])
		if p[Prosody].Z.T > 0 {
			emit(p)
		}
		p.Free(s.run)
		if samples = samples[n:]; len(samples) == 0 {
			return
		}
	}
}

// block sends up to a block of samples through the networks.
func (s *EncoderStream) block(samples []float32) Parts {
	r, q := s.run, s.codec.Quantizer
	r.Profiler.Start(stageEncoder)
	wave := r.New(1, len(samples), 1)
	for t, v := range samples {
		wave.Row(0, t)[0] = v
	}
	z := s.codec.Encoder.Forward(r, wave)

	r.Profiler.Start(stageProsody)
	s.melRows = s.melRows[:0]
	bins := s.codec.CodecConfig.Quantizer.ProsodyMels
	s.mel.Push(samples, r.Last, func(frame []float32) { s.melRows = append(s.melRows, frame[:bins]...) })
	mel := r.New(1, len(s.melRows)/bins, bins)
	for t := range mel.T {
		copy(mel.Row(0, t), s.melRows[t*bins:])
	}
	features := q.ProsodyFeatures(r, mel)

	// The log-mel has a lookahead of 25 ms, so the encoder's frames usually wait.
	n := min(r.Held(s.z)+z.T, r.Held(s.prosody)+features.T)
	r.Profiler.Start(stageQuantizer)
	defer r.Profiler.Start("")
	return q.Quantize(r, r.Align(s.prosody, features, n), r.Align(s.z, z, n))
}

// Codes returns those of the first sequence.
func (p Parts) Codes() (codes Codes) {
	p.appendTo(&codes)
	return codes
}

// appendTo appends the codes of the first sequence.
func (p Parts) appendTo(codes *Codes) {
	for part, q := range p {
		for i, book := range q.Codes {
			codes.appendBook(part, i, book[0])
		}
	}
}

// A DecoderStream turns codes into samples as they arrive.
type DecoderStream struct {
	codec      *Codec
	run        *op.Run
	modulation Modulation
	match      *matcher   // nil without a reference
	before     *matcher   // the last one, which knows of the source what was learned until then
	equalizer  *equalizer // nil without a spectrum
}

// NewDecoderStream starts an utterance in the voice of timbre [latent].
func (c *Codec) NewDecoderStream(timbre []float32, pool *parallel.Pool) *DecoderStream {
	run := op.NewRun(pool)
	return &DecoderStream{codec: c, run: run, modulation: c.Modulation(run, timbre)}
}

// Profile measures the stream from now on; nil ends it.
func (s *DecoderStream) Profile(p *op.Profiler) { s.run.Profiler = p }

// Reset starts another utterance in the same voice.
func (s *DecoderStream) Reset() {
	s.run.Reset()
	s.before = nil
	if s.match != nil {
		s.match.reset()
	}
	if s.equalizer != nil {
		s.equalizer.reset()
	}
}

// SetSpectrum filters what is decoded from the next frame on so that its mean spectrum becomes that of a
// voice, as Codec.Spectrum returns it; nil ends that. The decoder is one that takes references.
func (s *DecoderStream) SetSpectrum(spectrum []float32) {
	switch {
	case spectrum == nil:
		s.equalizer = nil
	case s.equalizer != nil:
		s.equalizer.setTarget(spectrum)
	default:
		s.equalizer = newEqualizer(spectrum, s.codec.Mel.FilterRate)
	}
}

// SetReference has frames of a reference take the place of the stream's from the next frame on, or
// share it with a strength below 1; nil ends that. The timbre stays as it is, and what is known of
// the source stays known. With a reference,
// codes are those of prosody and content; others are left out. See Codec.TakesReferences.
func (s *DecoderStream) SetReference(f *Reference, strength float64) {
	switch {
	case f == nil || strength == 0:
		if s.match != nil {
			s.match.pause()
			s.before, s.match = s.match, nil
		}
	case s.match != nil && s.match.reference == f:
		s.match.strength = float32(strength)
	default:
		m := newMatcher(s.codec, f, strength, s.run.Pool())
		if before := cmp.Or(s.match, s.before); before != nil {
			m.follow(before)
		}
		s.match, s.before = m, nil
	}
}

// SetTimbre changes the voice from the next frame on.
func (s *DecoderStream) SetTimbre(timbre []float32) {
	s.modulation.Free(s.run)
	s.modulation = s.codec.Modulation(s.run, timbre)
}

// Push adds frames and returns the samples that are complete: hop for each frame
// where the decoder is causal and past its first frames. With last the utterance
// ends, and hop samples for every frame will have been returned in all.
func (s *DecoderStream) Push(codes Codes, last bool) []float32 { return s.Append(nil, codes, last) }

// Append is Push, appending to samples.
func (s *DecoderStream) Append(samples []float32, codes Codes, last bool) []float32 {
	return appendBlocks(s.run, samples, codes, last, func(block Codes) tensor.Tensor {
		s.run.Profiler.Start(stageDecoder)
		defer s.run.Profiler.Start("")
		if s.match != nil && len(block[Prosody]) > 0 && len(block[Content]) > 0 && block.Frames() > 0 {
			return s.match.decode(s.run, block, s.modulation, s.equalizer)
		}
		z := s.codec.Quantizer.Decode(s.run, block)
		if s.equalizer != nil {
			d := s.codec.Decoder.(voicedDecoder)
			spectra := d.Predict(s.run, s.modulation.apply(s.run, z), s.modulation.blocks)
			s.equalizer.apply(s.run, d, spectra)
			return d.Synthesize(s.run, spectra)
		}
		return s.codec.Decode(s.run, z, s.modulation)
	})
}

// appendBlocks sends frames through decode, a block at a time, and appends to samples what
// comes out.
func appendBlocks(r *op.Run, samples []float32, codes Codes, last bool, decode func(Codes) tensor.Tensor) []float32 {
	r.Pool().BeginBurst()
	defer r.Pool().EndBurst()
	frames := codes.Frames()
	for from := 0; ; {
		to := min(frames, from+blockFrames)
		r.Last = last && to == frames
		block := codes
		if frames > blockFrames {
			block = codes.Slice(from, to)
		}
		samples = appendSamples(samples, r, decode(block))
		if from = to; from == frames {
			return samples
		}
	}
}

// appendSamples appends a waveform [1, N, 1], which it takes.
func appendSamples(samples []float32, r *op.Run, y tensor.Tensor) []float32 {
	samples = slices.Grow(samples, y.T)
	for t := range y.T {
		samples = append(samples, y.Row(0, t)[0])
	}
	r.Free(y)
	return samples
}
