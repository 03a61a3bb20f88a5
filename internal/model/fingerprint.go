package model

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/nn"
)

// The tensors that quantize, and those that decode quantized frames with a timbre.
var (
	quantizerTensors = prefixesOf("quantizer.%s_quantizer.")
	decoderTensors   = []string{"quantizer.timbre_linear.", "decoder."}
)

// prefixesOf returns a prefix with the name of each part.
func prefixesOf(format string) (prefixes []string) {
	for _, name := range partNames {
		prefixes = append(prefixes, fmt.Sprintf(format, name))
	}
	return prefixes
}

// timbreTensors are those that a timbre depends on.
var timbreTensors = []string{"quantizer.timbre_encoder."}

// tokenTensors are those that codes and timbre depend on: all but decoderTensors.
var tokenTensors = slices.Concat([]string{"encoder.", "quantizer.melspec_"}, quantizerTensors, timbreTensors)

// Fingerprints returns hashes of a loaded codec's tensors, which do not depend on the
// format of their file.
func (c *Codec) Fingerprints() (quantizer, decoder [16]byte) {
	return c.networks.fingerprint(quantizerTensors), c.networks.fingerprint(decoderTensors)
}

// TimbreFingerprint returns the hash of the tensors that a timbre depends on.
func (c *Codec) TimbreFingerprint() [16]byte { return c.networks.fingerprint(timbreTensors) }

// TokensFingerprint returns the hash of the tensors that codes and timbre depend on.
func (c *Codec) TokensFingerprint() [16]byte { return c.networks.fingerprint(tokenTensors) }

// Fingerprint returns the hash of all tensors.
func (l *Redecoder) Fingerprint() [16]byte { return l.networks.fingerprint([]string{""}) }

func (n networks) fingerprint(prefixes []string) [16]byte { return Fingerprint(n, prefixes) }

// Fingerprint returns the first 16 bytes of the SHA-256 of the tensors whose names
// begin with one of prefixes, in the byte order of their names. For each: the
// name, a zero byte, the number of its dimensions, the dimensions, and the CRC-32C
// of its values as little-endian float32; numbers as little-endian uint32.
func Fingerprint(networks []*nn.Network, prefixes []string) (f [16]byte) {
	type tensor struct {
		*nn.Param
		sum uint32
	}
	var tensors []tensor
	for _, net := range networks {
		for _, p := range net.Params {
			if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) }) {
				tensors = append(tensors, tensor{p, net.Checksum(p)})
			}
		}
	}
	slices.SortFunc(tensors, func(a, b tensor) int { return strings.Compare(a.Name, b.Name) })
	var b []byte
	le := binary.LittleEndian
	for _, t := range tensors {
		b = append(append(b, t.Name...), 0)
		b = le.AppendUint32(b, uint32(len(t.Shape)))
		for _, d := range t.Shape {
			b = le.AppendUint32(b, uint32(d))
		}
		b = le.AppendUint32(b, t.sum)
	}
	sum := sha256.Sum256(b)
	copy(f[:], sum[:])
	return f
}
