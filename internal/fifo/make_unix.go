//go:build unix

package fifo

import "syscall"

// Make makes a named pipe that only its owner may use.
func Make(path string) error { return syscall.Mkfifo(path, 0o600) }
