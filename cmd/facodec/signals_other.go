//go:build !unix

package main

// prepareSignals has nothing to do: writes fail with errors here.
func prepareSignals() {}
