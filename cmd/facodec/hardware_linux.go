package main

import (
	"os"
	"strings"
)

// hardwareThreads returns how many processors the machine has, whether or not this
// process may use all of them; 0 where that is not known.
func hardwareThreads() int {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return 0
	}
	return strings.Count("\n"+string(text), "\nprocessor")
}
