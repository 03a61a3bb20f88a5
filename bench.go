package facodec

import (
	"fmt"
	"math"
	"time"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// OpenSynthetic returns a codec whose weights are made up from a seed, of the
// standard configuration or the one given. It takes the time and memory of a
// trained one, and what it decodes is noise.
func OpenSynthetic(seed uint64, opts ...Option) (*Codec, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	if o.config == nil {
		o.config = config.Default()
	}
	if o.config.IsRedecoder() {
		return nil, fmt.Errorf("a redecoder's configuration: %w", ErrKind)
	}
	c := &Codec{
		model:  model.NewCodec(model.CodecConfigOf(o.config)),
		config: o.config, region: &tensor.Region{}, pool: parallel.New(o.threads), synthesized: true,
	}
	c.leaveOut(o.leaveOut)
	var specs []weights.Spec
	for _, p := range c.model.Params() {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	if err := c.model.Load(weights.NewSynthetic(seed, specs), c.region, c.pool); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// A BenchReport says how fast an utterance was reconstructed and where the time
// went.
type BenchReport struct {
	Seconds float64     `json:"seconds"` // of sound
	Elapsed float64     `json:"elapsed_seconds"`
	Parts   []BenchPart `json:"parts"`
}

// A BenchPart is one part's share.
type BenchPart struct {
	Name    string  `json:"name"`
	Elapsed float64 `json:"elapsed_seconds"`
	Share   float64 `json:"share"`  // of the whole time
	MACs    int64   `json:"macs"`   // multiply-adds
	GFLOPS  float64 `json:"gflops"` // 2·MACs a second
}

// RealTimeFactor returns the time taken for each second of sound.
func (r BenchReport) RealTimeFactor() float64 { return r.Elapsed / r.Seconds }

// GFLOPS returns the speed over all parts.
func (r BenchReport) GFLOPS() float64 {
	var macs int64
	for _, p := range r.Parts {
		macs += p.MACs
	}
	return 2 * float64(macs) / r.Elapsed / 1e9
}

// Bench reconstructs an artificial utterance of the given length in seconds and
// measures it.
func (c *Codec) Bench(seconds float64) BenchReport {
	samples := vowel(int(seconds*float64(c.SampleRate())), c.SampleRate())
	m := op.NewProfiler()
	start := time.Now()

	voice := c.NewVoiceEncoder()
	voice.stream.Measure(m)
	voice.stream.Push(samples)
	voice.EndClip()

	e := c.model.NewEncoderStream(c.pool)
	e.Measure(m)
	codes := e.Push(samples, true)

	d := c.model.NewDecoderStream(voice.stream.Timbre(), c.pool)
	d.Measure(m)
	d.Push(codes, true)

	elapsed := time.Since(start).Seconds()
	r := BenchReport{Seconds: float64(len(samples)) / float64(c.SampleRate()), Elapsed: elapsed}
	for _, p := range m.Sections {
		s := p.Elapsed.Seconds()
		r.Parts = append(r.Parts, BenchPart{Name: p.Name, Elapsed: s, Share: s / elapsed, MACs: p.MACs, GFLOPS: 2 * float64(p.MACs) / s / 1e9})
	}
	return r
}

// vowel returns a gliding harmonic tone: something between speech and a hum.
func vowel(n, rate int) []float32 {
	x := make([]float32, n)
	var phase float64
	for i := range x {
		t := float64(i) / float64(rate)
		phase += 2 * math.Pi * (140 + 40*math.Sin(2*math.Pi*0.7*t)) / float64(rate)
		var v float64
		for h := 1.0; h <= 12; h++ {
			v += math.Sin(h*phase) / h
		}
		x[i] = float32(0.1 * (0.6 + 0.4*math.Sin(2*math.Pi*4*t)) * v)
	}
	return x
}

// Kernels names the instruction set that products and vector functions use:
// "avx512", "avx2" or "generic".
func Kernels() string { return kernel.InstructionSet() }
