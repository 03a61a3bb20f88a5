package dsp

import (
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
)

// TestGoldenFeatures compares the log-mels of both filterbanks, the energy and
// the teachers' resampling with the originals'.
func TestGoldenFeatures(t *testing.T) {
	const tolerance = 2e-5
	for _, path := range golden.Files(t, "features*.npz") {
		g := golden.Load(t, path)
		wave, _ := g.F32("wave")
		for name, rate := range map[string]int{"logmel_24000": 24000, "logmel_16000_filterbank": 16000} {
			want, shape := g.F32(name)
			got := wholeMel(rate, wave, shape[1])
			golden.Close(t, name, transpose(got), want, tolerance)
			if rate == 16000 {
				energy := make([]float32, len(got))
				for i, frame := range got {
					energy[i] = Energy(frame)
				}
				want, _ := g.F32("log_norm")
				golden.Close(t, "log_norm", energy, want, tolerance)
			}
		}
		// torchaudio's resampler is of no use to the product, whose own is package
		// audio's.
		g.Done(func(name string) bool { return name == "resample_24000_to_16000" })
	}
}

// wholeMel returns the given number of frames. The golden arrays have
// floor(N/hop)+1 of them, which can be one more than a stream emits: so the
// signal is continued by its own reflection, which is what that frame sees.
func wholeMel(rate int, wave []float32, frames int) (rows [][]float32) {
	c := standard
	c.FilterRate = rate
	m := NewMel(c)
	signal := append([]float32(nil), wave...)
	for i := range c.FFT {
		signal = append(signal, wave[len(wave)-2-i])
	}
	emit := func(frame []float32) { rows = append(rows, append([]float32(nil), frame...)) }
	m.Stream().Push(signal, true, emit)
	return rows[:frames]
}

func transpose(rows [][]float32) (flat []float32) {
	for bin := range rows[0] {
		for _, row := range rows {
			flat = append(flat, row[bin])
		}
	}
	return flat
}

var standard = MelConfig{FFT: 2048, Window: 1200, Hop: 300, Mels: 80, FilterRate: 24000}
