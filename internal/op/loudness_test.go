package op

import (
	"math"
	"testing"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestLoudness: the loss is nothing between equal waveforms, the same at every level, and
// counts what is added more than what is missing, and what is inaudible not at all.
func TestLoudness(t *testing.T) {
	const n = 4000
	var bands dsp.Filterbank
	for i := range 8 {
		bands = append(bands, dsp.Band{First: 1 + 2*i, Weights: []float32{1, 1}})
	}
	s := &LoudnessLoss{STFT: NewSTFT(64, 16), Bands: bands}
	// Two tones and noise at these levels.
	signal := func(low, high, noise float64) tensor.Tensor {
		x, state := tensor.New(1, 1, n), uint64(1)
		for i := range n {
			x.Row(0, 0)[i] = float32(low*math.Sin(0.3*float64(i)) + high*math.Sin(1.3*float64(i)) + noise*white(&state))
		}
		return x
	}
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	loss := func(x, target tensor.Tensor) float64 { return r.Loudness(s, x, target, 1) }
	if v := loss(signal(1, 0.2, 0), signal(1, 0.2, 0)); v != 0 {
		t.Errorf("equal waveforms: %g", v)
	}
	loud, quiet := loss(signal(1, 0.4, 0), signal(1, 0.2, 0)), loss(signal(0.1, 0.04, 0), signal(0.1, 0.02, 0))
	if !(loud > 0.01) || math.Abs(loud-quiet) > 0.01*loud {
		t.Errorf("a tone twice as loud: %g, at a tenth of the level %g", loud, quiet)
	}
	added, missing := loss(signal(1, 0.5, 0), signal(1, 0.1, 0)), loss(signal(1, 0.1, 0), signal(1, 0.5, 0))
	if added < 1.5*missing {
		t.Errorf("a tone five times as loud: %g, a fifth: %g", added, missing)
	}
	if v := loss(signal(1, 0.2, 1e-4), signal(1, 0.2, 0)); v > 0.02 {
		t.Errorf("noise of -80 dB: %g", v)
	}
	if v := loss(tensor.New(1, 1, n), tensor.New(1, 1, n)); v != 0 {
		t.Errorf("silence: %g", v)
	}
	if v := loss(signal(1e-3, 0, 0), tensor.New(1, 1, n)); math.IsNaN(v) || math.IsInf(v, 0) {
		t.Errorf("a sound instead of silence: %g", v)
	}
}
