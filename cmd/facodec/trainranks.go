package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/mpi"
)

// ranks are the processes that train together: those that mpirun or srun started, or this
// one alone.
type ranks struct {
	collective.Comm
	world  *mpi.World // nil for one process
	launch mpi.Launch
	cpus   int // of this process
}

// startRanks connects the processes that a launcher has started.
func startRanks(l mpi.Launch) (*ranks, error) {
	r := &ranks{Comm: collective.Alone{}, launch: l, cpus: runtime.GOMAXPROCS(0)}
	if err := l.Check(); err != nil || l.Size == 1 {
		return r, err
	}
	world, err := mpi.Start(l)
	if err != nil {
		return nil, err
	}
	r.Comm, r.world = world, world
	return r, nil
}

// threads returns how many threads a rank computes on: those that it is told, or its share
// of the machine's, where the launcher has not bound it to some.
func (r *ranks) threads(asked int) int {
	if asked > 0 || r.world == nil {
		return asked
	}
	if r.launch.Local > 1 && r.cpus == hardwareThreads() {
		return max(1, r.cpus/r.launch.Local)
	}
	return r.cpus
}

// errReported is an error that has been printed, or that another rank prints.
type errReported struct{ code int }

func (e errReported) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// end ends the ranks after a run: together where it has ended on all, and by ending the
// others where it failed here.
func (r *ranks) end(cmd *cobra.Command, err error) error {
	if r.world == nil {
		return err
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		printError(cmd.ErrOrStderr(), fmt.Sprintf("facodec: rank %d: ", r.Rank()), err)
		r.world.Abort(exitFailed)
	}
	if closed := r.world.Close(); err == nil {
		err = closed
	}
	if err != nil && r.Rank() > 0 {
		return errReported{exitInterrupted}
	}
	return err
}
