//go:build !noasm

package kernel

// bestISA returns NEON, which every processor of this architecture has that Go runs on.
func bestISA() isa { return isaNEON }
