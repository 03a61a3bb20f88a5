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

// A Voice is the timbre of recordings, and frames of them, kept for later with what made them.
// It is what `facodec voice enroll` writes, and is used in place of reference clips.
type Voice struct {
	// Timbre is what decoders take, TimbreLen values.
	Timbre []float32
	// Seconds of audio that the timbre is a mean over: its weight when voices are
	// mixed.
	Seconds float64
	// Model is the fingerprint of the timbre encoder. The values of a timbre mean
	// nothing to another one.
	Model Fingerprint
	// Frames are codes of the recordings, of all parts and up to MaxVoiceFrames, for
	// NewVoiceDecoder, if Codec.Voice made the voice, EnrollFiles with EnrollOptions.Frames, or a VoiceEncoder after
	// KeepFrames; none otherwise. They can be decoded: who has them can hear what was said. A codec whose decoder cannot use them makes none, and a mix of voices has
	// none: its frames would be of one speaker here and another there.
	Frames Codes
	// Quantizer is the fingerprint of the quantizer that the frames are codes of. They mean nothing
	// to another one.
	Quantizer Fingerprint
	// Spectrum is the mean of the log magnitudes that the decoder predicts for voiced frames of the recordings, of the first
	// minute: the voice's, the microphone's and the room's, for NewVoiceDecoder. Nil where the codec's decoder
	// has none (decoder_type source_filter does) or was left out. What was said cannot be told from it.
	Spectrum []float32
	// Decoder is the fingerprint of the decoder whose magnitudes these are. Another one does not use them.
	Decoder Fingerprint
	// Warnings are what is likely not as it was meant of the files that EnrollFiles made
	// the voice of: ErrSilent, or less than a second of audio. They are not kept in a file.
	Warnings []error
}

// MaxVoiceFrames is how many frames a voice keeps at most: a minute of an FAcodec at 24 kHz. The
// first are kept.
const MaxVoiceFrames = 4800

