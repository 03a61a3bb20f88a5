package mpi

import (
	"errors"
	"strings"
	"testing"
)

func TestLaunched(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        Launch
	}{
		{nil, Launch{Size: 1}},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, Launch{"mpirun of Open MPI", 4, 2, true}},
		{map[string]string{"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALNRANKS": "2"}, Launch{"mpiexec of MPICH or Intel MPI", 2, 2, true}},
		{map[string]string{"PMI_SIZE": "2"}, Launch{Size: 1}},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "many"}, Launch{Size: 1}},
		{map[string]string{"SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "6", "PMIX_RANK": "0"}, Launch{"srun", 6, 0, true}},
		{map[string]string{"SLURM_NTASKS": "8"}, Launch{Size: 1}}, // a batch script
		{map[string]string{"SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "8"}, Launch{"srun", 8, 0, false}},
	} {
		if got := launched(func(name string) string { return c.environment[name] }); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.environment, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := (Launch{Size: 1}).Check(); err != nil {
		t.Error(err)
	}
	if err := (Launch{Launcher: "srun", Size: 3}).Check(); err == nil || !strings.Contains(err.Error(), "srun --mpi=pmix") {
		t.Errorf("without PMI: %v", err)
	}
	err := Launch{Launcher: "mpirun", Size: 3, pmi: true}.Check()
	if built != (err == nil) || !built && (!errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "mpirun started 3 processes")) {
		t.Errorf("built %v: %v", built, err)
	}
}
