//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ebitengine/purego"

	"github.com/facodec-go/facodec/internal/collective"
)

const built = true

// A World is the ranks of a run. Its one goroutine, on a thread of its own, makes all MPI
// calls (MPI_THREAD_FUNNELED), and none of them waits: it looks again and again whether
// messages have arrived, and sleeps in between, so that the threads that compute have
// their cores while others are awaited.
type World struct {
	lib        *library
	rank, size int
	jobs       chan *job
	ended      chan struct{} // closed when the goroutine has ended
}

// A job is an Exchange, or a call in the World's thread.
type job struct {
	tag        int
	send, recv [][]byte
	requests   []byte // handles
	count      int32
	call       func() // instead of an Exchange; the World's goroutine ends after a last one
	last       bool
	done       chan error
}

// Start loads the MPI library, and connects the processes that l.Launcher has started.
func Start(l Launch) (*World, error) {
	// The runtime handles faults, not the transports' handlers. Libraries read this when
	// they are loaded.
	if _, set := os.LookupEnv("UCX_ERROR_SIGNALS"); !set {
		os.Setenv("UCX_ERROR_SIGNALS", "")
	}
	lib, err := load(l)
	if err != nil {
		return nil, err
	}
	w := &World{lib: lib, jobs: make(chan *job), ended: make(chan struct{})}
	started := make(chan error, 1)
	// The thread that calls MPI runs beside those that compute.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	go func() {
		defer close(w.ended)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := w.init()
		started <- err
		if err == nil {
			exitFunction.Store(lib.exit)
			w.work()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", lib.path, err)
	}
	if w.size != l.Size {
		w.Close()
		return nil, fmt.Errorf("%s (%s): sees %d ranks, and %s started %d: it is not the launcher's library; name that in the environment variable %s",
			lib.path, lib.version, w.size, l.Launcher, l.Size, LibraryVariable)
	}
	return w, nil
}

func (w *World) init() error {
	l := w.lib
	var provided, rank, size int32
	if err := l.call(l.initThread, "MPI_Init_thread", 0, 0, uintptr(l.funneled), pointer(&provided)); err != nil {
		return err
	}
	if provided < l.funneled {
		return fmt.Errorf("MPI_Init_thread: the library is built without threads: it gives level %d, below MPI_THREAD_FUNNELED", provided)
	}
	if err := l.call(l.setErrhandler, "MPI_Comm_set_errhandler", l.world, l.errorsReturn); err != nil {
		return err
	}
	if err := l.call(l.commRank, "MPI_Comm_rank", l.world, pointer(&rank)); err != nil {
		return err
	}
	if err := l.call(l.commSize, "MPI_Comm_size", l.world, pointer(&size)); err != nil {
		return err
	}
	w.rank, w.size = int(rank), int(size)
	return nil
}

// Rank is this process's number.
func (w *World) Rank() int { return w.rank }

// Size is the number of processes.
func (w *World) Size() int { return w.size }

// Library names the MPI library.
func (w *World) Library() string {
	return fmt.Sprintf("%s (%s, %s)", w.lib.version, w.lib.path, w.lib.name)
}

// Exchange is collective.Comm's.
func (w *World) Exchange(tag int, send, recv [][]byte) error {
	j := &job{tag: tag, send: send, recv: recv, done: make(chan error, 1)}
	w.jobs <- j
	if err := <-j.done; err != nil {
		return fmt.Errorf("%w: %w", collective.ErrBroken, err)
	}
	return nil
}

// Close ends MPI; every rank must call it, and nothing of the World may be used afterwards.
func (w *World) Close() error {
	var err error
	j := &job{last: true, call: func() { err = w.lib.call(w.lib.finalize, "MPI_Finalize") }, done: make(chan error, 1)}
	w.jobs <- j
	<-w.ended
	return err
}

// Abort ends all ranks. It does not return.
func (w *World) Abort(code int) {
	w.jobs <- &job{call: func() { w.lib.call(w.lib.abort, "MPI_Abort", w.lib.world, uintptr(code)) }, done: make(chan error, 1)}
	<-w.ended
	os.Exit(code)
}

// exitFunction is C's exit, once an MPI library has been started; 0 before.
var exitFunction atomic.Uintptr

// mostExit is how long the exit handlers of an MPI library may take.
const mostExit = 10 * time.Second

// Exit ends the process as C programs end: MPICH 5 takes leave of its launcher in an exit
// handler, and where that has not run, the launcher kills the other ranks, as of a process
// that has crashed.
func Exit(code int) {
	if exit := exitFunction.Load(); exit != 0 {
		time.AfterFunc(mostExit, func() { os.Exit(code) })
		purego.SyscallN(exit, uintptr(code))
	}
	os.Exit(code)
}

// mostBytes is the most that one MPI message has here: counts are int.
const mostBytes = 1 << 30

// work does jobs until the last.
func (w *World) work() {
	var open []*job
	wait := newBackoff()
	for {
		var next *job
		if len(open) == 0 {
			next = <-w.jobs
		} else {
			select {
			case next = <-w.jobs:
			default:
			}
		}
		if next != nil {
			wait.reset()
			if next.call != nil {
				next.call()
				next.done <- nil
				if next.last {
					return
				}
				continue
			}
			if err := w.post(next); err != nil {
				next.done <- err
				continue
			}
			open = append(open, next)
		}
		still := open[:0]
		for _, j := range open {
			finished, err := w.test(j)
			if finished || err != nil {
				j.done <- err
				wait.reset()
				continue
			}
			still = append(still, j)
		}
		if open = still; len(open) > 0 && next == nil {
			wait.sleep()
		}
	}
}

// post starts all messages of a job, receiving first.
func (w *World) post(j *job) error {
	l := w.lib
	n := 0
	for _, buffers := range [][][]byte{j.recv, j.send} {
		for _, b := range buffers {
			n += (len(b) + mostBytes - 1) / mostBytes
		}
	}
	j.requests = make([]byte, max(1, n)*l.handleSize)
	for i, buffers := range [][][]byte{j.recv, j.send} {
		f, name := l.irecv, "MPI_Irecv"
		if i == 1 {
			f, name = l.isend, "MPI_Isend"
		}
		for rank, b := range buffers {
			if rank == w.rank {
				continue
			}
			for len(b) > 0 {
				part := b[:min(len(b), mostBytes)]
				b = b[len(part):]
				request := pointer(&j.requests[int(j.count)*l.handleSize])
				if err := l.call(f, name, pointer(&part[0]), uintptr(len(part)), l.byteType, uintptr(rank), uintptr(j.tag), l.world, request); err != nil {
					return err
				}
				j.count++
			}
		}
	}
	return nil
}

// test says whether all messages of a job have been sent and received.
func (w *World) test(j *job) (bool, error) {
	if j.count == 0 {
		return true, nil
	}
	var flag int32
	err := w.lib.call(w.lib.testall, "MPI_Testall", uintptr(j.count), pointer(&j.requests[0]), pointer(&flag), w.lib.ignore)
	return flag != 0, err
}

// A backoff waits longer the longer nothing happens.
type backoff struct{ since time.Time }

func newBackoff() *backoff { return &backoff{time.Now()} }

func (b *backoff) reset() { b.since = time.Now() }

// sleep yields at first, then sleeps for a twentieth of the time that was waited, 2 ms at
// most.
func (b *backoff) sleep() {
	waited := time.Since(b.since)
	if waited < 50*time.Microsecond {
		runtime.Gosched()
		return
	}
	time.Sleep(min(max(waited/20, 20*time.Microsecond), 2*time.Millisecond))
}
