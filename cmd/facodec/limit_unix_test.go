//go:build unix

package main

import (
	"os"
	"strconv"
	"syscall"
)

// limitFileSize lets no file grow past FACODEC_TEST_FILE_SIZE bytes, in this
// process and for good.
func limitFileSize() {
	if n, err := strconv.ParseUint(os.Getenv("FACODEC_TEST_FILE_SIZE"), 10, 64); err == nil {
		limit := &syscall.Rlimit{Cur: n, Max: n}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, limit); err != nil {
			panic(err)
		}
	}
}
