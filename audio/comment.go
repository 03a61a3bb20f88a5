package audio

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"

	"github.com/mewkiz/flac/meta"
)

// maxComment is how long a comment may be in bytes: it is found again within a few
// kilobytes of one end of any file.
const maxComment = 1 << 10

// wavComment returns a LIST chunk with a comment, to stand behind the samples: there
// are programs that take all behind a header of 44 bytes for samples.
func wavComment(text string) []byte {
	if text == "" {
		return nil
	}
	le := binary.LittleEndian
	text += "\x00"
	b := le.AppendUint32([]byte("LIST"), uint32(4+8+len(text)+len(text)%2))
	b = le.AppendUint32(append(b, "INFOICMT"...), uint32(len(text)))
	b = append(b, text...)
	return append(b, make([]byte, len(text)%2)...)
}

// flacComment returns a metadata block with a comment.
func flacComment(text string) *meta.Block {
	body := &meta.VorbisComment{Vendor: "facodec", Tags: [][2]string{{"COMMENT", text}}}
	length := 4 + len(body.Vendor) + 4 + 4 + len("COMMENT=") + len(text)
	return &meta.Block{Header: meta.Header{Type: meta.TypeVorbisComment, Length: int64(length)}, Body: body}
}

// commentSearch is how much of each end of a file is searched for a comment.
const commentSearch = 64 << 10

// FindComment returns the comment of a file that CreateWith wrote, of any format, which
// begins with prefix and ends with suffix; "" if there is none.
func FindComment(path, prefix, suffix string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", readError(path, plainError(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", readError(path, plainError(err))
	}
	for _, at := range []int64{max(0, info.Size()-commentSearch), 0} {
		b, err := io.ReadAll(io.NewSectionReader(f, at, commentSearch))
		if err != nil {
			return "", readError(path, plainError(err))
		}
		for {
			begin := bytes.Index(b, []byte(prefix))
			if begin < 0 {
				break
			}
			b = b[begin:]
			if end := bytes.Index(b[:min(len(b), maxComment)], []byte(suffix)); end >= 0 {
				return string(b[:end+len(suffix)]), nil
			}
			b = b[len(prefix):]
		}
	}
	return "", nil
}
