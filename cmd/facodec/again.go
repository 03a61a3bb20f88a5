package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeOrKeep calls write for output. A regular file that is there already, and is not to
// be overwritten, is kept if write makes the same bytes beside it; that they differ is an
// error, because the file would pass for what was asked for.
func writeOrKeep(output string, force bool, write func(path string) error) (kept bool, err error) {
	if info, err := os.Stat(output); err != nil || force || !info.Mode().IsRegular() {
		return false, write(output)
	}
	dir, err := os.MkdirTemp(filepath.Dir(output), ".facodec.again-*")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	again := filepath.Join(dir, filepath.Base(output))
	if err := write(again); err != nil {
		return false, err
	}
	same, err := sameBytes(output, again)
	if err == nil && !same {
		err = fmt.Errorf("%s: exists and is not what would be written; --force overwrites it, or give another output", output)
	}
	return same, err
}

// sameBytes says whether two files hold the same.
func sameBytes(a, b string) (bool, error) {
	f, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer g.Close()
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errF := io.ReadFull(f, x)
		m, errG := io.ReadFull(g, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		for _, err := range []error{errF, errG} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if errF != nil {
			return true, nil
		}
	}
}
