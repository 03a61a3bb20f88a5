package audio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/facodec-go/facodec/internal/fifo"
	"github.com/facodec-go/facodec/internal/plural"
)

// source is an input before it is known what it is.
type source struct {
	name string
	br   *bufio.Reader
	file *os.File    // nil for a stream that the caller owns
	size int64       // of a regular file, in bytes; -1 otherwise
	stat fs.FileInfo // of a regular file, when it was opened
	keep bool        // decoders deliver all channels, interleaved
	notices
	junk bool        // bytes were passed over before the sound, and not only zeros
	stop func() bool // no longer heed the context
}

// openSource opens a file or a named pipe. Its errors name the file.
func openSource(ctx context.Context, path string) (*source, error) {
	f, err := fifo.Open(ctx, path)
	if err != nil {
		return nil, readError(path, plainError(err))
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err != nil {
		f.Close()
		return nil, readError(path, plainError(err))
	}
	src := newSource(f, path)
	src.file = f
	if info.Mode().IsRegular() {
		src.size, src.stat = info.Size(), info
	} else {
		var in io.Reader
		in, src.stop = fifo.Reader(ctx, f)
		src.br = newBuffer(in)
	}
	return src, nil
}

// plainError drops the path from an error: it is named already.
func plainError(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// checkUnchanged is ErrChanged where the file by the source's name is not, or no longer
// as it was, the one that was opened. Decoders that read a file twice ask it.
func (s *source) checkUnchanged() error {
	if s.stat == nil {
		return nil
	}
	now, err := os.Stat(s.name)
	if err != nil || !os.SameFile(now, s.stat) {
		return faultf(ErrChanged, "another file has taken its place")
	}
	if now.Size() != s.size || !now.ModTime().Equal(s.stat.ModTime()) {
		return faultf(ErrChanged, "it had %s and has %d", plural.Of(s.size, "byte"), now.Size())
	}
	return nil
}

// width is how many values a decoder delivers of a frame.
func (s *source) width(channels int) int {
	if s.keep {
		return channels
	}
	return 1
}

func newSource(r io.Reader, name string) *source {
	return &source{name: name, br: newBuffer(r), size: -1}
}

// newBuffer returns a buffer in which the largest frame of any format can be seen.
func newBuffer(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }

func (s *source) close() error {
	if s.stop != nil {
		s.stop()
	}
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
		return s.wav()
	}
	tagged, err := s.skipID3()
	if err != nil {
		return nil, err
	}
	head, _ = s.br.Peek(12)
	switch {
	case isWAV(head):
		if err := s.odd(ErrCorrupt, "an ID3 tag before the WAV"); err != nil {
			return nil, err
		}
		return s.wav()
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
	head, _ = s.br.Peek(kindBytes)
	if err := notOneRecording(head); err != nil {
		return nil, err
	}
	if !knownContainer(head) {
		if open, err := s.skipJunk(); open != nil || err != nil {
			return open, err
		}
	}
	return newFFmpeg(s, kindOf(head))
}

// wav opens a WAV. ffmpeg may know ADPCM and other codecs in it.
func (s *source) wav() (decoder, error) {
	head := &recorder{r: s.br}
	if !s.seekable() {
		s.br = newBuffer(head)
	}
	dec, err := newWAV(s)
	head.done = true
	var other forFFmpeg
	if errors.As(err, &other) {
		err = faultf(ErrUnsupported, "%s", other.kind)
		if !s.seekable() {
			s.br = newBuffer(io.MultiReader(bytes.NewReader(head.seen), head.r))
		}
		if len(head.seen) <= maxRecorded {
			if dec, ffErr := newFFmpeg(s, ""); !errors.Is(ffErr, ErrNoFFmpeg) {
				return dec, ffErr
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return dec, nil
}

// recorder keeps what is read through it, for who reads a stream once more.
type recorder struct {
	r    io.Reader
	seen []byte
	done bool
}

// maxRecorded is more than any WAV has before its format.
const maxRecorded = 1 << 20

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if !r.done && len(r.seen) <= maxRecorded {
		r.seen = append(r.seen, p[:n]...)
	}
	return n, err
}

// skipJunk looks for MP3 or Ogg behind bytes that are none: zeros, a newline, what is
// left of a longer file. The decoder is nil where it finds nothing.
func (s *source) skipJunk() (decoder, error) {
	zeros := 0
	head, err := s.br.Peek(s.br.Size())
	for len(head) == s.br.Size() && len(bytes.TrimLeft(head, "\x00")) == 0 {
		s.br.Discard(len(head))
		zeros += len(head)
		head, err = s.br.Peek(s.br.Size())
	}
	if zeros > 0 && err == io.EOF && len(bytes.TrimLeft(head, "\x00")) == 0 {
		return nil, faultf(ErrEmpty, "the file is nothing but zeros")
	}
	open, at := newMP3, findMP3(head)
	if page := findOggStart(head); page >= 0 && (at < 0 || page < at) {
		open, at = newOgg, page
	}
	if at < 0 {
		if zeros > 0 {
			return nil, faultf(ErrCorrupt, "no sound behind %d zeros", zeros)
		}
		return nil, nil
	}
	if err := s.odd(ErrCorrupt, "%s before the sound", plural.Of(zeros+at, "byte")); err != nil {
		return nil, err
	}
	s.junk = len(bytes.Trim(head[:at], "\x00\r\n\t ")) > 0
	s.br.Discard(at)
	return s.attempt(open)
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
