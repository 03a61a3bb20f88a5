package kernel

import "os"

//go:generate go run -C gen . ..

// A level is an implementation of the kernels, by the instructions that it
// needs. A higher one is faster.
type level int

const (
	levelGeneric level = iota // plain Go
	levelAVX2                 // AVX2 and FMA
	levelAVX512               // AVX-512 F, BW, DQ and VL
)

var levelNames = [...]string{"generic", "avx2", "avx512"}

func (l level) String() string { return levelNames[l] }

// levelEnv names the environment variable that asks for a level below the best.
const levelEnv = "FACODEC_SIMD"

// current is set once, before main; tests switch it.
var current = pickLevel(bestLevel(), os.Getenv(levelEnv))

// pickLevel returns the level that is asked for, or the best one where the name
// is unknown or the level above what the machine has.
func pickLevel(best level, name string) level {
	for i, s := range levelNames {
		if s == name {
			return min(level(i), best)
		}
	}
	return best
}

// InstructionSet returns the name of the implementation in use: "avx512", "avx2" or
// "generic". It is the best that the processor can run, unless the environment
// variable FACODEC_SIMD names a lower one.
func InstructionSet() string { return current.String() }
