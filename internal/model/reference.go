package model

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A conversion by the timbre alone leaves what the codes of the source tell of its voice. With
// a Reference, frames of the reference itself take the place of the source's, as in kNN-VC
// (arXiv 2305.18975), where the features are WavLM's: of each source frame the mean of the
// nearest ones, in content, prosody and pitch.
const (
	// matchFrames is of how many nearest frames the mean is taken.
	matchFrames = 4
	// matchPast is how many frames before two frames are compared, too.
	matchPast = 2
	// contentPitch and prosodyPitch are what a squared semitone weighs against the squared
	// distances of content, and of prosody and content together.
	contentPitch = 2
	prosodyPitch = 4
	// meanFrames is how many frames the reference's mean counts for in the source's, which is
	// a mean over its voiced frames so far.
	meanFrames = 10
	// A frame counts as voiced from this share of harmonics on, unless its level is so far below
	// the highest so far, or that of the reference, as logarithms of power: 35 and 50 dB.
	voicedShare  = 0.5
	voicedBelow  = 8
	loudestBelow = 11.5
)

// A voicedDecoder tells pitch, voicing and level of frames before it makes a waveform of them.
type voicedDecoder interface {
	// Predict returns what the waveform is made of, for the arguments of Forward.
	Predict(r *op.Run, x tensor.Tensor, modulations []tensor.Tensor) Spectra
	// Voicing returns the pitch of each frame in semitones, the share of harmonics at low
	// frequencies, and the logarithm of its power: [B, T, 1] each.
	Voicing(r *op.Run, s Spectra) (semitones, harmonic, levels tensor.Tensor)
	// Synthesize returns the waveform of spectra, which it takes.
	Synthesize(r *op.Run, s Spectra) tensor.Tensor
}

// Spectra are what a voicedDecoder predicts of frames: log magnitudes [B, T, bins], mixes of harmonics
// and noise [B, T, knots], and pitches [B, T, 1].
type Spectra struct{ magnitudes, mix, pitch tensor.Tensor }

// Free gives back their memory.
func (s Spectra) Free(r *op.Run) { r.Free(s.magnitudes, s.mix, s.pitch) }

// setLevels brings each frame to the logarithm of a power, [1, T, 1].
func (s Spectra) setLevels(r *op.Run, levels tensor.Tensor) {
	own := r.LogPower(s.magnitudes)
	for t := range own.T {
		change := min((levels.Row(0, t)[0]-own.Row(0, t)[0])/2, mostGain)
		row := s.magnitudes.Row(0, t)
		for k := range row {
			row[k] += change
		}
	}
	r.Free(own)
}

// mostGain is by how much a frame may be raised to a level: 12 dB, as the logarithm of a
// magnitude. What is nearly silent has noise that would be heard.
const mostGain = 1.4

// voicing is what a decoder tells of frames x before the norm, which it takes, in a voice.
func (c *Codec) voicing(r *op.Run, x tensor.Tensor, voice Modulation) (semitones, harmonic, levels tensor.Tensor) {
	d := c.Decoder.(voicedDecoder)
	s := d.Predict(r, voice.apply(r, x), voice.blocks)
	semitones, harmonic, levels = d.Voicing(r, s)
	s.Free(r)
	return semitones, harmonic, levels
}

// TakesReferences reports whether conversions can have a Reference: every part has books, and the
// decoder tells pitch and voicing, of every frame as soon as it has arrived.
func (c *Codec) TakesReferences() bool {
	_, voiced := c.Decoder.(voicedDecoder)
	return voiced && c.ISTFT.Causal && !slices.Contains(c.CodecConfig.Quantizer.Books[:], 0)
}

// A Reference is the frames of recordings of a voice, prepared for matching. It is
// read-only, and serves any number of streams.
type Reference struct {
	frames int
	parts  [NumParts]tensor.Tensor // [1, frames, latent]
	pitch  []float32               // semitones
	// Of the parts that are matched: the mean over voiced frames, the frames less this mean, and
	// the sums of their squares.
	mean    [len(matchedParts)][]float32
	centred [len(matchedParts)]tensor.Tensor
	squares [len(matchedParts)][]float32
	loudest float32 // level of its frames
}

// ReferenceBytes returns how much memory one of so many frames takes.
func (c *Codec) ReferenceBytes(frames int) int64 {
	rows := (int(NumParts) + len(matchedParts)) * tensor.Stride(c.CodecConfig.Quantizer.Latent)
	return int64(frames) * int64(4*(rows+len(matchedParts)+1))
}

// Frames returns how many they are.
func (f *Reference) Frames() int { return f.frames }

