package op

import (
	"math"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestHarmonicsOfAnyPitch: any value that a diverging network may give for a pitch or an
// envelope makes a waveform, if not always of numbers, and the values that are finite
// make finite ones.
func TestHarmonicsOfAnyPitch(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	h, slot := NewHarmonics(96, 24), NewSlot()
	for _, v := range []float64{0, -1e30, 1e30, 40, -40, math.Inf(1), math.Inf(-1), math.NaN()} {
		r := NewRun(pool)
		r.Last = true
		x, envelopes, pitches := tensor.New(1, 3, 2*h.Bins()), tensor.New(1, 3, h.Channels()), tensor.New(1, 3, 1)
		for i := range 3 {
			pitches.Row(0, i)[0] = float32(v)
		}
		y := r.HarmonicInverseSTFT(slot, h, x, envelopes, pitches)
		if y.T != 3*24 {
			t.Fatalf("%v: %d samples", v, y.T)
		}
		for i := range y.T {
			if s := float64(y.Row(0, i)[0]); math.IsNaN(s) || math.IsInf(s, 0) {
				t.Fatalf("%v: sample %d is %v", v, i, s)
			}
		}
	}
}
