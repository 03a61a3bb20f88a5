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
	return &source{name: name, br: newBuffer(r), size: -1}
}

// newBuffer returns a buffer in which the largest frame of any format can be seen.
func newBuffer(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }

func (s *source) close() error {
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

// seekable tells whether the source can be read again from its start.
func (s *source) seekable() bool { return s.size >= 0 }

// offset returns where in a seekable source the next byte is.
func (s *source) offset() (int64, error) {
	at, err := s.file.Seek(0, io.SeekCurrent)
	return at - int64(s.br.Buffered()), err
}

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
			if other, ffErr := newFFmpeg(s, ""); !errors.Is(ffErr, ErrNoFFmpeg) {
				return other, ffErr
			}
		}
		if err != nil {
			return nil, err
		}
		return dec, nil
	}
	tagged, err := s.skipID3()
	if err != nil {
		return nil, err
	}
	head, _ = s.br.Peek(12)
	switch {
	case bytes.HasPrefix(head, []byte("fLaC")):
		return newFLAC(s)
	case bytes.HasPrefix(head, []byte("OggS")):
		return s.attempt(newOgg)
	case isEBML(head):
		return s.attempt(newWebM)
	case looksLikeMP3(s.br):
		return s.attempt(newMP3)
	case tagged && len(head) == 0:
		return nil, faultf(ErrEmpty, "the file has an ID3 tag but no samples")
	}
	return newFFmpeg(s, kindOf(head))
}

// kindOf names a format that only ffmpeg decodes, where it is a usual one.
func kindOf(head []byte) string {
	if len(head) == 12 && string(head[4:8]) == "ftyp" {
		return "MP4 or M4A"
	}
	return ""
}

// skipID3 skips ID3v2 tags, which may stand before MP3, and which some taggers put
// before FLAC although that has tags of its own. ffmpeg misses nothing in them.
func (s *source) skipID3() (skipped bool, err error) {
	for {
		head, _ := s.br.Peek(10)
		if len(head) < 10 || !bytes.HasPrefix(head, []byte("ID3")) {
			return skipped, nil
		}
		skipped = true
		if _, err := s.br.Discard(id3Length(head)); err == io.EOF {
			return true, faultf(ErrTruncated, "the file ends in its ID3 tag")
		} else if err != nil {
			return true, err
		}
	}
}
