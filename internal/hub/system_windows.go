package hub

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isOver reports whether a process of this machine is no more; false where that is not
// known: age tells then.
func isOver(string) bool { return false }

func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
