package facodec

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/recording"
)

// A VoiceEncoder finds the timbre of a voice from clips of it, as they arrive.
type VoiceEncoder struct {
	codec  *Codec
	stream codec.TimbreStream
	frames codec.EncoderStream // nil unless conversions can have a spectrum and frames of a reference
	keep   bool                // codes are kept in the voice
	codes  Codes               // of the first MaxVoiceFrames
	clip   int                 // samples of the clip that has not ended
	ended  int                 // of those that have ended
}

// NewVoiceEncoder starts a voice, with no clip.
func (c *Codec) NewVoiceEncoder() *VoiceEncoder { return c.newVoiceEncoder(wantSpectrum) }

// KeepFrames has the voice keep codes of the clips, as Codec.Voice does, for NewVoiceDecoder. It
// is called before Push; a codec whose decoder cannot use them keeps none.
func (v *VoiceEncoder) KeepFrames() {
	if v.clip == 0 && v.ended == 0 {
		*v = *v.codec.newVoiceEncoder(wantFrames)
	}
	v.keep = true
}

// What a voice is to have.
type voiceContent int

const (
	wantTimbre   voiceContent = iota // alone
	wantSpectrum                     // and where the codec's decoder has one, a spectrum
	wantFrames                       // and frames
)

func (c *Codec) newVoiceEncoder(want voiceContent) *VoiceEncoder {
	v := &VoiceEncoder{codec: c, keep: want == wantFrames}
	if c.gate.enter() == nil {
		defer c.gate.leave()
		v.stream = c.model.NewTimbreEncoder(c.model.Pool)
		books := c.Books()
		fits := c.CodebookSize() <= math.MaxUint16+1 && slices.Max(books[:]) <= maxVoiceBooks
		wanted := want == wantFrames || want == wantSpectrum && c.model.Need(codec.Decoder) == nil
		if wanted && fits && c.model.TakesReferences() && c.model.Need(codec.Encoder) == nil {
			v.frames = c.model.NewEncoder(c.model.Pool)
		}
	}
	return v
}

// Push adds samples to a clip. Samples that are not finite are refused and none
// of the piece is taken.
func (v *VoiceEncoder) Push(samples []float32) error {
	if err := v.codec.model.NeedTimbre(); err != nil {
		return fmt.Errorf("for timbres: %w", err)
	}
	if err := codec.CheckSamples(samples); err != nil {
		return err
	}
	if err := v.codec.gate.enter(); err != nil {
		return err
	}
	defer v.codec.gate.leave()
	v.clip += len(samples)
	v.stream.Push(samples)
	v.pushFrames(samples, false)
	return nil
}

// pushFrames adds samples of a clip to the frames, until there are as many as are kept.
func (v *VoiceEncoder) pushFrames(samples []float32, last bool) {
	if v.frames == nil || v.clip == 0 || v.codes.Frames() == MaxVoiceFrames {
		return
	}
	v.codes.Append(Codes(v.frames.Push(samples, last)))
	if v.codes.Frames() > MaxVoiceFrames {
		v.codes = v.codes.Slice(0, MaxVoiceFrames)
	}
	if last {
		v.frames.Reset()
	}
}

// EndClip ends a clip. What is pushed next is another clip of the same voice.
func (v *VoiceEncoder) EndClip() {
	if v.codec.gate.enter() != nil {
		return
	}
	defer v.codec.gate.leave()
	v.stream.EndClip()
	v.pushFrames(nil, true)
	v.ended += v.clip
	v.clip = 0
}

// Timbre returns the timbre of the clips that have ended, TimbreLen values: the
// mean over all of their frames. Of more than a minute it is the mean over
// windows of 30 seconds. Before a clip has ended it is ErrEmpty.
func (v *VoiceEncoder) Timbre() ([]float32, error) {
	if err := v.codec.gate.enter(); err != nil {
		return nil, err
	}
	defer v.codec.gate.leave()
	switch {
	case v.ended > 0:
		return v.stream.Timbre(), nil
	case v.clip > 0:
		return nil, fmt.Errorf("no clip of the voice has ended yet, EndClip ends one: %w", ErrEmpty)
	}
	return nil, fmt.Errorf("no samples of the voice: %w", ErrEmpty)
}

