package facodec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/facodec-go/facodec/internal/atomicfile"
)

// The file of a voice; docs/voice.md describes it. All numbers are little-endian.
const (
	voiceMagic   = "facvoice"
	voiceVersion = 1
	voiceHeader  = 40 // bytes before the timbre
	maxTimbre    = 1 << 16
)

var voiceTable = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary returns the voice as a file holds it (docs/voice.md).
func (v *Voice) MarshalBinary() ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	b := append(make([]byte, 0, voiceHeader+4*len(v.Timbre)+4), voiceMagic...)
	b = le.AppendUint32(b, voiceVersion)
	b = le.AppendUint32(b, uint32(len(v.Timbre)))
	b = append(b, v.Model[:]...)
	b = le.AppendUint64(b, math.Float64bits(v.Seconds))
	for _, x := range v.Timbre {
		b = le.AppendUint32(b, math.Float32bits(x))
	}
	return le.AppendUint32(b, crc32.Checksum(b, voiceTable)), nil
}

// UnmarshalBinary reads what MarshalBinary returned. It refuses anything else,
// with an error that wraps ErrVoice, and leaves v as it was then.
func (v *Voice) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if !bytes.HasPrefix(b, []byte(voiceMagic)) {
		return fmt.Errorf("%w: does not begin with %q", ErrVoice, voiceMagic)
	}
	if len(b) < voiceHeader {
		return fmt.Errorf("%w: cut short, %d bytes", ErrVoice, len(b))
	}
	if version := le.Uint32(b[8:]); version != voiceVersion {
		return fmt.Errorf("%w: version %d, and this program reads version %d", ErrVoice, version, voiceVersion)
	}
	n := int64(le.Uint32(b[12:]))
	if want := voiceHeader + 4*n + 4; n > maxTimbre || int64(len(b)) != want {
		return fmt.Errorf("%w: %d bytes for a timbre of %d values, want %d", ErrVoice, len(b), n, want)
	}
	body, sum := b[:len(b)-4], le.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, voiceTable) != sum {
		return fmt.Errorf("%w: corrupt, its checksum is wrong", ErrVoice)
	}
	read := Voice{
		Model:   Fingerprint(b[16:32]),
		Seconds: math.Float64frombits(le.Uint64(b[32:])),
		Timbre:  make([]float32, n),
	}
	for i := range read.Timbre {
		read.Timbre[i] = math.Float32frombits(le.Uint32(b[voiceHeader+4*i:]))
	}
	if err := read.check(); err != nil {
		return err
	}
	*v = read
	return nil
}

// Save writes the voice to a file, .voice by custom. After an error nothing is
// left of it, and a file that was there is as it was.
func (v *Voice) Save(path string) error {
	b, err := v.MarshalBinary()
	if err != nil {
		return inFile(path, err)
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
}

// LoadVoice reads a file that Save wrote.
func LoadVoice(path string) (*Voice, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, inFile(path, err)
	}
	defer f.Close()
	// One byte more than the largest, so that a longer file is seen to be one.
	b, err := io.ReadAll(io.LimitReader(f, voiceHeader+4*maxTimbre+4+1))
	v := &Voice{}
	if err == nil {
		err = v.UnmarshalBinary(b)
	}
	if err != nil {
		return nil, inFile(path, err)
	}
	return v, nil
}

// IsVoiceFile says whether a file is meant as a voice: it begins as those do, or
// is called .voice.
func IsVoiceFile(path string) bool { return meantAs(path, ".voice", voiceMagic) }

// meantAs says whether a file has an ending or begins with magic.
func meantAs(path, ending, magic string) bool {
	if strings.EqualFold(filepath.Ext(path), ending) {
		return true
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // opening a pipe would wait for its writer
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}

// inFile puts the file's name in front of a fault, once.
func inFile(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
