package live

import (
	"math"
	"time"
)

// A clockFilter follows a device's clock by what the device delivers or takes, and when:
// it returns how far the device is at any time, without the jitter of single pieces. It is
// a delay-locked loop of second order (F. Adriaensen, Using a DLL to filter time, 2005)
// whose bandwidth falls as it learns.
type clockFilter struct {
	nominal float64 // samples in a second, as the device says
	count   float64 // samples so far, exact

	started  bool
	warm     bool    // the first second, in which devices fill their buffers, is forgotten
	at       float64 // seconds, of the last piece
	position float64 // samples, estimated, at that time
	rate     float64 // samples in a second, estimated
	since    float64 // seconds, when it started
	strayed  float64 // seconds, since when pieces are far from where they should be; 0 if they are not
}

const (
	// slowest is the bandwidth that the filter ends at, in rad/s: a time constant of 50 s,
	// in which jitter of milliseconds averages out to nothing that is heard.
	slowest = 0.02
	// settling is after how many seconds the rate is better known than by the device's
	// nominal one.
	settling = 5
	// maxDrift is how far a clock is taken to be off at most. Sound cards are within
	// 200 ppm, wireless devices within a few times that.
	maxDrift = 0.001
	// outlier is by how many seconds a piece may be early or late and still count in full:
	// where the computer stalls, pieces are late by far more, and say nothing of a clock.
	outlier = 0.02
	// pause is after how many seconds without a piece the device is taken to have stopped.
	pause = 0.5
	// stray is by how many seconds pieces may come early or late for longer than a second:
	// beyond, samples were lost.
	stray = 0.03
)

// add tells the filter of n more samples.
func (f *clockFilter) add(now time.Duration, n float64) {
	t := now.Seconds()
	dt := t - f.at
	f.count += n
	if !f.started || dt > pause || dt < 0 {
		f.restart(t)
		f.warm = false
		return
	}
	if !f.warm && t-f.since > 1 {
		f.restart(t)
		f.warm = true
		return
	}
	// As a regression over all that was seen, until that is more than the loop needs.
	w := max(slowest, 2/(t-f.since+dt+0.1))
	predicted := f.position + f.rate*dt
	err := f.count - predicted
	switch {
	case math.Abs(err) < stray*f.nominal:
		f.strayed = 0
	case f.strayed == 0:
		f.strayed = t
	case t-f.strayed > 1:
		f.restart(t)
		return
	}
	err = min(max(err, -outlier*f.nominal), outlier*f.nominal)
	f.position = predicted + min(1, math.Sqrt2*w*dt)*err
	f.rate += w * w * dt * err
	f.rate = min(max(f.rate, f.nominal*(1-maxDrift)), f.nominal*(1+maxDrift))
	f.at = t
}

// restart forgets all but the count.
func (f *clockFilter) restart(t float64) {
	f.started, f.at, f.since, f.strayed = true, t, t, 0
	f.position, f.rate = f.count, f.nominal
}

// now returns the estimated position at a time.
func (f *clockFilter) now(now time.Duration) float64 {
	return f.position + f.rate*(now.Seconds()-f.at)
}

// drift returns by how much the clock is faster than its nominal rate, 0 as long as that
// is not known.
func (f *clockFilter) drift() float64 {
	if !f.settled() {
		return 0
	}
	return f.rate/f.nominal - 1
}

func (f *clockFilter) settled() bool { return f.started && f.at-f.since > settling }

// stopped says whether the device has delivered nothing for a while.
func (f *clockFilter) stopped(now time.Duration) bool {
	return !f.started || now.Seconds()-f.at > pause
}
