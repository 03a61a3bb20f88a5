//go:build unix

package tensor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func mapMemory(n int) []float32 {
	b, err := unix.Mmap(-1, 0, 4*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]float32, n)
	}
	adviseHuge(b)
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
}

// unmapMemory ignores memory that is not a mapping: where mapMemory fell back to
// the heap, Munmap knows nothing of the slice and refuses it.
func unmapMemory(v []float32) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*cap(v))
	_ = unix.Munmap(b)
}
