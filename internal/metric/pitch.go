package metric

import "math"

// GrossPitch is by how much of the reference f0 must differ, to be a gross
// error (Rabiner et al., "A comparative performance study of several pitch
// detection algorithms", 1976, as it is used since: Chu and Alwan, ICASSP 2009).
const GrossPitch = 0.2

// A PitchError says how far two f0 tracks are from each other. Each number is
// NaN where it is undefined: over no frames, and the correlation also over one
// frame or where a track is constant.
type PitchError struct {
	// Over the frames that are voiced in both tracks.
	Correlation float64 // of log f0, -1 to 1
	Cents       float64 // mean absolute difference in cents: the figure to quote
	CentsRMS    float64 // root mean square difference in cents, which single octave jumps govern
	Gross       float64 // share of frames off by more than GrossPitch of the reference

	// Over all frames.
	Voicing float64 // share of frames that are voiced in one track only
}

// ComparePitch compares two tracks of f0 in Hz, 0 where there is no voice, frame
// by frame. All is NaN for tracks of different lengths and for values that are
// negative or not finite.
func ComparePitch[T float](reference, degraded []T) PitchError {
	nan := math.NaN()
	e := PitchError{nan, nan, nan, nan, nan}
	if len(reference) != len(degraded) || !finite(reference) || !finite(degraded) {
		return e
	}
	var a, b []float64 // octaves
	var differ, gross int
	var absolute, square float64
	for i, r := range reference {
		d := degraded[i]
		if r < 0 || d < 0 {
			return e
		}
		if (r > 0) != (d > 0) {
			differ++
		}
		if r == 0 || d == 0 {
			continue
		}
		a, b = append(a, math.Log2(float64(r))), append(b, math.Log2(float64(d)))
		cents := 1200 * (b[len(b)-1] - a[len(a)-1])
		absolute += math.Abs(cents)
		square += cents * cents
		if math.Abs(float64(d)-float64(r)) > GrossPitch*float64(r) {
			gross++
		}
	}
	if n := float64(len(reference)); n > 0 {
		e.Voicing = float64(differ) / n
	}
	n := float64(len(a))
	if n == 0 {
		return e
	}
	e.Cents, e.CentsRMS, e.Gross = absolute/n, math.Sqrt(square/n), float64(gross)/n
	if va, vb := center(a), center(b); va > 0 && vb > 0 {
		e.Correlation = max(-1, min(1, dot(a, b)/math.Sqrt(va*vb)))
	}
	return e
}
