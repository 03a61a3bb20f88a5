//go:build !amd64 || noasm

package kernel

func bestISA() isa { return isaGeneric }
