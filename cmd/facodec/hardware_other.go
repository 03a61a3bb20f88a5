//go:build !linux

package main

import "runtime"

// hardwareThreads returns how many processors the machine has.
func hardwareThreads() int { return runtime.NumCPU() }
