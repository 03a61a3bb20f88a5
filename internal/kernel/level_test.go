package kernel

import "testing"

func TestPickLevel(t *testing.T) {
	for _, c := range []struct {
		best level
		name string
		want level
	}{
		{levelAVX512, "", levelAVX512},
		{levelAVX512, "avx512", levelAVX512},
		{levelAVX512, "avx2", levelAVX2},
		{levelAVX512, "generic", levelGeneric},
		{levelAVX512, "mmx", levelAVX512},
		{levelAVX2, "avx512", levelAVX2},
		{levelGeneric, "avx512", levelGeneric},
	} {
		if got := pickLevel(c.best, c.name); got != c.want {
			t.Errorf("best %v, asked for %q: %v, want %v", c.best, c.name, got, c.want)
		}
	}
}

func TestLevel(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		if InstructionSet() != current.String() {
			t.Error(InstructionSet())
		}
	})
}
