//go:build !noasm

package parallel

// pause tells the processor that this thread waits for another: for some 40 to 140 cycles
// it leaves its part of the core to the other, and it notices sooner what that writes.
func pause()
