package dsp

import "math"

// MelScales are the mel bands and the window of each scale of the mel loss (Kumar
// et al., "High-fidelity audio compression with improved RVQGAN", arXiv
// 2306.06546, and its configuration, which FAcodec shares).
var MelScales = []struct{ Mels, Window int }{
	{5, 32}, {10, 64}, {20, 128}, {40, 256}, {80, 512}, {160, 1024}, {320, 2048},
}

// SlaneyFilters builds the filterbank as librosa.filters.mel does by default. A
// filter narrower than a bin may be empty: its band is then equal in all waves.
func SlaneyFilters(rate, window, mels int) []MelFilter {
	nyquist := float64(rate) / 2
	top := slaneyMel(nyquist)
	edge := func(i int) float64 { return slaneyHz(top * float64(i) / float64(mels+1)) }
	filters := make([]MelFilter, mels)
	for i := range filters {
		low, mid, high := edge(i), edge(i+1), edge(i+2)
		for k := range window/2 + 1 {
			f := nyquist * float64(k) / float64(window/2)
			w := min((f-low)/(mid-low), (high-f)/(high-mid))
			if w <= 0 {
				continue
			}
			if filters[i].Weights == nil {
				filters[i].First = k
			}
			filters[i].Weights = append(filters[i].Weights, w*2/(high-low))
		}
	}
	return filters
}

// Slaney's scale is linear to 1 kHz, 200/3 Hz a mel, and logarithmic above, 27
// mels for a factor of 6.4.
const (
	slaneyHzPerMel = 200.0 / 3
	slaneyBreak    = 1000.0
)

var slaneyStep = math.Log(6.4) / 27

func slaneyMel(hz float64) float64 {
	if hz < slaneyBreak {
		return hz / slaneyHzPerMel
	}
	return slaneyBreak/slaneyHzPerMel + math.Log(hz/slaneyBreak)/slaneyStep
}

func slaneyHz(mel float64) float64 {
	if mel < slaneyBreak/slaneyHzPerMel {
		return mel * slaneyHzPerMel
	}
	return slaneyBreak * math.Exp(slaneyStep*(mel-slaneyBreak/slaneyHzPerMel))
}
