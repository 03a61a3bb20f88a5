package dsp

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestLogMels compares frames computed side by side with those of a stream.
func TestLogMels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := MelConfig{FFT: 2048, Window: 1200, Hop: 300, Mels: 80, FilterRate: 24000}
	low := c
	low.FilterRate = 16000
	for _, n := range []int{1, 299, 1024, 1025, 2400, 24000, 33333} {
		wave := make([]float32, n)
		for i := range wave {
			wave[i] = float32(0.1*r.NormFloat64() + 0.3*math.Sin(float64(i)/17))
		}
		frames := (n + c.Hop - 1) / c.Hop
		got := LogMels(wave, frames, NewMel(c), NewMel(low))
		for i, config := range []MelConfig{c, low} {
			at := 0
			NewMel(config).Stream().Push(wave, true, func(frame []float32) {
				for j, want := range frame {
					if d := math.Abs(float64(got[i][at+j] - want)); !(d <= 2e-5) {
						t.Fatalf("%d samples, filters for %d Hz: value %d is %v, want %v", n, config.FilterRate, at+j, got[i][at+j], want)
					}
				}
				at += len(frame)
			})
			if at != len(got[i]) {
				t.Errorf("%d values, want %d", len(got[i]), at)
			}
		}
	}
}
