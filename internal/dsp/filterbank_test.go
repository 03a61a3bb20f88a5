package dsp

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFilterbank compares both directions with the matrix that the filters are, and
// checks that a lane does not depend on the others.
func TestFilterbank(t *testing.T) {
	const bins, lanes = 33, 5
	filters := HTKFilters(MelConfig{FFT: 2 * (bins - 1), Mels: 7, FilterRate: 16000})
	filters = append(filters, MelFilter{}) // one narrower than a bin
	bank := NewFilterbank(filters)
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	x, d := random(bins*lanes), random(len(bank)*lanes)
	y, dx := random(len(bank)*lanes), random(bins*lanes)
	bank.Apply(y, x, lanes)
	bank.Adjoint(dx, d, lanes)
	wantY, wantX := make([]float64, len(y)), make([]float64, len(dx))
	for m, f := range filters {
		for k, w := range f.Weights {
			for l := range lanes {
				bin, band := (f.First+k)*lanes+l, m*lanes+l
				wantY[band] += w * float64(x[bin])
				wantX[bin] += w * float64(d[band])
			}
		}
	}
	for i, want := range wantY {
		if math.Abs(float64(y[i])-want) > 1e-5 {
			t.Errorf("band %d, lane %d: %v, want %v", i/lanes, i%lanes, y[i], want)
		}
	}
	for i, want := range wantX {
		if math.Abs(float64(dx[i])-want) > 1e-5 {
			t.Errorf("gradient of bin %d, lane %d: %v, want %v", i/lanes, i%lanes, dx[i], want)
		}
	}
	x[3] += 1
	again := make([]float32, len(y))
	bank.Apply(again, x, lanes)
	for i := range y {
		if i%lanes != 3 && again[i] != y[i] {
			t.Errorf("lane %d changed with lane 3", i%lanes)
		}
	}
}
