//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package hub

import (
	"errors"
	"os"
)

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func diskFull(error) bool { return false }
