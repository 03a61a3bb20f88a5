package audio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// source is an input before it is known what it is.
type source struct {
	name string
	br   *bufio.Reader
	file *os.File // nil for a stream that the caller owns
	size int64    // of a regular file, in bytes; -1 otherwise
}

// openSource opens a file or a named pipe. Its errors name the file.
func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, readError(path, err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err != nil {
		f.Close()
		return nil, readError(path, err)
	}
	src := newSource(f, path)
	src.file = f
	if info.Mode().IsRegular() {
		src.size = info.Size()
	}
	return src, nil
}

func newSource(r io.Reader, name string) *source {
	return &source{name: name, br: bufio.NewReaderSize(r, 64<<10), size: -1}
}

func (s *source) close() error {
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

// seekable tells whether the source can be read again from its start.
func (s *source) seekable() bool { return s.size >= 0 }

// rewind makes a seekable source read from an offset.
func (s *source) rewind(offset int64) error {
	if _, err := s.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	s.br.Reset(s.file)
	return nil
}

// decoder finds out what the source is and returns its decoder, which closes the
// source. After an error the source is still open.
func (s *source) decoder() (decoder, error) {
	head, err := s.br.Peek(12)
	if len(head) == 0 {
		if err != io.EOF {
			return nil, err
		}
		return nil, faultf(ErrEmpty, "the file is empty")
	}
	if len(head) < 12 && bytes.HasPrefix(head, []byte("RIFF")) {
		return nil, faultf(ErrTruncated, "the file ends in the RIFF header")
	}
	if isWAV(head) {
		dec, err := newWAV(s)
		// ADPCM and other codecs in a WAV: ffmpeg may know them.
		if errors.Is(err, ErrUnsupported) && s.seekable() {
			if other, ffErr := newFFmpeg(s); !errors.Is(ffErr, ErrNoFFmpeg) {
				return other, ffErr
			}
		}
		if err != nil {
			return nil, err
		}
		return dec, nil
	}
	if bytes.HasPrefix(head, []byte("fLaC")) {
		return newFLAC(s)
	}
	if skipped, err := s.skipID3(head); err != nil {
		return nil, err
	} else if skipped {
		return newFLAC(s)
	}
	return newFFmpeg(s)
}

// skipID3 skips an ID3v2 tag if FLAC follows it; taggers put it there although
// FLAC has tags of its own. Before MP3 it is usual, and then ffmpeg gets it all.
func (s *source) skipID3(head []byte) (bool, error) {
	if len(head) < 10 || !bytes.HasPrefix(head, []byte("ID3")) || !s.seekable() {
		return false, nil
	}
	// Ten bytes of header, then the length in four times seven bits.
	length := int64(10)
	for i, b := range head[6:10] {
		length += int64(b&0x7f) << (21 - 7*i)
	}
	magic := make([]byte, 4)
	if _, err := s.file.ReadAt(magic, length); err != nil || string(magic) != "fLaC" {
		return false, nil
	}
	return true, s.rewind(length)
}
