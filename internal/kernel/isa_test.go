package kernel

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestChooseISA(t *testing.T) {
	for _, c := range []struct {
		best isa
		name string
		want isa
		ok   bool
	}{
		{isaAVX512, "", isaAVX512, true},
		{isaAVX512, "avx512", isaAVX512, true},
		{isaAVX512, "avx2", isaAVX2, true},
		{isaAVX512, "generic", isaGeneric, true},
		{isaAVX2, "avx512", isaAVX2, true},
		{isaGeneric, "avx512", isaGeneric, true},
		{isaNEON, "", isaNEON, true},
		{isaNEON, "neon", isaNEON, true},
		{isaNEON, "avx2", isaNEON, true},
		{isaNEON, "generic", isaGeneric, true},
		{isaAVX512, "neon", isaGeneric, true},
		{isaAVX512, "mmx", isaAVX512, false},
		{isaAVX512, "AVX2", isaAVX512, false},
		{isaAVX2, "avx2 ", isaAVX2, false},
	} {
		got, err := chooseISA(c.best, c.name)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("best %v, asked for %q: %v, %v", c.best, c.name, got, err)
		}
		if err == nil {
			continue
		}
		for _, word := range []string{"FACODEC_SIMD", c.name, "generic, neon, avx2, avx512, avx512bf16, amx"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("asked for %q: the error %q does not say %q", c.name, err, word)
			}
		}
	}
}

// TestCheckEnvironment runs itself in a process with an unknown and a known value.
func TestCheckEnvironment(t *testing.T) {
	const inner = "FACODEC_TEST_ENVIRONMENT"
	if os.Getenv(inner) != "" {
		if err := CheckEnvironment(); err != nil {
			t.Fatal(err)
		}
		return
	}
	for value, ok := range map[string]bool{"mmx": false, "generic": true, "": true} {
		c := exec.Command(os.Args[0], "-test.run=^TestCheckEnvironment$")
		c.Env = append(os.Environ(), inner+"=1", isaEnv+"="+value)
		if out, err := c.CombinedOutput(); (err == nil) != ok || !ok && !strings.Contains(string(out), "want generic, neon, avx2, avx512, avx512bf16, amx") {
			t.Errorf("%s=%q: %v, %s", isaEnv, value, err, out)
		}
	}
}

func TestInstructionSet(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		if InstructionSet() != active.String() {
			t.Error(InstructionSet())
		}
	})
}
