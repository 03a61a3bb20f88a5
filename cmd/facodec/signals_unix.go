//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// prepareSignals lets a write past the file size limit (ulimit -f) fail with an
// error, which is cleaned up after, instead of ending the program on the spot.
func prepareSignals() { signal.Ignore(syscall.SIGXFSZ) }
