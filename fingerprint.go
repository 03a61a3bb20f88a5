package facodec

import "encoding/hex"

// A Fingerprint tells tensors of one model from those of another, so that a file
// made by one is not taken for the other's. It goes by names, shapes and float32
// values, whatever file they come from: a checkpoint that was converted keeps it.
type Fingerprint [16]byte

// String returns 32 hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText returns what String does, for JSON.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
