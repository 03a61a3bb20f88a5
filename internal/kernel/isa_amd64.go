//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

// bestISA returns the best instruction set that the processor has.
func bestISA() isa {
	x := &cpu.X86
	avx512 := x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 && x.HasFMA
	switch {
	case avx512 && x.HasAVX512BF16 && hasTiles():
		return isaAMX
	case avx512 && x.HasAVX512BF16:
		return isaAVX512BF16
	case avx512:
		return isaAVX512
	case x.HasAVX2 && x.HasFMA:
		return isaAVX2
	}
	return isaGeneric
}