// Voice returns the voice of the clips that have ended: their timbre, how long
// they are and which model found it, and their spectrum where the codec's decoder predicts
// one, unless another clip has begun.
func (v *VoiceEncoder) Voice() (*Voice, error) {
	timbre, err := v.Timbre()
	if err != nil {
		return nil, err
	}
	voice := &Voice{Timbre: timbre, Seconds: float64(v.ended) / float64(v.codec.SampleRate()), Model: v.codec.timbreFingerprint()}
	if v.codes.Frames() == 0 || v.clip > 0 {
		return voice, nil
	}
	if v.keep {
		voice.Quantizer = v.codec.quantizerFingerprint()
		voice.Frames.Append(v.codes) // a copy: the next clips are added to these
	}
	if v.codec.model.Need(codec.Decoder) == nil {
		if err := v.codec.gate.enter(); err != nil {
			return nil, err
		}
		defer v.codec.gate.leave()
		if voice.Spectrum = v.codec.model.Spectrum(timbre, model.Codes(v.codes)); voice.Spectrum != nil {
			voice.Decoder = v.codec.decoderFingerprint()
		}
	}
	return voice, nil
}

// EnrollOptions say how EnrollFiles makes a voice. The zero value is of use.
type EnrollOptions struct {
	// Normalize brings each file to peak 1, as FileOptions.Normalize does with sources.
	Normalize bool
	// Frames also keeps codes of the clips, or those of a voice, for NewVoiceDecoder, where the codec can use them.
	Frames bool
	// Progress, if not nil, is called regularly with the seconds of all the audio that are done.
	Progress func(seconds float64)
}

// EnrollFiles returns one voice from audio files, enrolled voices (see Voice.Save) or
// both, in flat memory. The audio is one voice as VoiceEncoder makes it, each file a
// clip; with enrolled voices it is mixed by MixVoices. Clips in which nothing is heard are left out,
// which is in the voice's Warnings, and so is audio of less than a second in all; if
// nothing is heard in any of them and there is no enrolled voice, the error is ErrSilent.
func (c *Codec) EnrollFiles(ctx context.Context, paths []string, o EnrollOptions) (*Voice, error) {
	if err := c.gate.enter(); err != nil { // voice files alone need nothing of the codec's
		return nil, err
	}
	c.gate.leave()
	want := wantSpectrum
	if o.Frames {
		want = wantFrames
		isClip := func(path string) bool { return !IsVoiceFile(path) }
		if err := c.model.Need(codec.Encoder); err != nil && slices.ContainsFunc(paths, isClip) {
			return nil, fmt.Errorf("for frames: %w", err)
		}
	}
	var voices []*Voice
	var heard []string           // the clips of the voice
	var silent, warnings []error // why the others are none, and what is told if there are some
	clips := c.newVoiceEncoder(want)
	push := func(samples []float32) error {
		if err := clips.Push(samples); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(float64(clips.ended+clips.clip) / float64(c.SampleRate()))
		}
		return nil
	}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if IsVoiceFile(path) {
			v, err := LoadVoice(path)
			if err != nil {
				return nil, err
			}
			if err := c.CheckVoice(v); err != nil {
				return nil, fileerr.In(path, err)
			}
			voices = append(voices, v)
			continue
		}
		r, err := recording.Open(ctx, path, recording.Options{Rate: c.SampleRate(), Normalize: o.Normalize})
		if err != nil {
			return nil, err
		}
		why, warning, err := c.checkClip(ctx, r)
		if err != nil {
			return nil, err
		}
		if why != nil {
			silent, warnings = append(silent, why), append(warnings, warning)
			continue
		}
		if _, err := r.Read(ctx, push); err != nil {
			return nil, err
		}
		clips.EndClip()
		heard = append(heard, path)
	}
	if len(silent) > 0 && len(heard) == 0 && len(voices) == 0 {
		return nil, recording.AllSilent(silent)
	}
	if len(heard) > 0 || len(voices) == 0 {
		v, err := clips.Voice()
		if err != nil {
			return nil, err
		}
		if err := recording.CheckVoiceLength(v.Seconds); err != nil {
			warnings = append(warnings, fileerr.In(heard[0], err))
		}
		voices = append(voices, v)
	}
	v, err := MixVoices(voices...)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	v.Warnings = warnings
	if !o.Frames { // which can be decoded, and nobody asked for
		v.Frames, v.Quantizer = Codes{}, Fingerprint{}
	}
	return v, nil
}

