package live

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A ramp is a source whose samples are their positions, as many as have come.
type ramp struct{ base, have int }

func (r *ramp) fetch(dst []float32, from int) (gone, n int) {
	if from < r.base {
		return r.base - from, 0
	}
	r.base = min(max(r.base, from), r.have)
	if r.base < from {
		return 0, 0
	}
	n = min(len(dst), r.have-r.base)
	for i := range n {
		dst[i] = float32((r.base + i) % 4096)
	}
	r.base += n
	return 0, n
}

// A pair of devices as a test simulates them: pieces of so many samples, whose clocks are
// off by so much, and that come late by up to so much.
type pair struct {
	rate                int
	inPiece, outPiece   int
	inDrift, outDrift   float64
	inJitter, outJitter float64 // seconds
	lost                func(t float64) bool
	silent              func(t float64) bool
}

// simulate runs a playout over time, and calls each with the delay of what is played, in
// seconds: by the samples themselves.
func (d pair) simulate(p *playout, duration float64, each func(t, delay float64)) {
	rng := rand.New(rand.NewPCG(7, 7))
	src := &ramp{}
	out := make([]float32, d.outPiece)
	lost := 0.0 // samples that the input lost
	inRate := float64(d.rate) * (1 + d.inDrift)
	outRate := float64(d.rate) * (1 + d.outDrift)
	late := func(jitter float64) float64 { return jitter * rng.Float64() * rng.Float64() }
	at := func(t float64) time.Duration { return time.Duration(t * 1e9) }
	k, j := 1, 0
	tin, tout := float64(d.inPiece)/inRate+late(d.inJitter), 0.05+late(d.outJitter)
	for math.Min(tin, tout) < duration {
		if tin <= tout {
			if d.lost == nil || !d.lost(tin) {
				src.have += d.inPiece
				p.arrived(at(tin), float64(d.inPiece))
			} else {
				lost += float64(d.inPiece)
			}
			k++
			tin = math.Max(tin, float64(k*d.inPiece)/inRate+late(d.inJitter))
			continue
		}
		if d.silent == nil || !d.silent(tout) {
			ideal := 0.05 + float64(j*d.outPiece)/outRate
			p.play(at(tout), out, src)
			for each != nil {
				// The first sample is heard when the device, without jitter, asks for it.
				if math.Abs(float64(out[1]-out[0])-1) > 0.01 {
					break // the ramp's end, on which the filter rings
				}
				arrived := ideal*inRate - lost
				delay := math.Mod(arrived-float64(out[0])+10*4096+2048, 4096) - 2048
				each(tout, delay/inRate)
				break
			}
		}
		j++
		tout = math.Max(tout, 0.05+float64(j*d.outPiece)/outRate+late(d.outJitter))
	}
}

// TestAnHour: clocks that differ by 100 ppm and more, pieces of other sizes, jitter. After
// an hour the delay is what it was after a minute, and nothing was missing on the way.
func TestAnHour(t *testing.T) {
	for name, d := range map[string]pair{
		"100 ppm":          {rate: 500, inPiece: 10, outPiece: 10, inDrift: 100e-6},
		"-100 ppm, jitter": {rate: 500, inPiece: 10, outPiece: 12, inDrift: -100e-6, inJitter: 0.02, outJitter: 0.01},
		"both, 300 ppm":    {rate: 500, inPiece: 20, outPiece: 5, inDrift: 150e-6, outDrift: -150e-6, inJitter: 0.01},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayout(d.rate, d.rate, 0.2, false)
			var minute, hour, worst, fastest float64
			n, m, before := 0, 0, 0.0
			d.simulate(p, 3600, func(at, delay float64) {
				switch {
				case at > 55 && at < 65:
					minute += delay
					n++
				case at > 3590:
					hour += delay
					m++
				}
				if at > 60 {
					worst = max(worst, math.Abs(delay-0.2))
					fastest = max(fastest, math.Abs(p.drift-before))
				}
				before = p.drift
			})
			minute /= float64(n)
			hour /= float64(m)
			t.Logf("after a minute %.2f ms, after an hour %.2f ms, worst error after that %.2f ms, drift %.1f ppm, fastest change %.2f ppm", minute*1e3, hour*1e3, worst*1e3, p.drift*1e6, fastest*1e6)
			if math.Abs(hour-minute) > 0.001 {
				t.Errorf("delay after a minute %.2f ms, after an hour %.2f ms", minute*1e3, hour*1e3)
			}
			if p.late > 0 || p.resyncs > 0 {
				t.Errorf("%d times late, %d times set anew", p.late, p.resyncs)
			}
		})
	}
}

// TestDevices: a device that loses samples, or is gone for a while, or whose clock jumps.
// Afterwards the delay is what it was.
func TestDevices(t *testing.T) {
	between := func(a, b float64) func(float64) bool { return func(t float64) bool { return t > a && t < b } }
	base := pair{rate: 500, inPiece: 10, outPiece: 10, inDrift: 50e-6, inJitter: 0.01}
	for name, d := range map[string]pair{
		"input loses 0.1 s":      {lost: between(60, 60.1)},
		"input gone for 0.3 s":   {lost: between(60, 60.3)},
		"input gone for 10 s":    {lost: between(60, 70)},
		"output stops for 0.1 s": {silent: between(60, 60.1)},
		"output stops for 10 s":  {silent: between(60, 70)},
		"both are gone for 5 s":  {lost: between(60, 65), silent: between(60, 65)},
	} {
		t.Run(name, func(t *testing.T) {
			lost, silent := d.lost, d.silent
			d := base
			d.lost, d.silent = lost, silent
			p := newPlayout(d.rate, d.rate, 0.2, false)
			var before, after float64
			n, m := 0, 0
			d.simulate(p, 150, func(at, delay float64) {
				switch {
				case at > 50 && at < 60:
					before += delay
					n++
				case at > 130:
					after += delay
					m++
				}
			})
			before, after = before/float64(n), after/float64(m)
			t.Logf("delay before %.1f ms, after %.1f ms, set anew %d times, %d times late", before*1e3, after*1e3, p.resyncs, p.late)
			if m < 500 || math.Abs(after-before) > 0.003 {
				t.Errorf("delay before %.1f ms, after %.1f ms (%d pieces)", before*1e3, after*1e3, m)
			}
			if p.resyncs > 2 {
				t.Errorf("the delay was set anew %d times", p.resyncs)
			}
		})
	}
}

// TestConceal: a tone goes on, fades, and comes back without a click.
func TestConceal(t *testing.T) {
	const rate = 24000
	c := newConcealer(rate)
	tone := func(from, n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(0.5 * math.Sin(2*math.Pi*200*float64(from+i)/rate))
		}
		return x
	}
	want := tone(0, 6000)
	got := tone(0, 2000)
	c.good(got)
	for _, n := range []int{100, 300, 1600} {
		gap := make([]float32, n)
		c.fill(gap)
		got = append(got, gap...)
	}
	back := tone(4000, 2000)
	c.good(back)
	got = append(got, back...)
	if db := snr(got[:2000+c.hold], want[:2000+c.hold]); db < 40 {
		t.Errorf("the gap's beginning: %.1f dB", db)
	}
	if got[2000+c.hold+c.fade] != 0 || got[3999] != 0 {
		t.Error("the gap does not fade")
	}
	for i, v := range got[4000+c.blend:] {
		if v != want[4000+c.blend+i] {
			t.Fatal("other samples after the gap")
		}
	}
	if a, b := steepest(got), steepest(want); a > 3*b {
		t.Errorf("slope changes by %.4f, in the tone by %.4f", a, b)
	}
}
