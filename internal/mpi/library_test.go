//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"strings"
	"testing"
)

func TestClassNames(t *testing.T) {
	for _, c := range []struct {
		abi   *abi
		class int32
		want  string
	}{
		{&standard, 15, "MPI_ERR_TRUNCATE"}, {&standard, 19, "MPI_ERR_IN_STATUS"}, {&standard, 58, "MPI_ERR_PROC_ABORTED"},
		{&openMPI, 15, "MPI_ERR_TRUNCATE"}, {&openMPI, 18, "MPI_ERR_IN_STATUS"}, {&openMPI, 75, "MPI_ERR_PROC_FAILED"},
		{&mpich, 14, "MPI_ERR_TRUNCATE"}, {&mpich, 17, "MPI_ERR_IN_STATUS"}, {&mpich, 19, "MPI_ERR_REQUEST"},
		{&mpich, 0, ""}, {&mpich, -1, ""}, {&standard, 4000, ""},
	} {
		if got := c.abi.className(c.class); got != c.want {
			t.Errorf("%s, class %d: %q, want %q", c.abi.name, c.class, got, c.want)
		}
	}
}

func TestNoLibrary(t *testing.T) {
	t.Setenv(LibraryVariable, "/nowhere/libmpi.so")
	if _, err := Start(Launch{Launcher: "mpirun of Open MPI", Size: 2}); err == nil || !strings.Contains(err.Error(), "/nowhere/libmpi.so") {
		t.Errorf("a library that is not there: %v", err)
	}
	t.Setenv(LibraryVariable, "libc.so.6")
	if _, err := Start(Launch{Launcher: "mpirun of Open MPI", Size: 2}); err == nil || !strings.Contains(err.Error(), "is no MPI library") {
		t.Errorf("another library: %v", err)
	}
}
