package dsp

// melLanes is the number of frames that LogMels transforms side by side.
const melLanes = 32

// LogMels returns the first frames frames of a waveform's log-mel for each of
// mels, [frame][mel], which differ only in their filters. It is Mel.Frame in float32
// for many frames at once, dozens of times as fast: training computes the log-mels
// of every utterance again whenever its gain changes. Waveforms of at most half an
// FFT, and FFTs that FFTSizeSupported excludes, take the way of a stream.
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
	fft := NewFFT(c.FFT)
	x := make([]float32, c.FFT*melLanes)
	re, im := make([]float32, fft.Bins()*melLanes), make([]float32, fft.Bins()*melLanes)
	bands := make([][]float32, len(mels))
	for i, m := range mels {
		bands[i] = make([]float32, m.Mels*melLanes)
	}
	for first := 0; first < frames; first += melLanes {
		n := min(melLanes, frames-first)
		for l := range melLanes {
			start := (first+l)*c.Hop - mels[0].lead()
			for i, w := range mels[0].window {
				var v float32
				if l < n {
					v = float32(w * float64(wave[mirror(start+i, len(wave))]))
				}
				x[i*melLanes+l] = v
			}
		}
		fft.Forward(re, im, x, melLanes)
		for i, v := range re {
			re[i] = v*v + im[i]*im[i] // the power
		}
		for i, m := range mels {
			m.bank.Apply(bands[i], re, melLanes)
			for l := range n {
				row := all[i][(first+l)*m.Mels:][:m.Mels]
				for j := range row {
					row[j] = LogMel(float64(bands[i][j*melLanes+l]))
				}
			}
		}
	}
	return all
}

// mirror returns the index of the sample at position i of a signal of n samples that
// is reflected at both ends.
func mirror(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*(n-1) - i
	}
	return i
}
