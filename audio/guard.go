package audio

import (
	"errors"
	"io"
	"strings"
)

// guard calls another's decoder, whose panics and errors mean that the data were
// not what it expects.
func guard(what string, decode func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = faultf(ErrCorrupt, "the %s data cannot be decoded", what)
		}
	}()
	if err := decode(); err != nil {
		return faultf(ErrCorrupt, "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return nil
}

// forFFmpeg is the error of a decoder that knows the file's format, and knows that
// it cannot decode this kind of it.
type forFFmpeg struct{ kind string }

func (e forFFmpeg) Error() string { return e.kind }

// attempt opens a decoder and, if it finds the file to be one for ffmpeg, has
// ffmpeg read it from its start.
func (s *source) attempt(open func(*source) (decoder, error)) (decoder, error) {
	var kept *keeper
	if !s.seekable() {
		kept = &keeper{r: s.br, keeping: true}
		s.br = newBuffer(kept)
	}
	dec, err := open(s)
	var other forFFmpeg
	if !errors.As(err, &other) {
		if kept != nil {
			kept.stop()
		}
		return dec, err
	}
	if kept != nil {
		if !kept.keeping {
			return nil, faultf(ErrUnsupported, "%s in a stream", other.kind)
		}
		s.br = newBuffer(io.MultiReader(strings.NewReader(string(kept.bytes)), kept.r))
	}
	return newFFmpeg(s, other.kind)
}

// keptBytes is how much of a stream is kept for ffmpeg: what a file is, is seen
// from its first few kilobytes.
const keptBytes = 1 << 20

// keeper keeps the beginning of a stream, so that it can be read twice.
type keeper struct {
	r       io.Reader
	bytes   []byte
	keeping bool
}

func (k *keeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if k.keeping {
		k.bytes = append(k.bytes, p[:n]...)
		if len(k.bytes) > keptBytes {
			k.stop()
		}
	}
	return n, err
}

func (k *keeper) stop() { k.keeping, k.bytes = false, nil }
