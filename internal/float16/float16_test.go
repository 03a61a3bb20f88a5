package float16

import (
	"math"
	"testing"
)

// TestHalf: every half-precision number survives; what lies between two goes to the nearer.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := ToFloat32(uint16(h))
		if f != f {
			if back := FromFloat32(f); back&0x7fff <= 0x7c00 {
				t.Fatalf("NaN %#x comes back as %#x", h, back)
			}
			continue
		}
		if back := FromFloat32(f); back != uint16(h) {
			t.Fatalf("%#x = %v comes back as %#x", h, f, back)
		}
		if h&0x7fff >= 0x7bff {
			continue // no finite number above
		}
		up := ToFloat32(uint16(h + 1))
		mid := (f + up) / 2 // exact in float32
		even := uint16(h + h&1)
		if got := FromFloat32(mid); got != even {
			t.Fatalf("%v, between %v and %v, becomes %#x, want the even %#x", mid, f, up, got, even)
		}
		if got := FromFloat32(math.Nextafter32(mid, f)); got != uint16(h) {
			t.Fatalf("just below %v becomes %#x, want %#x", mid, got, h)
		}
	}
	for _, tc := range []struct {
		f    float32
		want uint16
	}{{65519, 0x7bff}, {65520, 0x7c00}, {-1e9, 0xfc00}, {float32(math.Inf(-1)), 0xfc00}, {1e-30, 0}} {
		if got := FromFloat32(tc.f); got != tc.want {
			t.Errorf("FromFloat32(%v) = %#x, want %#x", tc.f, got, tc.want)
		}
	}
}
