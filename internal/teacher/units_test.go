package teacher

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestUnitsAreLikePhones: on speech whose phones are known, mutual information and
// purity are at least three times those of random units, pauses left out. Random
// ones are the units of all frames shuffled; the stricter ones, for few units, are
// their runs shuffled, which keeps their durations. In a minute and a half of speech
// chance alone lets 64 units that last as long as phones say 0.17 of them.
func TestUnitsAreLikePhones(t *testing.T) {
	clips := spoken(t)
	for _, k := range []int{32, 64} {
		u := learn(t, clips, Config{Units: k, Seed: 1})
		var units []int32
		var phones []int
		for _, c := range clips {
			units = append(units, u.Phones(&Utterance{Samples: c.samples})...)
			phones = append(phones, c.phones...)
		}
		nmi, purity := agreement(units, phones, false)
		withPauses, purityWithPauses := agreement(units, phones, true)
		t.Logf("%d units, %d speakers, %d frames: NMI %.3f, purity %.3f; with pauses %.3f, %.3f", u.Classes(),
			u.Speakers().Classes(), len(units), nmi, purity, withPauses, purityWithPauses)
		if u.Classes() != k {
			t.Errorf("%d units instead of %d", u.Classes(), k)
		}
		random := rand.New(rand.NewPCG(1, 1))
		runs, frames := shuffled(units, random), slices.Clone(units)
		random.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		for name, by := range map[string][]int32{"runs": runs, "frames": frames} {
			nmi0, purity0 := agreement(by, phones, false)
			withPauses0, purityWithPauses0 := agreement(by, phones, true)
			t.Logf("%d units, shuffled by %s: NMI %.3f, purity %.3f; with pauses %.3f, %.3f", k, name, nmi0, purity0, withPauses0, purityWithPauses0)
			if (name == "frames" || k == 32) && (nmi < 3*nmi0 || purity < 3*purity0) {
				t.Errorf("%d units: NMI %.3f, %.3f of random ones; purity %.3f, %.3f", k, nmi, nmi0, purity, purity0)
			}
		}
	}
}

// TestUnitsDoNotHearGain, nor does the number of frames depend on anything but that
// of samples.
func TestUnitsDoNotHearGain(t *testing.T) {
	clips := people(t)
	u := learn(t, clips, Config{Units: 32})
	for _, c := range clips[:3] {
		want := u.Phones(&Utterance{Samples: c.samples})
		quiet := slices.Clone(c.samples)
		for i := range quiet {
			quiet[i] /= 16
		}
		if !slices.Equal(u.Phones(&Utterance{Samples: quiet}), want) {
			t.Errorf("%s: other units at a sixteenth of the amplitude", c.name)
		}
	}
	for _, n := range []int{0, 1, 299, 300, 301, 1025} {
		for _, x := range [][]float32{make([]float32, n), clips[0].samples[5000 : 5000+n]} {
			units := u.Phones(&Utterance{Samples: x})
			if len(units) != (n+299)/300 {
				t.Errorf("%d frames of %d samples", len(units), n)
			}
			for _, l := range units {
				if l < 0 || int(l) >= u.Classes() {
					t.Errorf("unit %d of %d", l, u.Classes())
				}
			}
		}
	}
}

// TestUnitsStandAtTheirTime: where a tone turns into another at sample 300·t, the
// unit changes at frame t.
func TestUnitsStandAtTheirTime(t *testing.T) {
	x := make([]float32, 60*hop)
	for i := range x {
		f := 400.0
		if i/(15*hop)%2 == 1 {
			f = 2500
		}
		x[i] = float32(math.Sin(2 * math.Pi * f / sampleRate * float64(i)))
	}
	u := learn(t, []clip{{name: "tones", samples: x}}, Config{Units: 2})
	units := u.Phones(&Utterance{Samples: x})
	for i, l := range units {
		if at := i % 15; at == 0 && i > 0 && units[i-2] == units[i+1] || at > 1 && at < 14 && l != units[i/15*15+2] {
			t.Fatalf("units %v", units)
		}
	}
}

// TestPathIsTheBest compares with every path there is.
func TestPathIsTheBest(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	const k, frames = 3, 7
	for range 50 {
		values := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(random.NormFloat64())
			}
			return x
		}
		u := &Units{book: newCodebook(values(k*unitDims), unitDims), change: 4 * random.Float32() * unitDims}
		rows := values(frames * unitDims)
		cost := func(path []int32) (sum float64) {
			for t, l := range path {
				for j, v := range rows[t*unitDims:][:unitDims] {
					d := float64(v - u.book.centers[int(l)*unitDims+j])
					sum += d * d
				}
				if t > 0 && path[t-1] != l {
					sum += float64(u.change)
				}
			}
			return sum
		}
		best := math.Inf(1)
		path := make([]int32, frames)
		for i := range int(math.Pow(k, frames)) {
			for t := range path {
				path[t] = int32(i % k)
				i /= k
			}
			best = min(best, cost(path))
		}
		if got := cost(u.path(rows)); got > best+1e-3 {
			t.Fatalf("a path of cost %g, the best one's is %g", got, best)
		}
	}
}
