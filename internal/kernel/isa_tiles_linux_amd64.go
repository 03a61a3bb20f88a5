//go:build !noasm

package kernel

import (
	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// hasTiles reports whether the processor has AMX tiles of bfloat16 and the kernel lets
// this process use them: it must be asked once, because the state of the tiles makes
// every thread's saved registers larger by 8 KiB (Linux, Documentation/arch/x86/xstate.rst).
func hasTiles() bool {
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXBF16 {
		return false
	}
	const (
		reqXcompPerm = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData     = 18     // XFEATURE_XTILEDATA
	)
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, reqXcompPerm, tileData, 0)
	return errno == 0
}
