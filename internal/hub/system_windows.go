package hub

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the lock that closing the file gives back; false if another has
// it, an error where there are no locks. It is on the first byte, as the Python
// library's.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// isOver reports whether a process of this machine is no more; false where that is not
// known: age tells then.
func isOver(string) bool { return false }

func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
