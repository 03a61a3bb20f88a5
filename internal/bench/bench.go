// Package bench measures how fast a codec reconstructs on this machine, and where the
// time goes.
package bench

import (
	"math"
	"time"

	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
)

// A Report says how fast an utterance was reconstructed and where the time
// went.
type Report struct {
	Seconds  float64   `json:"seconds"` // of sound
	Elapsed  float64   `json:"elapsed_seconds"`
	Sections []Section `json:"parts"`
}

// A Section is one section's share.
type Section struct {
	Name    string  `json:"name"`
	Elapsed float64 `json:"elapsed_seconds"`
	Share   float64 `json:"share"`  // of the whole time
	MACs    int64   `json:"macs"`   // multiply-adds
	GFLOPS  float64 `json:"gflops"` // 2·MACs a second
}

// RealTimeFactor returns the time taken for each second of sound.
func (r Report) RealTimeFactor() float64 { return r.Elapsed / r.Seconds }

// GFLOPS returns the speed over all sections.
func (r Report) GFLOPS() float64 {
	var macs int64
	for _, p := range r.Sections {
		macs += p.MACs
	}
	return 2 * float64(macs) / r.Elapsed / 1e9
}

// Run reconstructs an artificial utterance of the given length in seconds on the threads
// of a pool, and measures it.
func Run(c *codec.Codec, pool *parallel.Pool, seconds float64) Report {
	samples := Vowel(int(seconds*float64(c.SampleRate)), c.SampleRate)
	p := op.NewProfiler()
	start := time.Now()

	e := c.NewAnalyzer(pool)
	e.Profile(p)
	codes := e.Push(samples, true)

	d := c.NewDecoder(e.Timbre(), pool)
	d.Profile(p)
	d.Push(codes, true)

	elapsed := time.Since(start).Seconds()
	r := Report{Seconds: float64(len(samples)) / float64(c.SampleRate), Elapsed: elapsed}
	for _, section := range p.Sections {
		s := section.Elapsed.Seconds()
		r.Sections = append(r.Sections, Section{
			Name: section.Name, Elapsed: s, Share: s / elapsed, MACs: section.MACs, GFLOPS: 2 * float64(section.MACs) / s / 1e9,
		})
	}
	return r
}

// Vowel returns a gliding harmonic tone: something between speech and a hum.
func Vowel(n, rate int) []float32 {
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
