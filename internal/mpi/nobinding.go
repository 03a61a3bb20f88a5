//go:build !mpi || !linux || !(amd64 || arm64)

package mpi

import (
	"os"

	"github.com/facodec-go/facodec/internal/collective"
)

const built = false

// A World is the ranks of a run. There is none in this build.
type World struct{ collective.Alone }

// Start returns ErrNotBuilt.
func Start(Launch) (*World, error) { return nil, ErrNotBuilt }

// Library returns "".
func (*World) Library() string { return "" }

// Close does nothing.
func (*World) Close() error { return nil }

// Abort does nothing.
func (*World) Abort(int) {}

// Exit ends the process.
func Exit(code int) { os.Exit(code) }
