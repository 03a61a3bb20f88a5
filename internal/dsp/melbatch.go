package dsp

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
)

// melLanes is the number of frames that LogMels transforms side by side, the width of
// the rows of kernel.ScaleRows.
const melLanes = 2 * kernel.Width

// LogMels returns the first frames frames of a waveform's log-mel for each of
// mels, [frame][mel], which differ only in their filters. It is Mel.Frame in float32
// for many frames at once, to within 2e-5 and dozens of times as fast: training computes
// the log-mels of every utterance again whenever its gain changes. Waveforms of at most
// half an FFT, and FFTs that FFTSizeSupported excludes, take the way of a stream.
func LogMels(wave []float32, frames int, mels ...*Mel) [][]float32 {
	all := make([][]float32, len(mels))
	for i, m := range mels {
		all[i] = make([]float32, frames*m.Mels)
	}
	c := mels[0].MelConfig
	if len(wave) <= c.FFT/2 || !FFTSizeSupported(c.FFT) {
		for i, m := range mels {
			at := 0
			m.Stream().Push(wave, true, func(frame []float32) { at += copy(all[i][at:], frame) })
		}
		return all
	}
	if frames == 0 {
		return all
	}
	fft := NewFFT(c.FFT)
	bins := fft.Bins() * melLanes
	s := melScratches.Get().(*melScratch)
	defer melScratches.Put(s)
	s.reflect(wave, mels[0].lead(), (frames-1)*c.Hop+c.Window)
	x, re, im := grow(&s.x, c.FFT*melLanes), grow(&s.re, bins), grow(&s.im, bins)
	clear(x[c.Window*melLanes:])
	for first := 0; first < frames; first += melLanes {
		n := min(melLanes, frames-first)
		windowed := x[:c.Window*melLanes]
		if n < melLanes {
			clear(windowed)
		}
		kernel.Transpose(windowed, melLanes, s.wave[first*c.Hop:], c.Hop, n, c.Window)
		kernel.ScaleRows(windowed, mels[0].window32)
		fft.Forward(re, im, x, melLanes)
		kernel.Mul(re, re, re)
		kernel.Mul(im, im, im)
		kernel.Add(re, re, im) // the power
		for i, m := range mels {
			bands := grow(&s.bands, m.Mels*melLanes)
			m.bank.Apply(bands, re, melLanes)
			for j, v := range bands {
				bands[j] = v + MelFloor
			}
			kernel.Log(bands, bands)
			for j, v := range bands {
				bands[j] = (v + 4) / 4
			}
			kernel.Transpose(all[i][first*m.Mels:], m.Mels, bands, melLanes, m.Mels, n)
		}
	}
	return all
}

// A melScratch is the memory of a call of LogMels.
type melScratch struct{ wave, x, re, im, bands []float32 }

var melScratches = sync.Pool{New: func() any { return new(melScratch) }}

// grow returns n values in the memory of v, with whatever they hold.
func grow(v *[]float32, n int) []float32 {
	if cap(*v) < n {
		*v = make([]float32, n)
	}
	*v = (*v)[:n]
	return *v
}

// reflect puts n samples of wave into s.wave, from lead before its first one on,
// continued by reflection at both ends.
func (s *melScratch) reflect(wave []float32, lead, n int) {
	x := grow(&s.wave, n)
	for i := range min(lead, n) {
		x[i] = wave[lead-i]
	}
	if lead >= n {
		return
	}
	for i := lead + copy(x[lead:], wave); i < n; i++ {
		x[i] = wave[2*(len(wave)-1)-(i-lead)]
	}
}
