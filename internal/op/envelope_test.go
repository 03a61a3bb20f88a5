package op

import (
	"math"
	"testing"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestEnvelope: the loss is nothing between equal waveforms and where the target is silent,
// does not depend on the level, and grows with noise; time and bands each count.
func TestEnvelope(t *testing.T) {
	const n = 4000
	var bands dsp.Filterbank
	for i := range 6 {
		bands = append(bands, dsp.Band{First: 1 + 2*i, Weights: []float32{1, 1}})
	}
	s := &EnvelopeLoss{STFT: NewSTFT(32, 16), Bands: bands, Segment: 30}
	// Tones of two bands that rise and fall in turn.
	signal := func(level, noise float64) tensor.Tensor {
		x, state := tensor.New(1, 1, n), uint64(1)
		for i := range n {
			v := math.Sin(0.5*float64(i))*(1+math.Sin(0.01*float64(i))) + math.Sin(1.7*float64(i))*(1-math.Sin(0.013*float64(i)))
			x.Row(0, 0)[i] = float32(level * (v + noise*white(&state)))
		}
		return x
	}
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	target := signal(1, 0)
	loss := func(x, target tensor.Tensor) float64 { return r.Envelope(s, x, target, 1) }
	if v := loss(target, target); math.Abs(v) > 1e-5 {
		t.Errorf("equal waveforms: %g", v)
	}
	if v := loss(signal(0.1, 0), target); math.Abs(v) > 1e-3 {
		t.Errorf("a tenth of the level: %g", v)
	}
	if v := loss(target, tensor.New(1, 1, n)); v != 0 {
		t.Errorf("a silent target: %g", v)
	}
	last := 0.0
	for _, noise := range []float64{0.1, 0.5, 2, 20} {
		v := loss(signal(1, noise), target)
		if !(v > last) || v > 1.2 {
			t.Errorf("noise of %g: %g, after %g", noise, v, last)
		}
		last = v
	}
	if last < 0.8 {
		t.Errorf("noise alone: %g", last)
	}
	swapped := tensor.New(1, 1, n)
	for i := range n {
		swapped.Row(0, 0)[i] = float32(math.Sin(0.5*float64(i))*(1-math.Sin(0.013*float64(i))) + math.Sin(1.7*float64(i))*(1+math.Sin(0.01*float64(i))))
	}
	if v := loss(swapped, target); v < 0.5 {
		t.Errorf("envelopes of each other's bands: %g", v)
	}
}
