package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// storeName is the folder in Options.CacheDir that the store has to itself.
const storeName = "decoded-speech"

// storeFrom is the length in seconds of a file from which on it is stored: below it,
// decoding up to a piece costs little.
const storeFrom = 60

// storeBlock is how many samples a checksum covers.
const storeBlock = 24000

// A store keeps long files on disk as decoded samples, of which a piece can be read
// without what lies before it. The samples are to the bit those of the decoder, so
// that nothing depends on what is stored.
//
// A stored file is blocks of storeBlock samples, float32 and little-endian, the
// last one shorter, each with its CRC-32C behind it.
type store struct {
	dir     string
	rate    int // Hz
	tell    func(path, reason string)
	samples map[string]int64 // of the files to store, by path

	mu      sync.Mutex
	left    int64                    // bytes
	taken   map[string]int           // how often a name that is there was written, from 1
	dropped map[string]int           // taken, before it was dropped
	busy    map[string]chan struct{} // names that are being written
	bad     map[string]bool          // names of files that cannot be decoded to their ends
	off     bool                     // writing has failed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// storedSize is how many bytes samples take.
func storedSize(samples int64) int64 {
	return 4*samples + 4*((samples+storeBlock-1)/storeBlock)
}

func (s *store) name(path string, size, modTime int64) string {
	key := fmt.Appendf(nil, "%d|%s|%d|%d", indexVersion, path, size, modTime)
	if s.rate != DefaultSampleRate {
		key = fmt.Appendf(key, "|%d Hz", s.rate)
	}
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:16]) + ".f32"
}

// newStore returns the store in cacheDir for the entries' files of storeFrom and
// more, and removes from it what belongs to none of them. Without a folder or bytes
// it is nil, which stores nothing.
func newStore(cacheDir string, bytes int64, rate int, entries []entry, tell func(path, reason string)) *store {
	if cacheDir == "" || bytes <= 0 {
		return nil
	}
	s := &store{
		dir: filepath.Join(cacheDir, storeName), rate: rate, tell: tell, left: bytes,
		samples: map[string]int64{}, taken: map[string]int{}, busy: map[string]chan struct{}{}, dropped: map[string]int{}, bad: map[string]bool{},
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		if len(e.Pieces) > 1 && e.Samples >= storeFrom*int64(rate) {
			s.samples[e.Path] = e.Samples
			sizes[s.name(e.Path, e.Size, e.ModTime)] = storedSize(e.Samples)
		}
	}
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fail(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if size, ok := sizes[f.Name()]; ok && size == info.Size() && size <= s.left {
			s.taken[f.Name()] = 1
			s.left -= size
		} else if err := os.Remove(filepath.Join(s.dir, f.Name())); err != nil {
			s.fail(err)
		}
	}
	return s
}

// fail ends writing: the samples can be had without.
func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		s.off = true
		s.tell(s.dir, fmt.Sprintf("long files are no longer stored decoded, and load slower: %v", fileerr.Cause(err)))
	}
}

// read returns a clip of a stored file, which it decodes first where that is not
// yet done. Not ok is a file that is not to be stored, or cannot. An error is the
// file's or ctx's.
func (s *store) read(ctx context.Context, open opener, c Clip) (samples []float32, ok bool, err error) {
	if s == nil || s.samples[c.Path] == 0 {
		return nil, false, nil
	}
	name := s.name(c.Path, c.Size, c.ModTime)
	for range 2 { // a damaged one is written again, once
		written, err := s.ensure(ctx, open, name, s.samples[c.Path])
		if written == 0 || err != nil {
			return nil, false, err
		}
		samples, err := readStored(filepath.Join(s.dir, name), s.samples[c.Path], c.Start, c.Samples)
		if err == nil {
			return samples, true, nil
		}
		s.drop(name, written, s.samples[c.Path])
	}
	return nil, false, nil
}

// drop forgets a stored file that cannot be read, but for one that was written again
// since.
func (s *store) drop(name string, written int, samples int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[name] == written {
		os.Remove(filepath.Join(s.dir, name))
		s.dropped[name] = written
		delete(s.taken, name)
		s.left += storedSize(samples)
	}
}

// ensure stores a file, or waits for another goroutine that does. It returns how
// often it was written, or 0 where there is no room, and where it cannot be written or decoded.
func (s *store) ensure(ctx context.Context, open opener, name string, samples int64) (written int, err error) {
	for {
		s.mu.Lock()
		busy := s.busy[name]
		if busy == nil {
			break
		}
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if written := s.taken[name]; written > 0 {
		s.mu.Unlock()
		return written, nil
	}
	if s.off || s.bad[name] || storedSize(samples) > s.left {
		s.mu.Unlock()
		return 0, nil
	}
	done := make(chan struct{})
	s.busy[name] = done
	s.left -= storedSize(samples)
	s.mu.Unlock()

	wrote, err := s.write(ctx, open, name, samples)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, name)
	close(done)
	if wrote {
		s.taken[name] = s.dropped[name] + 1
		return s.taken[name], nil
	}
	s.left += storedSize(samples)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	s.bad[name] = err != nil
	return 0, nil
}

// write decodes a file into the store. Its error is the file's or ctx's; that of
// the disk ends writing.
func (s *store) write(ctx context.Context, open opener, name string, samples int64) (bool, error) {
	err := os.MkdirAll(s.dir, 0o755)
	var out *atomicfile.File
	if err == nil {
		out, err = atomicfile.Create(filepath.Join(s.dir, name))
	}
	if err != nil {
		s.fail(err)
		return false, nil
	}
	defer out.Discard()
	r, err := open(ctx, s.rate)
	if err != nil {
		return false, err
	}
	defer r.Close()
	block := make([]float32, storeBlock)
	var data []byte
	for total := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := fill(r, block)
		if err != nil {
			return false, err
		}
		if total += int64(n); total > samples || n == 0 && total < samples {
			return false, errChanged
		}
		if n == 0 {
			break
		}
		data = data[:0]
		for _, x := range block[:n] {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
		if _, err := out.Write(data); err != nil {
			s.fail(err)
			return false, nil
		}
	}
	if err := out.CommitUnsynced(); err != nil { // there are checksums
		s.fail(err)
		return false, nil
	}
	return true, nil
}

// fill reads until dst is full or the file ends, where it returns less.
func fill(r reader, dst []float32) (int, error) {
	n := 0
	for n < len(dst) {
		got, err := r.Read(dst[n:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
		n += got
	}
	return n, nil
}

// readStored returns n samples from start on of a stored file of total samples.
func readStored(file string, total, start int64, n int) ([]float32, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if start < 0 || n < 0 || start+int64(n) > total {
		return nil, io.ErrUnexpectedEOF
	}
	samples := make([]float32, 0, n)
	data := make([]byte, 4*storeBlock+4)
	for at := start / storeBlock; len(samples) < n; at++ {
		size := 4 * min(storeBlock, total-at*storeBlock)
		data := data[:size+4]
		if _, err := f.ReadAt(data, at*(4*storeBlock+4)); err != nil {
			return nil, err
		}
		if crc32.Checksum(data[:size], castagnoli) != binary.LittleEndian.Uint32(data[size:]) {
			return nil, errors.New("a checksum is wrong")
		}
		first := max(0, start-at*storeBlock)
		for i := first; i < size/4 && len(samples) < n; i++ {
			samples = append(samples, math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		}
	}
	return samples, nil
}
