// Package teacher labels raw speech for training: a phone for every frame, a
// speaker for every utterance, a pitch for every frame. Upstream takes the
// three from pretrained networks (Plachtaa/FAcodec, train.py).
//
// The teachers that live here need no download: content units take the place of
// phones and pseudo-speakers that of speakers, and both are learned by Learn from
// the recordings themselves, without transcripts or speaker labels. Pretrained
// teachers fit the same three interfaces.
//
// Labels are computed once for each file and kept by a Store.
package teacher

import "crypto/sha256"

// A Fingerprint stands for everything that a teacher's labels depend on beside
// the recording: its parameters, and the version of how it computes.
type Fingerprint [sha256.Size]byte

// An Utterance is what teachers see. What several of them need is computed once;
// it belongs to one goroutine at a time.
type Utterance struct {
	Samples []float32 // 24 kHz, mono
	spectra *cepstrogram
}

// Frames returns the number of frames of n samples at 24 kHz: those of Own.
func Frames(n int) int { return Own.Frames(n) }

// cepstra analyses the utterance at the first call.
func (u *Utterance) cepstra() *cepstrogram {
	if u.spectra == nil {
		u.spectra = analyse(u.Samples)
	}
	return u.spectra
}

// Phones labels every frame with what is said. Like all teachers it is safe for
// concurrent use.
type Phones interface {
	Fingerprint() Fingerprint
	// Classes returns the number of labels, which are 0 to Classes()-1.
	Classes() int
	// Phones returns Frames(len(u.Samples)) labels.
	Phones(u *Utterance) []int32
}

// Speaker labels an utterance with who speaks.
type Speaker interface {
	Fingerprint() Fingerprint
	// Classes returns the number of speakers, at least 1.
	Classes() int
	// Speaker returns one of 0 to Classes()-1.
	Speaker(u *Utterance) int
}

// Pitch gives the fundamental frequency of every frame.
type Pitch interface {
	Fingerprint() Fingerprint
	// Pitch returns Frames(len(u.Samples)) frequencies in Hz, 0 where there is no
	// voice.
	Pitch(u *Utterance) []float32
}

var (
	_ Phones  = (*Units)(nil)
	_ Speaker = (*Speakers)(nil)
)
