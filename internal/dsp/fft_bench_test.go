package dsp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
)

// BenchmarkFFT transforms 32 frames, and reports how often faster that is than
// gonum's float64 transforms of one frame after the other, both at their fastest.
func BenchmarkFFT(b *testing.B) {
	const lanes = 32
	r := rand.New(rand.NewPCG(1, 2))
	for n := 32; n <= 2048; n *= 2 {
		f := NewFFT(n)
		x := gaussian(r, n*lanes)
		re, im := make([]float32, f.Bins()*lanes), make([]float32, f.Bins()*lanes)
		plan, frame, coeff := fourier.NewFFT(n), lane(x, 0, lanes), make([]complex128, f.Bins())
		for _, c := range []struct {
			name       string
			run, gonum func()
		}{
			{"Forward", func() { f.Forward(re, im, x, lanes) }, func() { plan.Coefficients(coeff, frame) }},
			{"Adjoint", func() { f.Adjoint(x, re, im, lanes) }, func() { plan.Sequence(frame, coeff) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				best, gonum := time.Hour, time.Hour
				for b.Loop() {
					start := time.Now()
					c.run()
					middle := time.Now()
					for range lanes {
						c.gonum()
					}
					best, gonum = min(best, middle.Sub(start)), min(gonum, time.Since(middle))
					clear(x) // of what grows with every turn
					clear(re)
					clear(frame)
					clear(coeff)
				}
				b.ReportMetric(float64(best.Nanoseconds())/lanes, "ns/frame")
				b.ReportMetric(float64(gonum)/float64(best), "times-gonum")
			})
		}
	}
}
