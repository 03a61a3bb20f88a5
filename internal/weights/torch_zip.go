package weights

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// torchZip is PyTorch's container since 1.6: a zip archive with data.pkl, which
// describes the tensors, and one record of raw bytes for every storage,
// uncompressed, so that they are used where they lie.
type torchZip struct {
	file     *content
	prefix   string // "archive/"
	big      bool   // numbers in storages are big-endian
	records  map[string]*zip.File
	storages map[string]*storage
}

// maxInflation bounds what compressed records may unfold to, as a multiple of
// the file. torch never compresses; a checkpoint that was packed again may be.
const maxInflation = 64

func (f *File) readTorchZip() error {
	z, err := openTorchZip(f.content)
	if err != nil {
		return err
	}
	if order, ok := z.records[z.prefix+"byteorder"]; ok {
		text, err := z.read(order)
		if err != nil {
			return err
		}
		z.big = string(text) == "big"
		if !z.big && string(text) != "little" {
			return fmt.Errorf("byte order %.20q is not supported", text)
		}
	}
	pickle, err := z.read(z.records[z.prefix+"data.pkl"])
	if err != nil {
		return err
	}
	b := newBudget(len(f.content.data))
	root, err := newMachine(pickle, b, z.storage).run()
	if err != nil {
		return fmt.Errorf("data.pkl: %w", err)
	}
	return f.enterTree(root, b)
}

func openTorchZip(c *content) (*torchZip, error) {
	archive, err := zip.NewReader(bytes.NewReader(c.data), int64(len(c.data)))
	if err != nil {
		if errors.Is(err, zip.ErrFormat) {
			return nil, errors.New("truncated or damaged: the zip archive has no directory at its end")
		}
		return nil, err
	}
	z := &torchZip{file: c, records: map[string]*zip.File{}, storages: map[string]*storage{}}
	pickles, inflated := 0, uint64(0)
	for _, r := range archive.File {
		if _, ok := z.records[r.Name]; ok {
			return nil, fmt.Errorf("the zip archive holds %.80q twice", r.Name)
		}
		z.records[r.Name] = r
		if r.Name == "data.pkl" || strings.HasSuffix(r.Name, "/data.pkl") {
			z.prefix = strings.TrimSuffix(r.Name, "data.pkl")
			pickles++
		}
		if r.Method != zip.Store {
			if inflated += r.UncompressedSize64; inflated < r.UncompressedSize64 {
				inflated = 1 << 63
			}
		}
	}
	if pickles != 1 {
		return nil, fmt.Errorf("not a PyTorch file: the zip archive holds %s called data.pkl", plural.Of(pickles, "file"))
	}
	if inflated > math.MaxInt || inflated > maxInflation*uint64(len(c.data)) {
		return nil, fmt.Errorf("the zip archive unfolds to %s, out of proportion to its size", plural.Of(inflated, "byte"))
	}
	return z, nil
}

// locate finds a record's bytes in the file.
func (z *torchZip) locate(r *zip.File) (*storage, error) {
	fault := func(format string, args ...any) (*storage, error) {
		return nil, fmt.Errorf("%.80q: "+format, append([]any{r.Name}, args...)...)
	}
	start, err := r.DataOffset()
	if err != nil {
		return fault("%w", err)
	}
	length := uint64(len(z.file.data))
	if uint64(start) > length || r.CompressedSize64 > length-uint64(start) {
		return fault("truncated: it reaches beyond the end of the file")
	}
	s := &storage{file: z.file, start: int(start), end: int(start) + int(r.CompressedSize64)}
	damage := func(raw []byte) error {
		// torch writes 0 for none after torch.serialization.set_crc32_options(False).
		if r.CRC32 != 0 && crc32.ChecksumIEEE(raw) != r.CRC32 {
			return fmt.Errorf("damaged: %.80q does not have its checksum", r.Name)
		}
		return nil
	}
	switch {
	case r.Flags&1 != 0:
		return fault("it is encrypted")
	case r.Method == zip.Store:
		if r.CompressedSize64 != r.UncompressedSize64 {
			return fault("its two sizes differ")
		}
		s.damage = damage
	case r.Method == zip.Deflate:
		size := int(r.UncompressedSize64) // bounded when the archive was opened
		s.inflate = func(packed []byte) ([]byte, error) {
			raw, err := inflate(packed, size)
			if err == nil {
				err = damage(raw)
			}
			return raw, err
		}
	default:
		return fault("compression method %d is not supported", r.Method)
	}
	return s, nil
}

// inflate unpacks a deflated record of exactly the given size.
func inflate(packed []byte, size int) ([]byte, error) {
	r := flate.NewReader(bytes.NewReader(packed))
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("damaged compressed record: %w", err)
	}
	var more [1]byte
	if n, err := r.Read(more[:]); n != 0 || err != io.EOF {
		return nil, errors.New("damaged compressed record: it is longer than it should be")
	}
	return data, nil
}

// swap makes bytes return what the storage holds in little-endian order. Of complex
// numbers, which have two parts, nothing is read.
func (s *storage) swap(d DType) {
	inflate, size := s.inflate, d.Size()
	s.inflate = func(packed []byte) ([]byte, error) {
		data := slices.Clone(packed)
		if inflate != nil {
			var err error
			if data, err = inflate(packed); err != nil {
				return nil, err
			}
		}
		for element := range slices.Chunk(data, size) {
			slices.Reverse(element)
		}
		return data, nil
	}
}

// read returns a small record's bytes.
func (z *torchZip) read(r *zip.File) ([]byte, error) {
	if r.UncompressedSize64 > maxPickle {
		return nil, fmt.Errorf("%.80q is longer than %d MiB", r.Name, maxPickle>>20)
	}
	s, err := z.locate(r)
	if err != nil {
		return nil, err
	}
	return s.bytes()
}

// storage resolves a reference to a storage: the record data/<key>.
func (z *torchZip) storage(id any) (any, error) {
	s, err := parseStorageID(id)
	if err != nil {
		return nil, err
	}
	store, ok := z.storages[s.key]
	if !ok {
		r, ok := z.records[z.prefix+"data/"+s.key]
		if !ok {
			return nil, fmt.Errorf("storage data/%s is missing", plain(s.key))
		}
		if store, err = z.locate(r); err != nil {
			return nil, err
		}
		if store.bigEndian = z.big; z.big && !s.untyped {
			store.swap(s.dtype)
		}
		z.storages[s.key] = store
	}
	size := z.records[z.prefix+"data/"+s.key].UncompressedSize64
	if uint64(s.elements) > size/uint64(s.dtype.Size()) {
		return nil, fmt.Errorf("truncated: storage data/%s has %s, not %s of %s",
			plain(s.key), plural.Of(size, "byte"), plural.Of(s.elements, "element"), s.dtype)
	}
	if s.view != nil {
		return nil, errStorageID // only the older format has them
	}
	return &storageRef{store: store, dtype: s.dtype, untyped: s.untyped, length: s.elements}, nil
}