// checkClip returns why a clip has no voice, or nil, and the warning that it is left out. It
// reads as far as the first sample that is heard, and a clip of several channels to its end.
func (c *Codec) checkClip(ctx context.Context, r recording.Recording) (why, warning, err error) {
	var peak float32
	result, err := r.Read(ctx, func(samples []float32) error {
		for _, x := range samples {
			peak = max(peak, x/float32(r.Gain), -x/float32(r.Gain))
		}
		if peak < recording.SilentPeak {
			return nil
		}
		return recording.ErrStop
	})
	if err != nil {
		return nil, nil, err
	}
	path := r.Path
	if channels := result.Info.Channels; channels > 1 {
		loudest, cancels, err := recording.Cancels(ctx, path, c.SampleRate())
		if err != nil {
			return nil, nil, err
		}
		if cancels {
			why = fmt.Errorf("%s: %w: its %s cancel each other when they are mixed; take one of them alone, channel %d say",
				path, ErrSilent, plural.Of(channels, "channel"), loudest)
			return why, fmt.Errorf("%w; left out", why), nil
		}
	}
	if peak < recording.SilentPeak {
		why = fmt.Errorf("%s: %w: its peak is %.2g of full scale; take another clip of the voice", path, ErrSilent, peak)
		return why, fmt.Errorf("%s: %w; left out", path, ErrSilent), nil
	}
	return nil, nil, nil
}

// NewVoiceDecoder starts a conversion to a voice. Where the voice has the Spectrum of its recordings, by this
// codec's decoder, what is decoded is filtered slowly until it has the same mean spectrum; levels stay. Where the voice has frames of
// its recordings, they
// take the place of the source's: of each frame of prosody and content, the mean of those
// that are nearest in content, prosody and pitch, as in kNN-VC (arXiv 2305.18975); the residual
// is theirs, too, and that of the source is not used. The level of each frame is what it would
// be by the timbre alone. match is their share, 0 to 1. More brings
// the voice nearer, less keeps words clearer. With 0, or of a voice without frames, the frames
// are the source's, and of a voice without a spectrum that is NewDecoder of the timbre. To prepare the frames takes
// as long as to decode them; of a voice that another decoder has, or that was the last one, they are prepared already.
func (c *Codec) NewVoiceDecoder(v *Voice, match float64) (*Decoder, error) {
	if err := c.model.Need(codec.Decoder); err != nil {
		return nil, err
	}
	if err := codec.CheckMatch(match); err != nil {
		return nil, err
	}
	if err := c.CheckVoice(v); err != nil {
		return nil, err
	}
	voice, err := c.prepare(v, match)
	if err != nil {
		return nil, err
	}
	return c.newDecoder(voice)
}

// prepare leaves the gate before a decoder is made, which enters it again.
func (c *Codec) prepare(v *Voice, match float64) (codec.Voice, error) {
	if err := c.gate.enter(); err != nil {
		return codec.Voice{}, err
	}
	defer c.gate.leave()
	var spectrum []float32
	if len(v.Spectrum) > 0 && v.Decoder == c.decoderFingerprint() {
		spectrum = slices.Clone(v.Spectrum)
	}
	return c.model.NewVoice(slices.Clone(v.Timbre), spectrum, model.Codes(v.Frames), match), nil
}

// CheckVoice returns an error that wraps ErrVoice if v was not made by this
// codec's timbre encoder.
func (c *Codec) CheckVoice(v *Voice) error {
	if err := v.check(); err != nil {
		return err
	}
	if own := c.timbreFingerprint(); v.Model != own {
		return fmt.Errorf("%w: made by timbre encoder %s, and this codec's is %s; enroll it again with this checkpoint",
			ErrVoice, known.Label(v.Model.String()), known.Label(own.String()))
	}
	if v.Frames.Frames() > 0 {
		if own := c.quantizerFingerprint(); v.Quantizer != own {
			return fmt.Errorf("%w: its frames are codes of quantizer %s, and this codec's is %s; enroll it again with this checkpoint",
				ErrVoice, known.Label(v.Quantizer.String()), known.Label(own.String()))
		}
		if err := c.model.CheckCodes(model.Codes(v.Frames)); err != nil {
			return fmt.Errorf("%w: its frames: %w", ErrVoice, err)
		}
	}
	if n := len(v.Spectrum); n > 0 && c.model.Need(codec.Decoder) == nil && v.Decoder == c.decoderFingerprint() && n != c.model.Bins() {
		return fmt.Errorf("%w: a spectrum of %s, and this codec's has %d", ErrVoice, plural.Of(n, "magnitude"), c.model.Bins())
	}
	return codec.CheckTimbre(v.Timbre, c.TimbreLen())
}

// decoderFingerprint is that of what spectra mean.
func (c *Codec) decoderFingerprint() Fingerprint {
	_, decoder := c.model.Fingerprints()
	return Fingerprint(decoder)
}

// quantizerFingerprint is that of what codes mean.
func (c *Codec) quantizerFingerprint() Fingerprint {
	quantizer, _ := c.model.Fingerprints()
	return Fingerprint(quantizer)
}

// timbreFingerprint is that of what turns a voice into its timbre.
func (c *Codec) timbreFingerprint() Fingerprint { return Fingerprint(c.model.TimbreFingerprint()) }
