package recording

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// IsKind says whether a file is meant as one of a kind: its name has the extension,
// or it begins with magic.
func IsKind(path, extension, magic string) bool {
	if strings.EqualFold(filepath.Ext(path), extension) {
		return true
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // opening a pipe would wait for its writer
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}
