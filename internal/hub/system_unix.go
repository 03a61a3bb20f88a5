//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package hub

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// isOver reports whether a process of this machine is no more.
func isOver(process string) bool {
	pid, err := strconv.Atoi(process)
	return err == nil && pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

func diskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
