package teacher

import "math"

// statistics describe a voice by how its cepstrum is distributed over the frames
// that are not silence: the mean of every coefficient but the level, and the
// logarithms of the standard deviations of all of them and of their changes over
// 50 ms. On the recordings that this was tried on, the pitch (its median and range)
// added nothing to them.
type statistics [3*cepstra - 1]float64

const (
	// deltaReach is how many frames a change looks back and ahead.
	deltaReach = 2
	// minSpeech is the fewest frames of speech that a voice is learned from, half a
	// second.
	minSpeech = 40
	// logScale brings logarithms of deviations to about the scale of the means, for
	// the share of the diagonal in the shrunken covariance.
	logScale = 3
)

// statisticsOf describes frames from to to of an utterance.
func statisticsOf(c *cepstrogram, from, to int) (s statistics) {
	var n, changes float64
	var sum, square, change [cepstra]float64
	for t := from; t < to; t++ {
		if !c.active[t] {
			continue
		}
		n++
		for i, v := range c.rows[t] {
			sum[i] += float64(v)
			square[i] += float64(v) * float64(v)
		}
		if t >= deltaReach && t+deltaReach < len(c.rows) {
			changes++
			for i := range change {
				d := float64(c.rows[t+deltaReach][i] - c.rows[t-deltaReach][i])
				change[i] += d * d
			}
		}
	}
	if n == 0 {
		return s
	}
	for i := range sum {
		mean := sum[i] / n
		if i > 0 {
			s[i-1] = mean
		}
		s[cepstra-1+i] = logDeviation(square[i]/n - mean*mean)
		s[2*cepstra-1+i] = logDeviation(change[i] / max(changes, 1))
	}
	return s
}

func logDeviation(variance float64) float64 {
	return logScale * math.Log(math.Sqrt(max(variance, 0))+0.01)
}

// A voice is what is known of one utterance's speaker.
type voice struct {
	whole statistics
	// half is half the difference between the utterance's two halves: it varies as
	// the whole does when the same speaker says something else.
	half statistics
}

// voiceOf describes an utterance of at least minSpeech frames of speech.
func voiceOf(c *cepstrogram) voice {
	n, middle := c.speech()/2, 0
	for ; n > 0; middle++ {
		if c.active[middle] {
			n--
		}
	}
	v := voice{whole: statisticsOf(c, 0, len(c.rows))}
	first, second := statisticsOf(c, 0, middle), statisticsOf(c, middle, len(c.rows))
	for i := range v.half {
		v.half[i] = (first[i] - second[i]) / 2
	}
	return v
}
