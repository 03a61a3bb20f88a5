//go:build (!amd64 && !arm64) || noasm

package kernel

func bestISA() isa { return isaGeneric }
