package teacher

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
)

func ask(u *Units, clips []clip) (found []int, voices []string) {
	for _, c := range clips {
		found = append(found, u.Speakers().Speaker(&Utterance{Samples: c.samples}))
		voices = append(voices, c.voice)
	}
	return found, voices
}

// TestSpeakersAreTheVoices: five people of six short recordings each, and four
// synthetic voices, are told apart with nobody saying how many there are.
func TestSpeakersAreTheVoices(t *testing.T) {
	for name, clips := range map[string][]clip{"people": people(t), "synthetic": spoken(t)} {
		for _, given := range []int{0, len(voicesOf(clips))} {
			u := learn(t, clips, Config{Units: 8, Speakers: given})
			found, voices := ask(u, clips)
			index := randIndex(found, voices)
			t.Logf("%s, %d given: %d speakers, adjusted Rand index %.3f", name, given, u.Speakers().Classes(), index)
			if n := u.Speakers().Classes(); index < 0.85 || given > 0 && n != given || n > len(voicesOf(clips))+1 {
				t.Errorf("%s, %d given: %d speakers, adjusted Rand index %.3f", name, given, n, index)
			}
		}
	}
}

func voicesOf(clips []clip) (voices []string) {
	for _, c := range clips {
		if !slices.Contains(voices, c.voice) {
			voices = append(voices, c.voice)
		}
	}
	return voices
}

// TestOneSpeakerIsOne, however many recordings there are: none is invented.
func TestOneSpeakerIsOne(t *testing.T) {
	for _, voice := range []string{"en", "es", "fr", "it", "ru"} {
		all := slices.DeleteFunc(slices.Clone(people(t)), func(c clip) bool { return c.voice != voice })
		for n := 1; n <= len(all); n++ {
			if found := learn(t, all[:n], Config{Units: 8}).Speakers().Classes(); found != 1 {
				t.Errorf("%s: %d speakers in %d recordings of one", voice, found, n)
			}
		}
	}
}

// TestABrokenRecordingIsNoSpeaker: noise among speech does not make two clusters, it
// and all the rest.
func TestABrokenRecordingIsNoSpeaker(t *testing.T) {
	clips := slices.Clone(people(t))
	random := rand.New(rand.NewPCG(1, 1))
	noise := make([]float32, 3*sampleRate)
	for i := range noise {
		noise[i] = float32(random.NormFloat64()) / 8
	}
	clips = append(clips, clip{name: "noise", voice: "noise", samples: noise}, clip{name: "silence", voice: "silence", samples: make([]float32, 2*sampleRate)})
	found, voices := ask(learn(t, clips, Config{Units: 8}), clips[:30])
	if index := randIndex(found, voices); index < 0.85 {
		t.Errorf("with noise among them, speakers are found at an adjusted Rand index of %.3f", index)
	}
}

// randomVoices are utterances of speakers that lie apart by spread times what one
// speaker varies by.
func randomVoices(speakers, each int, spread float64, seed uint64) (voices []voice, labels []int) {
	random := rand.New(rand.NewPCG(seed, 0))
	for s := range speakers {
		var center statistics
		for i := range center {
			center[i] = spread * random.NormFloat64()
		}
		for range each {
			v := voice{whole: center}
			for i := range center {
				v.whole[i] += 1.3 * random.NormFloat64()
				v.half[i] = random.NormFloat64()
			}
			voices, labels = append(voices, v), append(labels, s)
		}
	}
	return voices, labels
}

func TestHundredsOfSpeakers(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	voices, labels := randomVoices(200, 5, 3, 1)
	s := learnSpeakers(voices, 0, pool)
	var found []int
	for _, v := range voices {
		found = append(found, s.classify(&v.whole))
	}
	if index := randIndex(found, labels); index < 0.95 {
		t.Errorf("%d of 200 speakers found, adjusted Rand index %.3f", s.Classes(), index)
	}
	if s := learnSpeakers(voices[:7], 100, pool); s.Classes() > 7 {
		t.Errorf("%d speakers of 7 utterances", s.Classes())
	}
	if s := learnSpeakers(slices.Repeat(voices[:1], 20), 0, pool); s.Classes() != 1 {
		t.Errorf("%d speakers in copies of one utterance", s.Classes())
	}
	same, _ := randomVoices(1, 300, 0, 2)
	if s := learnSpeakers(same, 0, pool); s.Classes() != 1 {
		t.Errorf("%d speakers in 300 utterances of one", s.Classes())
	}
}

// TestHierarchy: merges are Ward's, the least growth of the sum of squares each time,
// and silhouettes are what their definition says.
func TestHierarchy(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	random := rand.New(rand.NewPCG(5, 5))
	const n = 14
	points := make([][]float64, n)
	for i := range points {
		points[i] = []float64{random.NormFloat64(), random.NormFloat64(), float64(i % 3)}
	}
	spread := func(labels []int) (sum float64) { // within clusters
		for l := range n {
			var members [][]float64
			for i, p := range points {
				if labels[i] == l {
					members = append(members, p)
				}
			}
			for i, p := range members {
				for _, q := range members[:i] {
					sum += squaredDistance(p, q) / float64(len(members))
				}
			}
		}
		return sum
	}
	h := newHierarchy(points)
	scores := h.silhouettes(n, pool)
	for k := n; k > 1; k-- {
		labels, next := h.cut(k), h.cut(k-1)
		least := math.Inf(1)
		for a := range k {
			for b := range a {
				merged := slices.Clone(labels)
				for i, l := range merged {
					if l == a {
						merged[i] = b
					}
				}
				least = min(least, spread(merged))
			}
		}
		if got := spread(next); got > least+1e-9 {
			t.Errorf("%d clusters: sum of squares %g, could be %g", k-1, got, least)
		}
		var want float64
		for i, p := range points {
			sum, count := make([]float64, k), make([]float64, k)
			for j, q := range points {
				if j != i {
					sum[labels[j]] += distance(p, q)
					count[labels[j]]++
				}
			}
			own := labels[i]
			if count[own] == 0 {
				continue
			}
			b := math.Inf(1)
			for l := range k {
				if l != own {
					b = min(b, sum[l]/count[l])
				}
			}
			a := sum[own] / count[own]
			want += (b - a) / max(a, b) / n
		}
		if math.Abs(scores[k]-want) > 1e-9 {
			t.Errorf("%d clusters: silhouette %g, by definition %g", k, scores[k], want)
		}
	}
}