// matchedParts are those by which frames are matched.
var matchedParts = [...]Part{Prosody, Content}

// NewReference prepares codes, of every part, that were made of recordings with this timbre.
func (c *Codec) NewReference(codes Codes, timbre []float32, pool *parallel.Pool) *Reference {
	r := op.NewRun(pool)
	f := &Reference{frames: codes.Frames()}
	for part, x := range c.Quantizer.DecodeParts(r, codes) {
		f.parts[part] = tensor.New(1, f.frames, x.C)
		for t := range f.frames {
			copy(f.parts[part].Row(0, t), x.Row(0, t))
		}
		r.Free(x)
	}
	m := c.Modulation(r, timbre)
	semitones, harmonic, levels := c.voicing(r, addAll(r, f.parts[:]...), m)
	f.loudest = levels.Row(0, 0)[0]
	for t := range f.frames {
		f.pitch = append(f.pitch, semitones.Row(0, t)[0])
		f.loudest = max(f.loudest, levels.Row(0, t)[0])
	}
	voiced, isVoiced := 0, make([]bool, f.frames)
	for t := range isVoiced {
		if isVoiced[t] = harmonic.Row(0, t)[0] > voicedShare && levels.Row(0, t)[0] > f.loudest-voicedBelow; isVoiced[t] {
			voiced++
		}
	}
	for i, part := range matchedParts {
		x := f.parts[part]
		sum := make([]float64, x.C)
		for t := range f.frames {
			if voiced == 0 || isVoiced[t] {
				addTo(sum, x.Row(0, t))
			}
		}
		n := voiced
		if n == 0 { // a whisper
			n = f.frames
		}
		f.mean[i] = make([]float32, x.C)
		for k, v := range sum {
			f.mean[i][k] = float32(v / float64(n))
		}
		f.centred[i] = tensor.New(1, f.frames, x.C)
		for t := range f.frames {
			square := 0.0
			for k, v := range x.Row(0, t) {
				d := v - f.mean[i][k]
				f.centred[i].Row(0, t)[k] = d
				square += float64(d) * float64(d)
			}
			f.squares[i] = append(f.squares[i], float32(square))
		}
	}
	return f
}

func addTo(sum []float64, x []float32) {
	for k, v := range x {
		sum[k] += float64(v)
	}
}

// A matcher puts frames of a reference in the place of a stream's.
type matcher struct {
	codec     *Codec
	reference *Reference
	strength  float32
	guide     *op.Run // decodes the source's pitch in the reference's voice

	loudest  float32                      // level so far
	isVoiced []bool                       // of the frames of a block
	voiced   float64                      // frames so far
	sums     [len(matchedParts)][]float64 // over these
	// Distances of the last matchPast frames from every frame of the reference, the latest
	// first: of content, and of prosody and content.
	past    [2][matchPast][]float32
	seen    int       // frames, at most matchPast
	overall []float32 // distances of one frame with those before it
}

func newMatcher(c *Codec, f *Reference, strength float64, pool *parallel.Pool) *matcher {
	m := &matcher{codec: c, reference: f, strength: float32(strength), guide: op.NewRun(pool), overall: make([]float32, f.frames), loudest: quietest}
	for i := range m.sums {
		m.sums[i] = make([]float64, len(f.mean[i]))
	}
	for i := range m.past {
		for o := range m.past[i] {
			m.past[i][o] = make([]float32, f.frames)
		}
	}
	return m
}

// follow takes over what another matcher, which is used no more, has learned of the source.
func (m *matcher) follow(other *matcher) {
	m.guide, m.loudest, m.voiced, m.sums = other.guide, other.loudest, other.voiced, other.sums
}

// pause says that frames are left out until another matcher follows: what the guide and the next
// distances have of the frames before them is then not theirs.
func (m *matcher) pause() {
	m.guide.Reset()
	m.seen = 0
}

// reset starts another utterance.
func (m *matcher) reset() {
	m.guide.Reset()
	m.voiced, m.seen, m.loudest = 0, 0, quietest
	for _, sum := range m.sums {
		clear(sum)
	}
}

// quietest is below every level.
const quietest = -math.MaxFloat32

// decode returns the waveform of codes of prosody and content in the voice of a modulation, the
// level of each frame as it would be without the reference, equalized if eq is not nil.
func (m *matcher) decode(r *op.Run, codes Codes, voice Modulation, eq *equalizer) tensor.Tensor {
	d := m.codec.Decoder.(voicedDecoder)
	z, levels := m.frames(r, codes, voice)
	s := d.Predict(r, voice.apply(r, z), voice.blocks)
	if eq != nil {
		eq.apply(r, d, s)
	}
	s.setLevels(r, levels)
	m.guide.Free(levels)
	return d.Synthesize(r, s)
}

