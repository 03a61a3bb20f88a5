package golden

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// Float is what RelRMS and Close compare.
type Float interface{ ~float32 | ~float64 }

// RelRMS returns the root mean square of got-want over that of want: 0 where
// equal, also for zeros; NaN or infinite where a number is, or where want is
// all zero and got is not. Both are of one length.
func RelRMS[G, W Float](got []G, want []W) float64 {
	var diff, ref float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		ref += float64(w) * float64(w)
	}
	if diff == 0 {
		return 0
	}
	return math.Sqrt(diff / ref)
}

// Close fails the test where got and want differ by more than relRMS relative
// root mean square, or in length, and says where and by how much.
func Close[G, W Float](t testing.TB, what string, got []G, want []W, relRMS float64) bool {
	t.Helper()
	msg := closeMessage(got, want, relRMS)
	if msg != "" {
		t.Errorf("%s: %s", what, msg)
	}
	return msg == ""
}

func closeMessage[G, W Float](got []G, want []W, relRMS float64) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d values, want %d", len(got), len(want))
	}
	rel := RelRMS(got, want)
	if rel <= relRMS { // NaN is not
		return ""
	}
	var ref float64
	for _, w := range want {
		ref += float64(w) * float64(w)
	}
	rms := math.Sqrt(ref / float64(len(want)))
	first, worst, worstErr, bad := -1, 0, -1.0, 0
	for i, w := range want {
		e := math.Abs(float64(got[i]) - float64(w))
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		if e > relRMS*rms {
			bad++
			if first < 0 {
				first = i
			}
		}
		if e > worstErr {
			worst, worstErr = i, e
		}
	}
	first = max(first, 0)
	return fmt.Sprintf("relative RMS error %.3g, want at most %.3g; rms %.3g; "+
		"%d of %d are off, first [%d]: got %v, want %v; worst [%d]: got %v, want %v (error %.3g)",
		rel, relRMS, rms, bad, len(want), first, got[first], want[first], worst, got[worst], want[worst], worstErr)
}

// Equal fails the test where two slices, codes say, are not equal element by
// element, and says where first and how many.
func Equal[T comparable](t testing.TB, what string, got, want []T) bool {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return false
	}
	first, bad := -1, 0
	for i := range want {
		if got[i] != want[i] {
			bad++
			if first < 0 {
				first = i
			}
		}
	}
	if bad > 0 {
		t.Errorf("%s: %d of %d differ, first [%d]: got %v, want %v", what, bad, len(want), first, got[first], want[first])
	}
	return bad == 0
}

// SameShape fails the test where two shapes are not equal.
func SameShape(t testing.TB, what string, got, want []int) bool {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: shape %v, want %v", what, got, want)
		return false
	}
	return true
}
