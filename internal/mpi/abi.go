//go:build mpi && linux && (amd64 || arm64)

package mpi

// An abi is what differs between the binary interfaces of MPI libraries.
type abi struct {
	name string
	// handleSize is the size of handles in arrays: pointers in the standard ABI and in
	// Open MPI, int in MPICH.
	handleSize int
	// handles are MPI_COMM_WORLD, MPI_BYTE and MPI_ERRORS_RETURN: values, or in Open MPI the
	// symbols whose addresses they are.
	world, byteType, errorsReturn uintptr
	symbols                       [3]string
	// ignore is MPI_STATUSES_IGNORE.
	ignore uintptr
	// funneled is MPI_THREAD_FUNNELED. Higher levels have higher numbers.
	funneled int32
	// classes are the names of error classes without MPI_ERR_, from 1 on, and of some
	// higher ones.
	classes []string
	more    map[int32]string
}

// The numbers are those of mpi_abi.h of the MPI 5.0 standard, section 20.
var standard = abi{
	name: "standard ABI", handleSize: 8, world: 0x101, byteType: 0x247, errorsReturn: 0x143, funneled: 1024,
	classes: []string{"BUFFER", "COUNT", "TYPE", "TAG", "COMM", "RANK", "REQUEST", "ROOT", "GROUP", "OP", "TOPOLOGY", "DIMS",
		"ARG", "UNKNOWN", "TRUNCATE", "OTHER", "INTERN", "PENDING", "IN_STATUS"},
	more: map[int32]string{39: "NO_MEM", 58: "PROC_ABORTED", 60: "SESSION"},
}

// Those of Open MPI are in its mpi.h, the same in 4 and 5.
var openMPI = abi{
	name: "Open MPI", handleSize: 8, symbols: [3]string{"ompi_mpi_comm_world", "ompi_mpi_byte", "ompi_mpi_errors_return"}, funneled: 1,
	classes: []string{"BUFFER", "COUNT", "TYPE", "TAG", "COMM", "RANK", "REQUEST", "ROOT", "GROUP", "OP", "TOPOLOGY", "DIMS",
		"ARG", "UNKNOWN", "TRUNCATE", "OTHER", "INTERN", "IN_STATUS", "PENDING"},
	more: map[int32]string{39: "NO_MEM", 74: "PROC_ABORTED", 75: "PROC_FAILED", 76: "PROC_FAILED_PENDING", 77: "REVOKED", 78: "SESSION"},
}

// Those of MPICH are the common ABI of MPICH 3.1 and later, Intel MPI, MVAPICH and Cray
// MPICH.
var mpich = abi{
	name: "MPICH", handleSize: 4, world: 0x44000000, byteType: 0x4c00010d, errorsReturn: 0x54000001, ignore: 1, funneled: 1,
	classes: []string{"BUFFER", "COUNT", "TYPE", "TAG", "COMM", "RANK", "ROOT", "GROUP", "OP", "TOPOLOGY", "DIMS", "ARG",
		"UNKNOWN", "TRUNCATE", "OTHER", "INTERN", "IN_STATUS", "PENDING", "REQUEST"},
	more: map[int32]string{34: "NO_MEM", 75: "SESSION", 76: "PROC_ABORTED", 101: "PROC_FAILED"},
}

// className returns the name of an error class.
func (a *abi) className(class int32) string {
	if class >= 1 && int(class) <= len(a.classes) {
		return "MPI_ERR_" + a.classes[class-1]
	}
	if name, ok := a.more[class]; ok {
		return "MPI_ERR_" + name
	}
	return ""
}

// libraries are the names to try, in order.
var libraries = []struct {
	file string
	abi  *abi
}{
	{"libmpi_abi.so.1", &standard},
	{"libmpi.so.40", &openMPI},
	{"libmpi.so.12", &mpich},
	{"libmpich.so.12", &mpich}, // Debian's name
}
