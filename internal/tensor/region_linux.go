package tensor

import "golang.org/x/sys/unix"

// adviseHuge asks for large pages: weights are read front to back, a hundred
// megabytes a frame.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
