package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

//go:generate go run -C gen . ..

// An isa is the instruction set that an implementation of the kernels needs. Of those of
// one architecture, a higher one is faster.
type isa int

const (
	isaGeneric    isa = iota // plain Go
	isaNEON                  // of arm64: NEON, also named ASIMD
	isaAVX2                  // of amd64: AVX2 and FMA
	isaAVX512                // AVX-512 F, BW, DQ and VL
	isaAVX512BF16            // and BF16
	isaAMX                   // and AMX tiles of bfloat16
)

var isaNames = []string{isaGeneric: "generic", isaNEON: "neon", isaAVX2: "avx2", isaAVX512: "avx512", isaAVX512BF16: "avx512bf16", isaAMX: "amx"}

func (s isa) String() string { return isaNames[s] }

// isaEnv names the environment variable that limits the instruction set.
const isaEnv = "FACODEC_SIMD"

// active is the instruction set in use. It is set once, before main; tests switch it.
var active, errISA = chooseISA(bestISA(), os.Getenv(isaEnv))

// chooseISA returns the instruction set named, or the best one where no name is given
// or the processor does not have it. An unknown name is an error, and the best one. On
// amd64 there is no NEON, and plain Go is the best below AVX2.
func chooseISA(best isa, name string) (isa, error) {
	if name == "" {
		return best, nil
	}
	i := slices.Index(isaNames, name)
	if i < 0 {
		return best, fmt.Errorf("environment variable %s: %q is not an instruction set; want %s, or none for the best that the processor has",
			isaEnv, name, strings.Join(isaNames, ", "))
	}
	if isa(i) == isaNEON && best != isaNEON {
		return isaGeneric, nil
	}
	return min(isa(i), best), nil
}

// InstructionSet returns the name of the implementation in use: "amx", "avx512bf16",
// "avx512", "avx2", "neon" or "generic". It is the best that the processor has, unless the
// environment variable FACODEC_SIMD names a lower one. The first two differ from
// "avx512" in products of bfloat16 only.
func InstructionSet() string { return active.String() }

// HasTiles reports whether products of bfloat16 are computed with tiles, at about ten times
// the speed of those of float32.
func HasTiles() bool { return active >= isaAMX }

// CheckEnvironment returns an error where FACODEC_SIMD has a value that is not the
// name of an instruction set. Kernels then run on the best one.
func CheckEnvironment() error { return errISA }
