package facodec

import (
	"context"
	"fmt"
	"math"
)

// A Voice is a timbre that is kept for later, with what made it. It is what
// `facodec voice enroll` writes, and stands wherever a reference clip does.
type Voice struct {
	// Timbre is what decoders take, LatentDim values.
	Timbre []float32
	// Seconds of audio that the timbre is a mean over: its weight when voices are
	// mixed.
	Seconds float64
	// Model is the fingerprint of the timbre encoder. The values of a timbre mean
	// nothing to another one.
	Model Fingerprint
}

// Voice returns the voice of the clips that have ended: their timbre, how long
// they are and which model says so.
func (v *VoiceEncoder) Voice() (*Voice, error) {
	timbre, err := v.Timbre()
	if err != nil {
		return nil, err
	}
	return &Voice{Timbre: timbre, Seconds: float64(v.total) / float64(v.codec.SampleRate()), Model: v.codec.timbreFingerprint()}, nil
}

// VoiceOfFiles returns one voice from audio files, enrolled voices (see
// Voice.Save) or both, in flat memory. The audio is one voice as TimbreOfFiles
// makes it; with enrolled ones it is mixed by MixVoices.
func (c *Codec) VoiceOfFiles(ctx context.Context, paths ...string) (*Voice, error) {
	return c.enroll(ctx, paths, FileOptions{})
}

// NormalizedVoiceOfFiles is VoiceOfFiles with each audio file brought to peak 1, as
// Normalize of FileOptions does with sources.
func (c *Codec) NormalizedVoiceOfFiles(ctx context.Context, paths ...string) (*Voice, error) {
	return c.enroll(ctx, paths, FileOptions{Normalize: true})
}

// EnrollFiles is VoiceOfFiles with a progress, if not nil, that is told how many
// seconds of all the audio have been heard.
func (c *Codec) EnrollFiles(ctx context.Context, paths []string, progress func(seconds float64)) (*Voice, error) {
	return c.enroll(ctx, paths, FileOptions{Progress: progress})
}

func (c *Codec) enroll(ctx context.Context, paths []string, o FileOptions) (*Voice, error) {
	var voices []*Voice
	clips := c.NewVoiceEncoder()
	hear := func(samples []float32) error {
		if err := clips.Push(samples); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(float64(clips.total) / float64(c.SampleRate()))
		}
		return nil
	}
	for _, path := range paths {
		if IsVoiceFile(path) {
			v, err := LoadVoice(path)
			if err != nil {
				return nil, err
			}
			if err := c.CheckVoice(v); err != nil {
				return nil, inFile(path, err)
			}
			voices = append(voices, v)
			continue
		}
		gain, err := c.gainOf(ctx, path, o)
		if err != nil {
			return nil, err
		}
		if _, err := c.readFile(ctx, path, scaled(gain, hear)); err != nil {
			return nil, err
		}
		clips.EndClip()
	}
	if clips.total > 0 || len(voices) == 0 {
		v, err := clips.Voice()
		if err != nil {
			return nil, err
		}
		voices = append(voices, v)
	}
	return MixVoices(voices...)
}

// CheckVoice returns an error that wraps ErrVoice if v was not made by this
// codec's timbre encoder.
func (c *Codec) CheckVoice(v *Voice) error {
	if err := v.check(); err != nil {
		return err
	}
	if own := c.timbreFingerprint(); v.Model != own {
		return fmt.Errorf("%w: made by timbre encoder %v, and this codec's is %v; enroll it anew with this checkpoint",
			ErrVoice, v.Model, own)
	}
	return checkTimbre(v.Timbre, c.LatentDim())
}

// timbreFingerprint is that of what turns a voice into its timbre.
func (c *Codec) timbreFingerprint() Fingerprint { return c.model.TimbreFingerprint() }

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
	mixed := &Voice{Timbre: make([]float32, len(sum)), Seconds: seconds, Model: first.Model}
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
		return fmt.Errorf("%w: one was made by timbre encoder %v, the other by %v; enroll both with one checkpoint", ErrVoice, v.Model, w.Model)
	}
	return nil
}

// check refuses a voice that no codec made.
func (v *Voice) check() error {
	if len(v.Timbre) == 0 || len(v.Timbre) > maxTimbre {
		return fmt.Errorf("%w: a timbre of %d values, want 1 to %d", ErrVoice, len(v.Timbre), maxTimbre)
	}
	if !(v.Seconds > 0) || math.IsInf(v.Seconds, 1) {
		return fmt.Errorf("%w: made from %v seconds of audio", ErrVoice, v.Seconds)
	}
	if err := checkTimbre(v.Timbre, len(v.Timbre)); err != nil {
		return fmt.Errorf("%w: %w", ErrVoice, err)
	}
	return nil
}
