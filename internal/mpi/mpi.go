// Package mpi connects the ranks of a distributed training run through MPI, without cgo.
//
// It loads the MPI library of the machine when a launcher has started several processes:
// by the standard ABI of MPI 5 (libmpi_abi.so.1: MPICH 5, Open MPI 6, Intel MPI 2021.19),
// or by the binary interfaces of Open MPI 4 and 5 (libmpi.so.40) and of MPICH 3.1 and later
// (libmpi.so.12). Loading makes a Go program dynamic, so the binding is in builds with the
// tag mpi alone, on Linux; other builds can tell that they were started by a launcher.
package mpi

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

// LibraryVariable is the environment variable that names the MPI library to load.
const LibraryVariable = "FACODEC_MPI"

// ErrNotBuilt is returned by Start in builds without MPI.
var ErrNotBuilt = errors.New("this program is built without MPI; build it on Linux (amd64, arm64) with: go build -tags mpi ./cmd/facodec (make build-mpi)")

// A Launch is how this process was started.
type Launch struct {
	Launcher string // of whom the environment speaks, "" for none
	Size     int    // processes that were started together, at least 1
	Local    int    // of them on this machine; 0 where that is not known
	pmi      bool   // the launcher speaks to MPI libraries
}

// launchers are the environment variables by which launchers are recognized.
var launchers = []struct {
	name, size, local string
	with              string // a variable that must be there, too
}{
	{"mpirun of Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", ""},
	{"mpiexec of MPICH or Intel MPI", "PMI_SIZE", "MPI_LOCALNRANKS", "PMI_RANK"},
	{"srun", "SLURM_STEP_NUM_TASKS", "", "PMIX_RANK"},
	{"srun", "SLURM_NTASKS", "", "PMIX_RANK"},
}

// Launched says how this process was started, by its environment.
func Launched() Launch { return launched(os.Getenv) }

func launched(getenv func(string) string) Launch {
	for _, l := range launchers {
		size, err := strconv.Atoi(getenv(l.size))
		if err != nil || size < 1 || l.with != "" && getenv(l.with) == "" {
			continue
		}
		local, _ := strconv.Atoi(getenv(l.local))
		return Launch{l.name, size, local, true}
	}
	// A step of Slurm without --mpi: its tasks do not know each other.
	if size, err := strconv.Atoi(getenv("SLURM_STEP_NUM_TASKS")); err == nil && size > 1 {
		return Launch{"srun", size, 0, false}
	}
	return Launch{Size: 1}
}

// errWithoutPMI is for tasks that cannot find each other.
func (l Launch) errWithoutPMI() error {
	return fmt.Errorf("%s started %d tasks without MPI, which would each train on their own: start them with srun --mpi=pmix, or one task", l.Launcher, l.Size)
}

// Check returns an error where a launcher has started several processes that cannot work
// together.
func (l Launch) Check() error {
	switch {
	case l.Size == 1:
		return nil
	case !l.pmi:
		return l.errWithoutPMI()
	case !built:
		return fmt.Errorf("%s started %d processes, which would each train on their own: %w", l.Launcher, l.Size, ErrNotBuilt)
	}
	return nil
}