// MixVoices returns the mean of voices of one model, weighted by their seconds.
// A timbre is itself a mean over the frames of clips, so this is, but for the
// rounding of a clip's length to frames, what enrolling all of the clips at once
// gives. One voice is returned as it is.
func MixVoices(voices ...*Voice) (*Voice, error) {
	if len(voices) == 0 {
		return nil, fmt.Errorf("no voice to mix: %w", ErrEmpty)
	}
	first := voices[0]
	var sum []float64
	seconds := 0.0
	for _, v := range voices {
		if err := oneModel(first, v); err != nil {
			return nil, err
		}
		if sum == nil {
			sum = make([]float64, len(first.Timbre))
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
	mixed.mixSpectra(voices)
	return mixed, mixed.check()
}

// mixSpectra gives v the mean spectrum of voices, if all have one of the same decoder.
func (v *Voice) mixSpectra(voices []*Voice) {
	first := voices[0]
	sum := make([]float64, len(first.Spectrum))
	for _, w := range voices {
		if len(w.Spectrum) == 0 || len(w.Spectrum) != len(sum) || w.Decoder != first.Decoder {
			return
		}
		for i, x := range w.Spectrum {
			sum[i] += w.Seconds * float64(x)
		}
	}
	v.Decoder = first.Decoder
	for _, x := range sum {
		v.Spectrum = append(v.Spectrum, float32(x/v.Seconds))
	}
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
	if v == nil {
		return fmt.Errorf("%w: none", ErrVoice)
	}
	if len(v.Timbre) == 0 || len(v.Timbre) > maxTimbre {
		return fmt.Errorf("%w: a timbre of %s, want 1 to %d", ErrVoice, plural.Of(len(v.Timbre), "value"), maxTimbre)
	}
	if !(v.Seconds >= minSeconds && v.Seconds <= maxSeconds) {
		return fmt.Errorf("%w: made from %v seconds of audio, want %g to %g", ErrVoice, v.Seconds, minSeconds, maxSeconds)
	}
	if err := codec.CheckTimbre(v.Timbre, len(v.Timbre)); err != nil {
		return fmt.Errorf("%w: %w", ErrVoice, err)
	}
	if len(v.Spectrum) > maxSpectrum {
		return fmt.Errorf("%w: a spectrum of %d magnitudes, want at most %d", ErrVoice, len(v.Spectrum), maxSpectrum)
	}
	for _, x := range v.Spectrum {
		if !(math.Abs(float64(x)) <= maxLogMagnitude) {
			return fmt.Errorf("%w: a log magnitude of %g in its spectrum, want -%d to %d", ErrVoice, x, maxLogMagnitude, maxLogMagnitude)
		}
	}
	frames := v.Frames.Frames()
	if frames > MaxVoiceFrames {
		return fmt.Errorf("%w: %d frames, want at most %d", ErrVoice, frames, MaxVoiceFrames)
	}
	for part, books := range v.Frames {
		if frames > 0 && (len(books) == 0 || len(books) > maxVoiceBooks) {
			return fmt.Errorf("%w: frames of %s of %v, want 1 to %d", ErrVoice, plural.Of(len(books), "book"), Part(part), maxVoiceBooks)
		}
		for _, codes := range books {
			if len(codes) != frames {
				return fmt.Errorf("%w: frames of books that differ in length", ErrVoice)
			}
			for _, code := range codes {
				if code < 0 || code > math.MaxUint16 {
					return fmt.Errorf("%w: code %d in its frames", ErrVoice, code)
				}
			}
		}
	}
	return nil
}

// The file of a voice; docs/voice.md describes it. All numbers are little-endian.
const (
	voiceMagic    = "facvoice"
	voiceVersion  = 1  // of a timbre alone
	framesVersion = 2  // of a timbre and frames
	fullVersion   = 3  // of a timbre, a spectrum, and frames or none
	voiceHeader   = 40 // bytes before the timbre
	spectrumHead  = 20 // bytes before the spectrum
	framesHeader  = 24 // bytes before the codes of frames
	maxSpectrum   = 1 << 16
	// maxLogMagnitude is more than any decoder's: magnitudes are e to the power of it.
	maxLogMagnitude = 100
	maxTimbre       = 1 << 16
	minSeconds      = 1e-6 // of audio, less than a sample
	maxSeconds      = 1e9  // 30 years
	maxVoiceBooks   = 32   // of a part
	// maxVoiceFile is the largest file.
	maxVoiceFile = voiceHeader + 4*maxTimbre + spectrumHead + 4*maxSpectrum + framesHeader + 2*int(NumParts)*maxVoiceBooks*MaxVoiceFrames + 4
)

var voiceTable = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary returns the voice as a file holds it (docs/voice.md).
func (v *Voice) MarshalBinary() ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	b := append(make([]byte, 0, voiceHeader+4*len(v.Timbre)+4), voiceMagic...)
	frames := v.Frames.Frames()
	version := uint32(voiceVersion)
	switch {
	case len(v.Spectrum) > 0:
		version = fullVersion
	case frames > 0:
		version = framesVersion
	}
	b = le.AppendUint32(b, version)
	b = le.AppendUint32(b, uint32(len(v.Timbre)))
	b = append(b, v.Model[:]...)
	b = le.AppendUint64(b, math.Float64bits(v.Seconds))
	for _, x := range v.Timbre {
		b = le.AppendUint32(b, math.Float32bits(x))
	}
	if len(v.Spectrum) > 0 {
		b = append(b, v.Decoder[:]...)
		b = le.AppendUint32(b, uint32(len(v.Spectrum)))
		for _, x := range v.Spectrum {
			b = le.AppendUint32(b, math.Float32bits(x))
		}
	}
	if frames > 0 {
		b = append(b, v.Quantizer[:]...)
		b = le.AppendUint32(b, uint32(frames))
		for _, books := range v.Frames {
			b = append(b, byte(len(books)))
		}
		b = append(b, 0)
		for _, books := range v.Frames {
			for _, codes := range books {
				for _, code := range codes {
					b = le.AppendUint16(b, uint16(code))
				}
			}
		}
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
	version := le.Uint32(b[8:])
	if version < voiceVersion || version > fullVersion {
		return fmt.Errorf("%w: version %d, and this program reads versions %d to %d", ErrVoice, version, voiceVersion, fullVersion)
	}
	n := int64(le.Uint32(b[12:]))
	if n == 0 || n > maxTimbre {
		return fmt.Errorf("%w: a timbre of %s, want 1 to %d", ErrVoice, plural.Of(n, "value"), maxTimbre)
	}
	want := voiceHeader + 4*n + 4
	var bins, frames int64
	var books []byte // of each part
	if version == fullVersion {
		if want += spectrumHead; int64(len(b)) < want {
			return fmt.Errorf("%w: cut short, %s", ErrVoice, plural.Of(len(b), "byte"))
		}
		if bins = int64(le.Uint32(b[want-8:])); bins == 0 || bins > maxSpectrum {
			return fmt.Errorf("%w: a spectrum of %s, want 1 to %d", ErrVoice, plural.Of(bins, "magnitude"), maxSpectrum)
		}
		want += 4 * bins
	}
	framesAt := want - 4
	if version == framesVersion || version == fullVersion && int64(len(b)) >= want+framesHeader {
		if want += framesHeader; int64(len(b)) < want {
			return fmt.Errorf("%w: cut short, %s", ErrVoice, plural.Of(len(b), "byte"))
		}
		head := b[framesAt:]
		frames, books = int64(le.Uint32(head[16:])), head[20:20+NumParts]
		if head[20+NumParts] != 0 {
			return fmt.Errorf("%w: byte %d of it is not 0", ErrVoice, framesAt+20+int64(NumParts))
		}
		if frames == 0 || frames > MaxVoiceFrames {
			return fmt.Errorf("%w: %s, want 1 to %d", ErrVoice, plural.Of(frames, "frame"), MaxVoiceFrames)
		}
		for _, n := range books {
			if n == 0 {
				return fmt.Errorf("%w: frames of a part without books", ErrVoice)
			}
			want += 2 * frames * int64(n)
		}
	}
	if int64(len(b)) != want {
		return fmt.Errorf("%w: %s for a timbre of %s, a spectrum of %s and %s, want %d", ErrVoice, plural.Of(len(b), "byte"), plural.Of(n, "value"), plural.Of(bins, "magnitude"), plural.Of(frames, "frame"), want)
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
	if bins > 0 {
		at := b[voiceHeader+4*n:]
		read.Decoder = Fingerprint(at[:16])
		read.Spectrum = make([]float32, bins)
		for i := range read.Spectrum {
			read.Spectrum[i] = math.Float32frombits(le.Uint32(at[spectrumHead+4*i:]))
		}
	}
	if frames > 0 {
		at := b[framesAt:]
		read.Quantizer = Fingerprint(at[:16])
		at = at[framesHeader:]
		for part, n := range books {
			for range n {
				codes := make([]int32, frames)
				for t := range codes {
					codes[t] = int32(le.Uint16(at[2*t:]))
				}
				read.Frames[part] = append(read.Frames[part], codes)
				at = at[2*frames:]
			}
		}
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
	b, err := io.ReadAll(io.LimitReader(f, int64(maxVoiceFile)+1))
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