// frames returns the decoder's frames for codes of prosody and content, before the norm, in
// the voice of the modulation: [1, T, latent]. Those of the source and those of the reference
// are mixed by the strength, 0 to 1. The levels are those of frames of the source alone, [1, T, 1],
// of the run of the guide.
func (m *matcher) frames(r *op.Run, codes Codes, voice Modulation) (z, levels tensor.Tensor) {
	f := m.reference
	parts := m.codec.Quantizer.DecodeParts(r, Codes{Prosody: codes[Prosody], Content: codes[Content]})
	m.guide.Last = r.Last
	semitones, harmonic, levels := m.codec.voicing(m.guide, m.guide.Add(parts[Prosody], parts[Content]), voice)
	m.isVoiced = m.isVoiced[:0]
	for t := range levels.T {
		level := levels.Row(0, t)[0]
		m.loudest = max(m.loudest, level)
		m.isVoiced = append(m.isVoiced, harmonic.Row(0, t)[0] > voicedShare && level > max(m.loudest-voicedBelow, f.loudest-loudestBelow))
	}
	var distances [len(matchedParts)]tensor.Tensor
	for i, part := range matchedParts {
		distances[i] = m.distances(r, i, parts[part])
	}
	for _, voiced := range m.isVoiced {
		if voiced {
			m.voiced++
		}
	}

	z = r.Add(parts[Prosody], parts[Content])
	r.Free(parts[Prosody], parts[Content])
	for t := range z.T {
		prosody, content := distances[0].Row(0, t), distances[1].Row(0, t)
		pitch := semitones.Row(0, t)[0]
		for j, p := range f.pitch {
			square := (p - pitch) * (p - pitch)
			prosody[j] += content[j] + float32(prosodyPitch*square)
			content[j] += float32(contentPitch * square)
		}
		to := z.Row(0, t)
		for k, v := range to {
			to[k] = float32(v * (1 - m.strength))
		}
		for i, row := range [...][]float32{content, prosody} {
			nearest, n := m.nearest(i, row)
			for _, j := range nearest[:n] {
				if i == 0 {
					m.add(to, f.parts[Content].Row(0, j), n)
					m.add(to, f.parts[Residual].Row(0, j), n)
				} else {
					m.add(to, f.parts[Prosody].Row(0, j), n)
				}
			}
		}
		m.seen = min(m.seen+1, matchPast)
	}
	r.Free(distances[:]...)
	m.guide.Free(semitones, harmonic)
	return z, levels
}

// add adds one of n frames of the reference.
func (m *matcher) add(to, frame []float32, n int) {
	w := m.strength / float32(n)
	for k, v := range frame {
		to[k] += float32(v * w)
	}
}

// distances returns the squared distances of frames x [1, T, latent] of a matched part from those
// of the reference, each less the mean of its own voice: [1, T, reference].
func (m *matcher) distances(r *op.Run, part int, x tensor.Tensor) tensor.Tensor {
	f := m.reference
	centred := r.New(1, x.T, x.C)
	voiced, sum := m.voiced, m.sums[part]
	for t := range x.T {
		if m.isVoiced[t] {
			voiced++
			addTo(sum, x.Row(0, t))
		}
		to := centred.Row(0, t)
		for k, v := range x.Row(0, t) {
			to[k] = v - float32((sum[k]+meanFrames*float64(f.mean[part][k]))/(voiced+meanFrames))
		}
	}
	d := r.SquaredDistances(centred, f.centred[part], f.squares[part])
	r.Free(centred)
	return d
}

// nearest returns the n frames of the reference that are nearest, given their distances from a
// frame, to it and to the frames before it. It keeps the distances for the next frames.
func (m *matcher) nearest(kind int, distances []float32) (nearest [matchFrames]int, n int) {
	past := &m.past[kind]
	copy(m.overall, distances)
	for o, before := range past[:m.seen] {
		for j := o + 1; j < len(before); j++ {
			m.overall[j] += before[j-o-1]
		}
	}
	var least [matchFrames]float32
	for j, d := range m.overall {
		d /= float32(1 + min(j, m.seen))
		if n == matchFrames && d >= least[n-1] {
			continue
		}
		if n < matchFrames {
			n++
		}
		i := n - 1
		for ; i > 0 && d < least[i-1]; i-- {
			least[i], nearest[i] = least[i-1], nearest[i-1]
		}
		least[i], nearest[i] = d, j
	}
	oldest := past[matchPast-1]
	copy(past[1:], past[:matchPast-1])
	copy(oldest, distances)
	past[0] = oldest
	return nearest, n
}
