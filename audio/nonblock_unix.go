//go:build unix

package audio

import "syscall"

// nonBlock opens a pipe without waiting for its other end.
const nonBlock = syscall.O_NONBLOCK
