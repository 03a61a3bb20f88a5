package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// eachISA runs a test with every instruction set that this machine has, but for those
// that only products of bfloat16 differ in (see eachBF16ISA).
func eachISA(t *testing.T, test func(t *testing.T)) {
	defer setISA(active)
	for l := isaGeneric; l <= min(bestISA(), isaAVX512); l++ {
		if !has(l) {
			continue
		}
		setISA(l)
		t.Run(l.String(), test)
	}
}

// has says whether an instruction set up to the best is of this architecture.
func has(l isa) bool { return l != isaNEON || bestISA() == isaNEON }

func setISA(l isa) { active = l }

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

var specials = []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
	1e-45, -1e-45, 1e-38, math.MaxFloat32, -math.MaxFloat32, 88.7, 88.8, 89, -87, -88, -103, -104, 1e4, -1e4, 9.01, 20}

func randomWithSpecials(r *rand.Rand, n int) []float32 {
	v := random(r, n)
	for i := range v {
		if r.IntN(3) == 0 {
			v[i] = specials[r.IntN(len(specials))]
		}
	}
	return v
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, v := range want {
		if math.Float32bits(got[i]) != math.Float32bits(v) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], v)
		}
	}
}

// near says whether got is want within a tolerance relative to 1 or to want,
// whichever is larger. Infinite and NaN must be the same.
func near(got, want float32, tolerance float64) bool {
	g, w := float64(got), float64(want)
	if math.IsNaN(w) || math.IsNaN(g) {
		return math.IsNaN(w) && math.IsNaN(g)
	}
	if g == w {
		return true
	}
	return math.Abs(g-w) <= tolerance*max(1, math.Abs(w))
}

// unit returns the distance of float32 values around v.
func unit(v float64) float64 {
	f := float32(math.Abs(v))
	return float64(math.Nextafter32(f, math.MaxFloat32)) - float64(f)
}

// aligned returns n values at a multiple of 64 bytes, as a tensor.Region has
// them.
func aligned(n int) []float32 {
	v := make([]float32, n+16)
	for uintptr(unsafe.Pointer(&v[0]))%64 != 0 {
		v = v[1:]
	}
	return v[:n]
}

// fastest returns the seconds of the fastest of a benchmark's runs, the figure
// that neighbors on the machine disturb least.
func fastest(b *testing.B, run func()) float64 {
	best := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		run()
		best = min(best, time.Since(start))
	}
	return best.Seconds()
}
