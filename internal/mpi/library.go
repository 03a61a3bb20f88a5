//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A library is a loaded MPI library.
type library struct {
	abi
	path    string
	version string // the first line of MPI_Get_library_version

	initThread, finalize, abort, commRank, commSize, setErrhandler uintptr
	isend, irecv, testall, errorClass, errorString, getVersion     uintptr
	exit                                                           uintptr // C's
}

// load loads the library that the launcher's processes use.
func load(l Launch) (*library, error) {
	if path := os.Getenv(LibraryVariable); path != "" {
		lib, err := open(path, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", LibraryVariable, err)
		}
		return lib, nil
	}
	var tried []string
	// "" is where the system and LD_LIBRARY_PATH have libraries. That of another
	// installation may be among them, while mpirun is that of its own; srun has none.
	dirs := append(besideLauncher(), "")
	if l.Launcher == "srun" {
		dirs = append([]string{""}, besideLauncher()...)
	}
	for _, dir := range dirs {
		for _, known := range libraries {
			path := filepath.Join(dir, known.file)
			lib, err := open(path, known.abi)
			if err != nil {
				tried = append(tried, err.Error())
				continue
			}
			// Two kinds may be installed, and only one speaks to this launcher.
			if isOpen := strings.Contains(lib.version, "Open MPI"); strings.Contains(l.Launcher, "Open MPI") != isOpen && l.Launcher != "srun" {
				tried = append(tried, fmt.Sprintf("%s: is %s, not that of the launcher", path, lib.version))
				continue
			}
			return lib, nil
		}
	}
	return nil, fmt.Errorf("no MPI library for %s can be loaded; name its file in the environment variable %s, or its folder in LD_LIBRARY_PATH (%s)",
		l.Launcher, LibraryVariable, strings.Join(tried, "; "))
}

// besideLauncher returns the folder of libraries beside that of the launcher, where
// installations that are not the system's have them.
func besideLauncher() (dirs []string) {
	for _, name := range []string{"mpirun", "mpiexec"} {
		if path, err := exec.LookPath(name); err == nil {
			dirs = append(dirs, filepath.Join(filepath.Dir(path), "..", "lib"))
		}
	}
	return dirs
}

// open loads a library and finds its functions. Without an abi, the file name and the
// symbols say which it has.
func open(path string, a *abi) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, errors.New(strings.TrimSpace(err.Error()))
	}
	if a == nil {
		a = &mpich
		if strings.Contains(filepath.Base(path), "mpi_abi") {
			a = &standard
		} else if _, err := purego.Dlsym(handle, openMPI.symbols[0]); err == nil {
			a = &openMPI
		}
	}
	l := &library{abi: *a, path: path}
	for name, f := range map[string]*uintptr{
		"MPI_Init_thread": &l.initThread, "MPI_Finalize": &l.finalize, "MPI_Abort": &l.abort, "MPI_Comm_rank": &l.commRank,
		"MPI_Comm_size": &l.commSize, "MPI_Comm_set_errhandler": &l.setErrhandler, "MPI_Isend": &l.isend, "MPI_Irecv": &l.irecv,
		"MPI_Testall": &l.testall, "MPI_Error_class": &l.errorClass, "MPI_Error_string": &l.errorString,
		"MPI_Get_library_version": &l.getVersion, "exit": &l.exit,
	} {
		if *f, err = purego.Dlsym(handle, name); err != nil {
			return nil, fmt.Errorf("%s: is no MPI library: %w", path, err)
		}
	}
	for i, constant := range []*uintptr{&l.world, &l.byteType, &l.errorsReturn} {
		if name := l.symbols[i]; name != "" {
			if *constant, err = purego.Dlsym(handle, name); err != nil {
				return nil, fmt.Errorf("%s: is not Open MPI: %w", path, err)
			}
		}
	}
	text, length := make([]byte, 8192), int32(0) // MPI_MAX_LIBRARY_VERSION_STRING
	if err := l.call(l.getVersion, "MPI_Get_library_version", pointer(&text[0]), pointer(&length)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l.version, _, _ = strings.Cut(string(text[:length]), "\n")
	l.version = strings.TrimRight(strings.Join(strings.Fields(l.version), " "), " ,")
	return l, nil
}

// pointer returns an address for C. What it points to must be used after the call, so that
// it stays alive, and is on the heap, which does not move, since it escapes here.
func pointer[T any](p *T) uintptr {
	if never {
		escaped = append(escaped, p)
	}
	return uintptr(unsafe.Pointer(p))
}

var (
	never   bool
	escaped []any
)

// An Error is the failure of an MPI function.
type Error struct {
	Function string
	Code     int32  // what the function returned
	Class    string // MPI_ERR_TRUNCATE, say; "" for one that is not known
	Text     string // the library's
}

func (e *Error) Error() string {
	text := e.Text
	if e.Class != "" && !strings.Contains(text, e.Class) {
		text = e.Class + ": " + text
	}
	return fmt.Sprintf("%s: %s (code %d)", e.Function, text, e.Code)
}

// call calls an MPI function, whose name is for its error.
func (l *library) call(f uintptr, name string, args ...uintptr) error {
	r, _, _ := purego.SyscallN(f, args...)
	code := int32(r)
	if code == 0 {
		return nil
	}
	e := &Error{Function: name, Code: code}
	var class int32
	if r, _, _ := purego.SyscallN(l.errorClass, uintptr(code), pointer(&class)); int32(r) == 0 {
		e.Class = l.className(class)
	}
	text, length := make([]byte, 1024), int32(0)
	if r, _, _ := purego.SyscallN(l.errorString, uintptr(code), pointer(&text[0]), pointer(&length)); int32(r) == 0 {
		e.Text = strings.Join(strings.Fields(string(text[:length])), " ")
	}
	return e
}
