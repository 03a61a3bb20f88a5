// Package scope shows recordings: it measures waveform, mel spectrogram and
// pitch in one pass and bounded memory, and draws them with the codes below each
// other.
package scope

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dsp"
)

// A Recording is what is shown of a file.
type Recording struct {
	Name  string
	Info  audio.Info
	Codes *Codes // nil without

	from, to float64 // seconds
	whole    float64 // seconds of the file; of what was read of it with Options.To
	sound    bool
	wave     series[extent]
	mel      series[spectrum]
	pitch    series[voice]
}

// Seconds returns how long the recording is, as far as it was read.
func (r *Recording) Seconds() float64 { return r.whole }

// Codes are rows of codes under each other.
type Codes struct {
	Names []string // of the rows
	Rows  [][]int32
	Rate  float64 // codes a second
}

// Frames returns the number of codes in a row.
func (c *Codes) Frames() int {
	if len(c.Rows) == 0 {
		return 0
	}
	return len(c.Rows[0])
}

// NewCodes names the rows of codes, [part][book][frame], after the parts.
func NewCodes(codes [][][]int32, part func(int) string, rate float64) *Codes {
	c := &Codes{Rate: rate}
	for i, books := range codes {
		for book, row := range books {
			name := part(i)
			if len(books) > 1 {
				name = fmt.Sprintf("%s %d", name, book+1)
			}
			c.Names, c.Rows = append(c.Names, name), append(c.Rows, row)
		}
	}
	return c
}

// Options say what to measure.
type Options struct {
	Width    int     // of the picture in pixels: how fine to be
	From, To float64 // seconds; To 0 is the end
	// Progress, if not nil, is called with the seconds done.
	Progress func(seconds float64)
}

// Rate is that of the analysis, the codec's.
const Rate = 24000

const melBands = 80

// ErrPastEnd reports that the part to show begins after the end.
type ErrPastEnd struct {
	From, Seconds float64
}

func (e *ErrPastEnd) Error() string {
	return fmt.Sprintf("the part to show begins at %g s, and the recording ends at %.2f s", e.From, e.Seconds)
}

// Silent returns a recording without sound, of which only codes are shown.
func Silent(name string, codes *Codes, o Options) (*Recording, error) {
	r := &Recording{Name: name, Codes: codes, from: o.From, whole: float64(codes.Frames()) / codes.Rate}
	return r, r.end(o)
}

// end sets where the part that is shown ends.
func (r *Recording) end(o Options) error {
	r.to = r.whole
	if o.To > 0 {
		r.to = min(r.to, o.To)
	}
	if r.from >= r.whole {
		return &ErrPastEnd{r.from, r.whole}
	}
	return nil
}

// Measure reads an audio file.
func Measure(ctx context.Context, path, name string, o Options) (*Recording, error) {
	in, err := audio.OpenWith(ctx, path, audio.Options{Rate: Rate})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	m := NewMeter(o, in.Samples())
	buf := make([]float32, 8192)
	for n := 0; !m.Full(); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err = in.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		m.Push(buf[:n])
		if o.Progress != nil {
			o.Progress(float64(m.position) / Rate)
		}
	}
	r, err := m.End(name, in.Info())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// End returns what was measured of a recording. The error is an ErrPastEnd.
func (m *Meter) End(name string, info audio.Info) (*Recording, error) {
	o := m.options
	r := &Recording{Name: name, Info: info, from: o.From, whole: float64(m.position) / Rate, sound: true}
	m.flush()
	r.wave = m.wave.series(float64(m.first)/Rate, 1.0/Rate)
	r.mel = m.mel.series((float64(m.melFirst)-0.5)*float64(m.hop)/Rate, float64(m.hop)/Rate)
	hop := float64(dsp.StandardPitch.Hop) / Rate
	r.pitch = m.pitch.series((float64(m.pitchFirst)-0.5)*hop, hop)
	return r, r.end(o)
}

// A Meter measures a signal as it comes, mono at Rate. What lies outside the part that is shown by more
// than a second is not looked at; that second lets pitch and spectrum begin and
// end as they do in the whole.
type Meter struct {
	options               Options
	position, begin, stop int // samples read, and where analysis begins and ends
	first, last           int // samples shown
	hop                   int // of the spectrogram

	spectrogram          *dsp.MelStream
	tracker              *dsp.PitchStream
	wave                 *bins[extent]
	pitch                *bins[voice]
	mel                  *bins[spectrum]
	melAt, pitchAt       int // next frames
	melFirst, pitchFirst int // first frames kept
}

// NewMeter begins a recording; samples is how many it has, -1 where that is not known.
func NewMeter(o Options, samples int64) *Meter {
	const forever = math.MaxInt
	hop := dsp.StandardPitch.Hop
	m := &Meter{options: o, first: int(o.From * Rate), last: forever, stop: forever, hop: hop}
	m.begin = max(0, m.first-Rate) / hop * hop
	if o.To > 0 {
		m.last = int(math.Ceil(o.To * Rate))
		m.stop = m.last + Rate
	}
	shown := min(int(samples), m.last) - m.first // negative where only reading can tell
	// A short part is looked at more often, for a picture without steps.
	for shown > 0 && m.hop > 75 && shown/m.hop < o.Width/2 {
		m.hop /= 2
	}
	m.wave = newBins(4*o.Width, extent.with)
	m.pitch = newBins(2*o.Width, voice.with)
	m.mel = newBins(2*o.Width, spectrum.with)
	m.spectrogram = dsp.NewMel(dsp.MelConfig{FFT: 2048, Window: 1200, Hop: m.hop, Mels: melBands, FilterRate: Rate}).Stream()
	m.tracker = dsp.NewPitch(dsp.StandardPitch).Stream()
	m.melAt, m.pitchAt = m.begin/m.hop, m.begin/hop
	m.melFirst, m.pitchFirst = -1, -1
	return m
}

// Push adds samples.
func (m *Meter) Push(x []float32) {
	for i, v := range x {
		if at := m.position + i; at >= m.first && at < m.last {
			m.wave.add(extent{v, v})
		}
	}
	skip := min(max(0, m.begin-m.position), len(x))
	m.position += len(x)
	if x = x[skip:]; len(x) > 0 {
		m.spectrogram.Push(x, false, m.addMel)
		m.tracker.Push(x, false, m.addPitch)
	}
}

// Full says whether all that is shown was measured.
func (m *Meter) Full() bool { return m.position >= m.stop }

func (m *Meter) flush() {
	m.spectrogram.Push(nil, true, m.addMel)
	m.tracker.Push(nil, true, m.addPitch)
}

func (m *Meter) addMel(frame []float32) {
	at := m.melAt
	m.melAt++
	if (at+1)*m.hop < m.first || (at-1)*m.hop > m.last {
		return
	}
	if m.melFirst < 0 {
		m.melFirst = at
	}
	s := spectrum{make([]float64, len(frame)), 1}
	for i, v := range frame {
		s.power[i] = math.Exp(4*float64(v) - 4) // the mel spectrogram's scale undone
	}
	m.mel.add(s)
}

func (m *Meter) addPitch(f dsp.PitchFrame) {
	at := m.pitchAt
	m.pitchAt++
	hop := dsp.StandardPitch.Hop
	if (at+1)*hop < m.first || (at-1)*hop > m.last {
		return
	}
	if m.pitchFirst < 0 {
		m.pitchFirst = at
	}
	v := silence
	if f.F0 > 0 {
		v = voiceOf(f.F0)
	}
	m.pitch.add(v)
}
