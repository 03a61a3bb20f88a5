package checkpoint

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/weights"
)

// ErrDamaged is wrapped by the error of VerifyDigest for a file that is not what was
// written.
var ErrDamaged = errors.New("the file is damaged")

// Digest returns a hash of the metadata but for DigestKey and of tensors, by which
// VerifyDigest tells a damaged file.
func Digest(metadata map[string]string, arrays []weights.Array) (string, error) {
	d := newDigest(metadata)
	for _, i := range sortedBy(arrays, func(a weights.Array) string { return a.Name }) {
		a := arrays[i]
		values, err := a.Values()
		if err != nil {
			return "", err
		}
		d.tensor(a.Name, a.Shape, values)
	}
	return d.sum(), nil
}

// VerifyDigest reads the whole file and compares it with its digest, if it has one. A
// file that was cut short, or changed, is an error that wraps ErrDamaged.
func VerifyDigest(f *weights.File) error {
	want, ok := f.Metadata()[DigestKey]
	if !ok {
		return nil
	}
	d := newDigest(f.Metadata())
	names := f.Names()
	slices.Sort(names)
	for _, name := range names {
		t, ok := f.Lookup(name)
		if !ok {
			return fmt.Errorf("%s: %w: %s is missing", f.Path(), ErrDamaged, name)
		}
		values, err := t.Float32()
		if err != nil {
			return fmt.Errorf("%s: %w: %s: %w", f.Path(), ErrDamaged, name, err)
		}
		d.tensor(name, t.Shape, values)
		t.Release()
	}
	if d.sum() != want {
		return fmt.Errorf("%s: %w: its hash is not the one that was written", f.Path(), ErrDamaged)
	}
	return nil
}

// sortedBy returns the indices of all in the order of their names.
func sortedBy[T any](all []T, name func(T) string) []int {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(name(all[a]), name(all[b])) })
	return order
}

// A digest is SHA-256 of strings and arrays, each with its length before it.
type digest struct {
	h   hash.Hash
	buf []byte
}

func newDigest(metadata map[string]string) *digest {
	d := &digest{h: sha256.New()}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key != DigestKey {
			d.text(key)
			d.text(metadata[key])
		}
	}
	return d
}

func (d *digest) number(n int) { d.h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) }

func (d *digest) text(s string) {
	d.number(len(s))
	d.h.Write([]byte(s))
}

func (d *digest) tensor(name string, shape []int, values []float32) {
	d.text(name)
	d.number(len(shape))
	for _, n := range shape {
		d.number(n)
	}
	d.number(len(values))
	const piece = 1 << 14
	for len(values) > 0 {
		n := min(piece, len(values))
		d.buf = d.buf[:0]
		for _, v := range values[:n] {
			d.buf = binary.LittleEndian.AppendUint32(d.buf, math.Float32bits(v))
		}
		d.h.Write(d.buf)
		values = values[n:]
	}
}

func (d *digest) sum() string { return hex.EncodeToString(d.h.Sum(nil)) }
