package ns3

import (
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// blockFrames is the most frames that streams send through the networks at once:
// enough to use the weights many times while they are in a cache, little enough
// that memory stays flat.
const blockFrames = 64

// The stages that a stream's profiler tells apart.
const (
	stageTimbre    = "timbre"
	stageEncoder   = "encoder"
	stageProsody   = "prosody"
	stageQuantizer = "quantizer"
	stageDecoder   = "decoder"
)

// An encoding turns samples into frames z as they arrive. The last frame is filled up
// with zeros.
type encoding struct {
	codec *Codec
	run   *op.Run
	total int
}

func newEncoding(c *Codec, pool *parallel.Pool) encoding {
	return encoding{codec: c, run: op.NewRun(pool)}
}

func (e *encoding) Reset() {
	e.run.Reset()
	e.total = 0
}

// push calls emit with the frames z, [1, T, latent], that each block of samples
// completes, and the samples themselves; last says that they are the last. emit
// gives z back.
func (e *encoding) push(samples []float32, last bool, emit func(z tensor.Tensor, samples []float32, last bool)) {
	e.total += len(samples)
	if rest := e.total % Hop; last && rest > 0 {
		samples = append(samples[:len(samples):len(samples)], make([]float32, Hop-rest)...)
	}
	r := e.run
	for {
		n := min(len(samples), blockFrames*Hop)
		block := samples[:n]
		samples = samples[n:]
		r.Last = last && len(samples) == 0
		r.Profiler.Start(stageEncoder)
		wave := r.New(1, n, 1)
		for t, v := range block {
			wave.Row(0, t)[0] = v
		}
		z := e.codec.Encoder.Forward(r, wave)
		r.Profiler.Start("")
		emit(z, block, r.Last)
		if len(samples) == 0 {
			return
		}
	}
}

// A queue holds frames that wait for others.
type queue struct {
	dim  int
	rows []float32 // as in a tensor
}

func (q *queue) len() int { return len(q.rows) / tensor.Stride(q.dim) }

func (q *queue) push(x tensor.Tensor) { q.rows = append(q.rows, x.Rows(0, 0, x.T)...) }

// take returns the first n frames in memory of r.
func (q *queue) take(r *op.Run, n int) tensor.Tensor {
	x := r.New(1, n, q.dim)
	size := copy(x.Data, q.rows)
	q.rows = q.rows[:copy(q.rows, q.rows[size:])]
	return x
}

// An EncoderStream turns samples into codes as they arrive, the same ones whatever
// the pieces: ceil(samples/Hop) frames. Version 1 is behind by the encoder's
// lookahead. Version 2 gives the codes of an utterance of up to a minute at its end,
// and of a longer one 45 to 90 seconds after the samples (see transformer.go),
// because prosody depends on all of it.
type EncoderStream struct {
	encoding
	mel        *melStream
	prosody    *windowed
	z, encoded queue // what the faster path waits with for the slower
	timbre     *timbreMean
}

// NewEncoderStream starts an utterance.
func (c *Codec) NewEncoderStream(pool *parallel.Pool) *EncoderStream {
	s := &EncoderStream{encoding: newEncoding(c, pool)}
	if c.V2 {
		latent := c.Quantizer.config.Latent
		s.z.dim, s.encoded.dim = latent, latent
		s.mel = c.Mel.stream()
		s.prosody = newWindowed(pool, latent, contextSeconds, func(r *op.Run, x tensor.Tensor) tensor.Tensor {
			return c.Prosody.Forward(r, x, nil)
		})
	}
	return s
}

// NewAnalysisStream is NewEncoderStream, but also finds the timbre of what is encoded,
// from the same frames.
func (c *Codec) NewAnalysisStream(pool *parallel.Pool) *EncoderStream {
	s := c.NewEncoderStream(pool)
	s.timbre = newTimbreMean(c, pool)
	return s
}

// Profile measures the stream with p from now on.
func (s *EncoderStream) Profile(p *op.Profiler) {
	s.run.Profiler = p
	if s.prosody != nil {
		s.prosody.run.Profiler = p
	}
	if s.timbre != nil {
		s.timbre.run.Profiler = p
	}
}

// Reset starts another utterance.
func (s *EncoderStream) Reset() {
	s.encoding.Reset()
	if s.codec.V2 {
		s.mel.Reset()
		s.prosody.Reset()
		s.z.rows, s.encoded.rows = s.z.rows[:0], s.encoded.rows[:0]
	}
	if s.timbre != nil {
		s.timbre.Reset()
	}
}

// Timbre returns the timbre of the utterance that has ended, of an analysis stream.
func (s *EncoderStream) Timbre() []float32 { return s.timbre.mean() }

// Append is Push, appending to codes.
func (s *EncoderStream) Append(codes *model.Codes, samples []float32, last bool) {
	codes.Append(s.Push(samples, last))
}

// Push adds samples and returns the codes of the frames that are complete. With last
// the utterance ends.
func (s *EncoderStream) Push(samples []float32, last bool) model.Codes {
	var codes model.Codes
	s.push(samples, last, func(p model.Parts) { codes.Append(p.Codes()) })
	return codes
}

// push calls emit with the quantized parts of each block; their memory is given back
// when it returns.
func (s *EncoderStream) push(samples []float32, last bool, emit func(model.Parts)) {
	s.encoding.push(samples, last, func(z tensor.Tensor, samples []float32, last bool) {
		if s.timbre != nil {
			s.timbre.push(z, last)
		}
		if !s.codec.V2 {
			s.quantize(s.run.Borrow(z), z, emit)
			return
		}
		s.z.push(z)
		s.run.Free(z)
		s.pushProsody(samples, last)
		for {
			n := min(s.z.len(), s.encoded.len(), blockFrames)
			if n == 0 {
				return
			}
			s.quantize(s.encoded.take(s.run, n), s.z.take(s.run, n), emit)
		}
	})
}

// pushProsody sends samples through version 2's prosody branch.
func (s *EncoderStream) pushProsody(samples []float32, last bool) {
	r, c := s.prosody.run, s.codec
	r.Profiler.Start(stageProsody)
	defer r.Profiler.Start("")
	x := c.ProsodyFeatures(r, s.mel.Push(samples, last))
	s.prosody.Push(x, last, s.encoded.push)
	r.Free(x)
}

// ProsodyFeatures turns frames of the mel spectrogram, one after the other, into what
// the prosody transformer sees: [1, T, latent].
func (c *Codec) ProsodyFeatures(r *op.Run, rows []float32) tensor.Tensor {
	mel := r.New(1, len(rows)/c.ProsodyMels, c.ProsodyMels)
	for t := range mel.T {
		copy(mel.Row(0, t), rows[t*c.ProsodyMels:])
	}
	return c.MelIn.Forward(r, nil, mel)
}

// quantize quantizes frames, which it takes.
func (s *EncoderStream) quantize(prosody, z tensor.Tensor, emit func(model.Parts)) {
	if z.T == 0 {
		s.run.Free(prosody, z)
		return
	}
	s.run.Profiler.Start(stageQuantizer)
	p := s.codec.Quantizer.Quantize(s.run, prosody, z)
	s.run.Profiler.Start("")
	emit(p)
	p.Free(s.run)
}

// A timbreMean finds the timbre from frames z: the mean over all frames of the timbre
// transformer's result.
type timbreMean struct {
	*windowed
	sum    []float64
	frames int // in sum
}

func newTimbreMean(c *Codec, pool *parallel.Pool) *timbreMean {
	latent := c.Quantizer.config.Latent
	return &timbreMean{
		windowed: newWindowed(pool, latent, 0, func(r *op.Run, x tensor.Tensor) tensor.Tensor { return c.Timbre.Forward(r, x, nil) }),
		sum:      make([]float64, latent),
	}
}

func (m *timbreMean) Reset() {
	m.windowed.Reset()
	clear(m.sum)
	m.frames = 0
}

// push adds frames, which it leaves to the caller.
func (m *timbreMean) push(z tensor.Tensor, last bool) {
	m.run.Profiler.Start(stageTimbre)
	defer m.run.Profiler.Start("")
	m.Push(z, last, func(y tensor.Tensor) {
		for i, v := range op.Mean(y)[0] {
			m.sum[i] += v * float64(y.T)
		}
		m.frames += y.T
	})
}

// mean returns the timbre of what has ended: [latent].
func (m *timbreMean) mean() []float32 {
	timbre := make([]float32, len(m.sum))
	if m.frames > 0 {
		for i, v := range m.sum {
			timbre[i] = float32(v / float64(m.frames))
		}
	}
	return timbre
}

// A TimbreStream finds the timbre of a voice from clips of it, which arrive in
// pieces. The timbre is the mean over the frames of all clips.
type TimbreStream struct {
	encoding
	timbre *timbreMean
}

// NewTimbreStream starts with no clip.
func (c *Codec) NewTimbreStream(pool *parallel.Pool) *TimbreStream {
	return &TimbreStream{newEncoding(c, pool), newTimbreMean(c, pool)}
}

// Profile measures the stream with p from now on.
func (s *TimbreStream) Profile(p *op.Profiler) { s.run.Profiler, s.timbre.run.Profiler = p, p }

// Push adds samples to the clip.
func (s *TimbreStream) Push(samples []float32) { s.push(samples, false) }

// EndClip ends the clip; what is pushed next belongs to another one of the same
// voice.
func (s *TimbreStream) EndClip() {
	s.push(nil, true)
	s.encoding.Reset()
}

func (s *TimbreStream) push(samples []float32, last bool) {
	s.encoding.push(samples, last, func(z tensor.Tensor, _ []float32, last bool) {
		s.timbre.push(z, last)
		s.run.Free(z)
	})
}

// Timbre returns the timbre of the clips that have ended: [latent].
func (s *TimbreStream) Timbre() []float32 { return s.timbre.mean() }

// A DecoderStream turns codes into samples as they arrive, behind by the decoder's
// lookahead.
type DecoderStream struct {
	codec      *Codec
	run        *op.Run
	modulation Modulation
}

// NewDecoderStream starts an utterance in the voice of timbre [latent].
func (c *Codec) NewDecoderStream(timbre []float32, pool *parallel.Pool) *DecoderStream {
	run := op.NewRun(pool)
	return &DecoderStream{codec: c, run: run, modulation: c.Decoder.Modulation(run, timbre)}
}

// Profile measures the stream with p from now on.
func (s *DecoderStream) Profile(p *op.Profiler) { s.run.Profiler = p }

// Reset starts another utterance in the same voice.
func (s *DecoderStream) Reset() { s.run.Reset() }

// SetTimbre changes the voice from the next frame on.
func (s *DecoderStream) SetTimbre(timbre []float32) {
	s.run.Free(tensor.Tensor(s.modulation))
	s.modulation = s.codec.Decoder.Modulation(s.run, timbre)
}

// Append is Push, appending to samples.
func (s *DecoderStream) Append(samples []float32, codes model.Codes, last bool) []float32 {
	return append(samples, s.Push(codes, last)...)
}

// Push adds frames and returns the samples that are complete. With last the utterance
// ends, and Hop samples for every frame will have been returned in all.
func (s *DecoderStream) Push(codes model.Codes, last bool) (samples []float32) {
	eachBlock(codes.Frames(), last, func(from, to int, last bool) {
		s.run.Last = last
		z := s.codec.Quantizer.Decode(s.run, codes.Slice(from, to))
		samples = append(samples, decode(s.run, s.codec.Decoder, z, s.modulation)...)
	})
	return samples
}

// eachBlock calls f for every block of frames, at least once.
func eachBlock(frames int, last bool, f func(from, to int, last bool)) {
	for from := 0; ; {
		to := min(frames, from+blockFrames)
		f(from, to, last && to == frames)
		if from = to; from == frames {
			return
		}
	}
}

// decode takes frames z and copies their waveform out of the run's memory.
func decode(r *op.Run, d *Decoder, z tensor.Tensor, modulation Modulation) []float32 {
	r.Profiler.Start(stageDecoder)
	defer r.Profiler.Start("")
	y := d.Forward(r, d.Modulate(r, z, modulation))
	samples := make([]float32, y.T)
	for t := range samples {
		samples[t] = y.Row(0, t)[0]
	}
	r.Free(y)
	return samples
}
