package facodec

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/weights"
)

// A Fingerprint tells tensors of one model from those of another, so that a file
// made by one is not taken for the other's. It goes by names, shapes and float32
// values, whatever file they come from: a checkpoint that was converted keeps it.
type Fingerprint [16]byte

// String returns the fingerprint in hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText returns what String does, for JSON.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// timbrePrefix is where the tensors lie that turn a voice into its timbre.
const timbrePrefix = "quantizer.timbre_encoder."

// fingerprint is that of the parameters whose names begin with prefix: the
// SHA-256 over each one's, in the order in which the network declares them, cut
// to its first half. Each is hashed for itself, so that all threads help.
func fingerprint(src weights.Source, params []nn.Param, prefix string, pool *parallel.Pool) (Fingerprint, error) {
	var chosen []nn.Param
	for _, p := range params {
		if strings.HasPrefix(p.Name, prefix) {
			chosen = append(chosen, p)
		}
	}
	sums, errs := make([][sha256.Size]byte, len(chosen)), make([]error, len(chosen))
	pool.For(len(chosen), func(i int) { sums[i], errs[i] = hashTensor(src, chosen[i]) })
	if err := errors.Join(errs...); err != nil {
		return Fingerprint{}, err
	}
	all := sha256.New()
	for _, sum := range sums {
		all.Write(sum[:])
	}
	return Fingerprint(all.Sum(nil)[:len(Fingerprint{})]), nil
}

func hashTensor(src weights.Source, p nn.Param) (sum [sha256.Size]byte, err error) {
	t, ok := src.Lookup(p.Name)
	if !ok {
		return sum, fmt.Errorf("missing tensor %s", p.Name)
	}
	values, err := t.Float32()
	if err != nil {
		return sum, err
	}
	defer t.Release()
	h := sha256.New()
	fmt.Fprintf(h, "%s %v\n", p.Name, p.Shape)
	var piece [4096]byte
	for len(values) > 0 {
		n := min(len(values), len(piece)/4)
		for i, v := range values[:n] {
			binary.LittleEndian.PutUint32(piece[4*i:], math.Float32bits(v))
		}
		h.Write(piece[:4*n])
		values = values[n:]
	}
	h.Sum(sum[:0])
	return sum, nil
}
