//go:build !noasm && !linux

package kernel

// hasTiles is false where it is not known how to ask the system for AMX tiles.
func hasTiles() bool { return false }
