package dataset

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// profileOf is what measure makes of samples.
func profileOf(samples []float32) *profile {
	p := &profile{block: DefaultSampleRate / 100, samples: int64(len(samples))}
	for len(samples) > 0 {
		var b block
		n := min(DefaultSampleRate/100, len(samples))
		for _, x := range samples[:n] {
			b.sum += x
			b.square += x * x
			b.peak = max(b.peak, x, -x)
		}
		p.blocks = append(p.blocks, b)
		samples = samples[n:]
	}
	return p
}

func seconds(s float64) int64 { return int64(math.Round(s * DefaultSampleRate)) }

func TestCutsLieInSilences(t *testing.T) {
	// Words of 0.7 s and pauses of 0.3 s, which are not silent but quiet, each in its
	// own way, on an offset that drifts and is louder than they are.
	var samples []float32
	for i := range 60 {
		samples = append(append(samples, tone(0.7, 0.5)...), tone(0.3, 0.002*float64(1+i*5%7))...)
	}
	for i := range samples {
		samples[i] += 0.3 + 0.3*float32(math.Cos(2*math.Pi*(float64(i)/DefaultSampleRate-0.85)))
	}
	p := profileOf(samples)
	for _, lim := range []limits{{seconds(1), seconds(25), DefaultSampleRate}, {seconds(2), seconds(5.5), DefaultSampleRate}, {seconds(3), seconds(10), DefaultSampleRate}} {
		pieces := p.cut(lim)
		if len(pieces) < 60*DefaultSampleRate/int(lim.max) {
			t.Fatalf("%v: %d pieces", lim, len(pieces))
		}
		for i, piece := range pieces[1:] {
			at := float64(piece.Start%DefaultSampleRate) / DefaultSampleRate
			if at < 0.74 || at > 0.96 {
				t.Errorf("%v: cut %d at %.2f s, which is not within a pause", lim, i, float64(piece.Start)/DefaultSampleRate)
			}
			if length := pieces[i].Samples; length < lim.max*2/3 {
				t.Errorf("%v: piece %d lasts %.2f s, and could be longer", lim, i, float64(length)/DefaultSampleRate)
			}
		}
	}
}

func TestCutIsAPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := limits{min: rapid.Int64Range(1, 5000).Draw(t, "min")}
		lim.max = lim.min + rapid.Int64Range(0, 20000).Draw(t, "range")
		p := &profile{block: DefaultSampleRate / 100, samples: rapid.Int64Range(lim.min, 200000).Draw(t, "samples")}
		for i := int64(0); i < p.samples; i += DefaultSampleRate / 100 {
			p.blocks = append(p.blocks, block{square: float32(rapid.IntRange(0, 3).Draw(t, "power"))})
		}
		pieces := p.cut(lim)
		end, last := int64(0), int64(-1)
		for i, piece := range pieces {
			if piece.Samples < lim.min || piece.Samples > lim.max || piece.Start <= last {
				t.Fatalf("piece %+v, limits %+v", piece, lim)
			}
			// Only the last one may overlap, and only where it cannot be helped.
			whole := (p.samples+lim.max-1)/lim.max*lim.min <= p.samples
			if piece.Start > end || piece.Start < end && (i < len(pieces)-1 || whole) {
				t.Fatalf("piece %d starts at %d, the one before ends at %d; %+v of %d", i, piece.Start, end, lim, p.samples)
			}
			end, last = piece.Start+piece.Samples, piece.Start
		}
		if end != p.samples {
			t.Fatalf("the pieces end at %d of %d", end, p.samples)
		}
		if p.samples <= lim.max && len(pieces) != 1 {
			t.Fatalf("%d pieces of a file that is not too long", len(pieces))
		}
	})
}

func TestEqualSilencesAreCutAtTheLast(t *testing.T) {
	p := &profile{block: DefaultSampleRate / 100, samples: seconds(10), blocks: make([]block, 1000)}
	pieces := p.cut(limits{seconds(1), seconds(6), DefaultSampleRate})
	if len(pieces) != 2 || pieces[0] != (piece{0, seconds(6)}) || pieces[1] != (piece{seconds(6), seconds(4)}) {
		t.Errorf("%v", pieces)
	}
}
