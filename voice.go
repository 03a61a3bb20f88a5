package facodec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
)

// A Voice is a timbre that is kept for later, with what made it. It is what
// `facodec voice enroll` writes, and is used in place of reference clips.
type Voice struct {
	// Timbre is what decoders take, TimbreLen values.
	Timbre []float32
	// Seconds of audio that the timbre is a mean over: its weight when voices are
	// mixed.
	Seconds float64
	// Model is the fingerprint of the timbre encoder. The values of a timbre mean
	// nothing to another one.
	Model Fingerprint
	// Warnings are what is likely not as it was meant of the files that EnrollFiles made
	// the voice of: ErrSilent, or less than a second of audio. They are not kept in a file.
	Warnings []error
}

// MixVoices returns the mean of voices of one model, weighted by their seconds.
// A timbre is itself a mean over the frames of clips, so this is, but for the
// rounding of a clip's length to frames, what enrolling all of the clips at once
// gives. One voice is returned as it is.
func MixVoices(voices ...*Voice) (*Voice, error) {
	if len(voices) == 0 {
		return nil, fmt.Errorf("no voice to mix: %w", ErrEmpty)
	}
	first := voices[0]
	sum := make([]float64, len(first.Timbre))
	seconds := 0.0
	for _, v := range voices {
		if err := oneModel(first, v); err != nil {
			return nil, err
		}
		for i, x := range v.Timbre {
			sum[i] += v.Seconds * float64(x)
		}
		seconds += v.Seconds
	}
	if len(voices) == 1 {
		return first, nil
	}
	var warnings []error
	for _, v := range voices {
		warnings = append(warnings, v.Warnings...)
	}
	mixed := &Voice{Warnings: warnings, Timbre: make([]float32, len(sum)), Seconds: seconds, Model: first.Model}
	for i, x := range sum {
		mixed.Timbre[i] = float32(x / seconds)
	}
	return mixed, mixed.check()
}

// Cosine returns the cosine of the angle between two timbres of one model: 1 for
// the same voice, lower the less they are alike.
func (v *Voice) Cosine(w *Voice) (float64, error) {
	if err := oneModel(v, w); err != nil {
		return 0, err
	}
	var vw, vv, ww float64
	for i, x := range v.Timbre {
		x, y := float64(x), float64(w.Timbre[i])
		vw += x * y
		vv += x * x
		ww += y * y
	}
	if vv == 0 || ww == 0 {
		return 0, fmt.Errorf("%w: a timbre of zeros has no direction", ErrVoice)
	}
	return max(-1, min(1, vw/math.Sqrt(vv*ww))), nil
}

// oneModel refuses voices that two models made.
func oneModel(v, w *Voice) error {
	for _, voice := range []*Voice{v, w} {
		if err := voice.check(); err != nil {
			return err
		}
	}
	if v.Model != w.Model || len(v.Timbre) != len(w.Timbre) {
		return fmt.Errorf("%w: one was made by timbre encoder %s, the other by %s; enroll both with one checkpoint", ErrVoice, known.Label(v.Model.String()), known.Label(w.Model.String()))
	}
	return nil
}

// check refuses a voice that no codec made.
func (v *Voice) check() error {
	if len(v.Timbre) == 0 || len(v.Timbre) > maxTimbre {
		return fmt.Errorf("%w: a timbre of %s, want 1 to %d", ErrVoice, plural.Of(len(v.Timbre), "value"), maxTimbre)
	}
	if !(v.Seconds > 0) || math.IsInf(v.Seconds, 1) {
		return fmt.Errorf("%w: made from %v seconds of audio", ErrVoice, v.Seconds)
	}
	if err := codec.CheckTimbre(v.Timbre, len(v.Timbre)); err != nil {
		return fmt.Errorf("%w: %w", ErrVoice, err)
	}
	return nil
}

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
		return fmt.Errorf("%w: cut short, %s", ErrVoice, plural.Of(len(b), "byte"))
	}
	if version := le.Uint32(b[8:]); version != voiceVersion {
		return fmt.Errorf("%w: version %d, and this program reads version %d", ErrVoice, version, voiceVersion)
	}
	n := int64(le.Uint32(b[12:]))
	if want := voiceHeader + 4*n + 4; n > maxTimbre || int64(len(b)) != want {
		return fmt.Errorf("%w: %s for a timbre of %s, want %d", ErrVoice, plural.Of(len(b), "byte"), plural.Of(n, "value"), want)
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

// Save writes the voice to a file, .voice by convention, readable as the umask says.
// After an error nothing is left of it, and a file that was there is as it was.
func (v *Voice) Save(path string) error {
	b, err := v.MarshalBinary()
	if err != nil {
		return fileerr.In(path, err)
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(b); err != nil {
		return fileerr.Write(path, err)
	}
	return f.Commit()
}

// LoadVoice reads a file that Save wrote.
func LoadVoice(path string) (*Voice, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileerr.In(path, err)
	}
	defer f.Close()
	// One byte more than the largest, so that a longer file is seen to be one.
	b, err := io.ReadAll(io.LimitReader(f, voiceHeader+4*maxTimbre+4+1))
	v := &Voice{}
	if err == nil {
		err = v.UnmarshalBinary(b)
	}
	if err != nil {
		return nil, fileerr.In(path, err)
	}
	return v, nil
}

// IsVoiceFile reports whether a file is a voice file: it begins like one, or its
// name ends in .voice.
func IsVoiceFile(path string) bool { return recording.IsKind(path, ".voice", voiceMagic) }
