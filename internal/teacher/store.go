package teacher

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/facodec-go/facodec/internal/atomicfile"
)

// A Store keeps labels in a directory, one file for each utterance, so that every
// teacher sees every utterance once. A file that is damaged counts as not there. It
// is safe for concurrent use, by several processes too: of two that write the same
// file, one loses what it could compute again.
type Store struct{ dir string }

// OpenStore returns the store in dir, which is made if need be.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return &Store{dir}, nil
}

// A series is what one teacher said of one utterance: labels, or the bits of
// frequencies.
type series struct {
	teacher Fingerprint
	values  []uint32
}

// maxSeries is how many series an utterance's file keeps, those last used
// first: of a few runs with other content units or other speakers.
const maxSeries = 12

// path is that of the file for an utterance's key.
func (s *Store) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:16])
	return filepath.Join(s.dir, name[:2], name[2:]+".labels")
}

// read returns what is kept of an utterance.
func (s *Store) read(key string) ([]series, error) {
	b, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return parseSeries(b, key), nil
}

// write replaces what is kept of an utterance.
func (s *Store) write(key string, all []series) error {
	path := s.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	defer f.Discard()
	if _, err := f.Write(appendSeries(nil, key, all[:min(len(all), maxSeries)])); err != nil {
		return fmt.Errorf("labels: write %s: %w", path, err)
	}
	if err := f.CommitUnsynced(); err != nil { // there is a checksum
		return fmt.Errorf("labels: %w", err)
	}
	return nil
}

const storeMagic = "FACODEC labels 1"

// appendSeries writes a file: magic, SHA-256 of the key, and for each series the
// teacher's fingerprint, the number of values as uint32, and the values; then the
// CRC-32C of all before, little-endian.
func appendSeries(b []byte, key string, all []series) []byte {
	sum := sha256.Sum256([]byte(key))
	b = append(append(b, storeMagic...), sum[:]...)
	for _, s := range all {
		b = append(b, s.teacher[:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s.values)))
		for _, v := range s.values {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	return seal(b)
}

// parseSeries returns what is in a file for the key, nil where it is damaged or that
// of another.
func parseSeries(b []byte, key string) (all []series) {
	body, ok := unseal(b)
	sum := sha256.Sum256([]byte(key))
	rest, ours := bytes.CutPrefix(body, append([]byte(storeMagic), sum[:]...))
	if !ok || !ours {
		return nil
	}
	for len(rest) > 0 {
		var s series
		n := copy(s.teacher[:], rest)
		if len(rest) < n+4 {
			return nil
		}
		count := int(binary.LittleEndian.Uint32(rest[n:]))
		rest = rest[n+4:]
		if count > len(rest)/4 {
			return nil
		}
		s.values = make([]uint32, count)
		for i := range s.values {
			s.values[i] = binary.LittleEndian.Uint32(rest[4*i:])
		}
		rest = rest[4*count:]
		all = append(all, s)
	}
	return all
}

// find returns a teacher's series.
func find(all []series, teacher Fingerprint) ([]uint32, bool) {
	i := slices.IndexFunc(all, func(s series) bool { return s.teacher == teacher })
	if i < 0 {
		return nil, false
	}
	return all[i].values, true
}
