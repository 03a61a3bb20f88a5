package metric

import (
	"math"
	"testing"
)

func TestComparePitch(t *testing.T) {
	nan := math.NaN()
	up := math.Pow(2, 100.0/1200) // 100 cents
	for name, c := range map[string]struct {
		reference, degraded []float64
		want                PitchError
	}{
		"empty":          {nil, nil, PitchError{nan, nan, nan, nan, nan}},
		"lengths differ": {[]float64{100}, []float64{100, 100}, PitchError{nan, nan, nan, nan, nan}},
		"NaN":            {[]float64{100, 110}, []float64{100, nan}, PitchError{nan, nan, nan, nan, nan}},
		"infinite":       {[]float64{math.Inf(1), 110}, []float64{100, 110}, PitchError{nan, nan, nan, nan, nan}},
		"negative":       {[]float64{100, 110}, []float64{100, -1}, PitchError{nan, nan, nan, nan, nan}},
		"no voice":       {[]float64{0, 0}, []float64{0, 0}, PitchError{nan, nan, nan, nan, 0}},
		"never both":     {[]float64{0, 100, 0}, []float64{100, 0, 0}, PitchError{nan, nan, nan, nan, 2.0 / 3}},
		"one frame":      {[]float64{0, 100}, []float64{0, 100 * up}, PitchError{nan, 100, 100, 0, 0}},
		"constant":       {[]float64{100, 100, 100}, []float64{100, 110, 120}, PitchError{nan, 1200 * math.Log2(1.32) / 3, math.Sqrt((math.Pow(1200*math.Log2(1.1), 2) + math.Pow(1200*math.Log2(1.2), 2)) / 3), 0, 0}},
		"equal":          {[]float64{100, 0, 200, 300}, []float64{100, 0, 200, 300}, PitchError{1, 0, 0, 0, 0}},
		"transposed":     {[]float64{100, 150, 0, 200}, []float64{100 * up, 150 * up, 90, 200 * up}, PitchError{1, 100, 100, 0, 0.25}},
		"mirrored":       {[]float64{100, 200, 400}, []float64{400, 200, 100}, PitchError{-1, 1600, 2400 * math.Sqrt(2.0/3), 2.0 / 3, 0}},
		"an octave jump": {[]float64{100, 100, 100, 200}, []float64{100, 100, 50, 200}, PitchError{math.Sqrt(2.0 / 3), 300, 600, 0.25, 0}},
		"19 and 21 %":    {[]float64{100, 100}, []float64{119, 121}, PitchError{nan, 600 * math.Log2(1.19*1.21), math.Hypot(1200*math.Log2(1.19), 1200*math.Log2(1.21)) / math.Sqrt2, 0.5, 0}},
	} {
		got := ComparePitch(c.reference, c.degraded)
		near(t, name+": correlation", got.Correlation, c.want.Correlation, 1e-12)
		near(t, name+": cents", got.Cents, c.want.Cents, 1e-9)
		near(t, name+": rms cents", got.CentsRMS, c.want.CentsRMS, 1e-9)
		near(t, name+": gross", got.Gross, c.want.Gross, 0)
		near(t, name+": voicing", got.Voicing, c.want.Voicing, 1e-15)
	}
	// float32 tracks, and a rounded constant is a constant.
	flat := []float32{123.456, 123.456, 123.456, 123.456, 123.456, 123.456, 123.456}
	near(t, "a flat track: correlation", ComparePitch(flat, flat).Correlation, math.NaN(), 0)
}
