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
				arrived := ideal * inRate
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
		"100 ppm":          {rate: 1000, inPiece: 10, outPiece: 10, inDrift: 100e-6},
		"-100 ppm, jitter": {rate: 1000, inPiece: 10, outPiece: 12, inDrift: -100e-6, inJitter: 0.02, outJitter: 0.01},
		"both, 300 ppm":    {rate: 1000, inPiece: 20, outPiece: 5, inDrift: 150e-6, outDrift: -150e-6, inJitter: 0.01},
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
