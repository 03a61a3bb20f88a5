package model

import (
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
)

// Attention over an utterance is quadratic in its length, so past timbreWhole
// seconds the timbre is the mean of windows of timbreWindow seconds, the last of
// which is as long as what remains.
const (
	timbreWhole  = 60
	timbreWindow = 30
)

// A TimbreStream finds the timbre of a voice from clips of it, which arrive in
// pieces. The timbre is the mean over the frames of all clips.
type TimbreStream struct {
	codec  *Codec
	run    *op.Run
	mel    *dsp.MelStream
	rows   []float32 // pending frames, [T][mels]
	seen   int       // samples of the clip
	sum    []float64
	frames int // in sum
}

// NewTimbreStream starts with no clip.
func (c *Codec) NewTimbreStream(pool *parallel.Pool) *TimbreStream {
	return &TimbreStream{
		codec: c, run: op.NewRun(pool), mel: dsp.NewMel(c.Mel).Stream(),
		sum: make([]float64, c.CodecConfig.Quantizer.Latent),
	}
}

// Profile measures the stream from now on; nil ends it.
func (s *TimbreStream) Profile(p *op.Profiler) { s.run.Profiler = p }

// Push adds samples to the clip.
func (s *TimbreStream) Push(samples []float32) { s.push(samples, false) }

// EndClip ends the clip; what is pushed next belongs to another one of the same
// voice.
func (s *TimbreStream) EndClip() {
	s.push(nil, true)
	s.run.Profiler.Start(stageTimbre)
	defer s.run.Profiler.Start("")
	frames := len(s.rows) / s.codec.Mel.Mels
	// Upstream takes floor(samples/hop) frames here, but at least one is
	// needed (modules/quantize.py, preprocess).
	if s.seen > s.codec.Hop() && s.seen%s.codec.Hop() != 0 {
		frames--
	}
	s.window(frames)
	s.mel.Reset()
	s.rows, s.seen = s.rows[:0], 0
	s.run.Trim() // an utterance is processed whole, a minute at most, and what follows is not
}

func (s *TimbreStream) push(samples []float32, last bool) {
	s.run.Profiler.Start(stageTimbre)
	defer s.run.Profiler.Start("")
	s.seen += len(samples)
	s.mel.Push(samples, last, func(frame []float32) { s.rows = append(s.rows, frame...) })
	rate := s.codec.FrameRate()
	// One frame more than is treated whole, since the last may be left out.
	for len(s.rows)/s.codec.Mel.Mels > timbreWhole*rate+1 {
		n := timbreWindow * rate
		s.window(n)
		s.rows = s.rows[:copy(s.rows, s.rows[n*s.codec.Mel.Mels:])]
	}
}

// window adds the first n pending frames to the mean.
func (s *TimbreStream) window(n int) {
	if n == 0 {
		return
	}
	bins := s.codec.Mel.Mels
	x := s.run.New(1, n, bins)
	for t := range n {
		copy(x.Row(0, t), s.rows[t*bins:])
	}
	s.run.Last = true
	y := s.codec.Quantizer.timbre.Forward(s.run, x)
	for i, v := range op.Mean(y)[0] {
		s.sum[i] += v * float64(n)
	}
	s.frames += n
	s.run.Free(y)
}

// Timbre returns the timbre of the clips that have ended: [latent].
func (s *TimbreStream) Timbre() []float32 {
	timbre := make([]float32, len(s.sum))
	if s.frames == 0 {
		return timbre
	}
	for i, v := range s.sum {
		timbre[i] = float32(v / float64(s.frames))
	}
	return timbre
}
