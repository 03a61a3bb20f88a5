package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"regexp"
)

var hexForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// verify compares a file of n bytes with its hash, where there is one: of large files
// (Git LFS) the SHA-256, of others the name that Git gives to the blob. It reads the
// file from the disk, because that is what will be used.
func verify(f *os.File, want string, n int64) error {
	if want == "" {
		return nil
	}
	var h hash.Hash
	name := "SHA-256"
	if len(want) == 2*sha256.Size {
		h = sha256.New()
	} else {
		name = "Git blob SHA-1"
		h = sha1.New()
		fmt.Fprintf(h, "blob %d\x00", n)
	}
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, n)); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%w: %s is %s, and should be %s; what came is deleted: try again, and if it stays wrong, a proxy or mirror changes the file",
			ErrHash, name, got, want)
	}
	return nil
}
