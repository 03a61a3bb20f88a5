package teacher

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// A clip is a recording of which something is known.
type clip struct {
	name, voice string
	samples     []float32
	phones      []int // of every frame; 0 in a pause
}

func (c clip) source() Source {
	return Source{c.name, func() ([]float32, error) { return c.samples, nil }}
}

func sources(clips []clip) (s []Source) {
	for _, c := range clips {
		s = append(s, c.source())
	}
	return s
}

// clipsOf reads testdata/<folder>; a clip's voice is its name up to the first "-".
func clipsOf(t testing.TB, folder string) (clips []clip) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.opus"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no clips in %s: %v", folder, err)
	}
	clips = make([]clip, len(paths))
	var wg sync.WaitGroup
	for i, path := range paths {
		wg.Go(func() {
			x, err := audio.ReadFile(path, sampleRate)
			if err != nil {
				t.Error(err)
			}
			name := strings.TrimSuffix(filepath.Base(path), ".opus")
			voice, _, _ := strings.Cut(name, "-")
			clips[i] = clip{name: name, voice: voice, samples: x}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return clips
}

var peopleOnce = sync.OnceValue(func() []clip { return clipsOf(&testing.T{}, "voices") })

// people are six short recordings of each of five people.
func people(t testing.TB) []clip {
	t.Helper()
	clips := peopleOnce()
	if len(clips) != 30 {
		t.Fatalf("%d recordings of people", len(clips))
	}
	return clips
}

var spokenOnce = sync.OnceValue(func() []clip { return clipsOf(&testing.T{}, "phones") })

// spoken are sentences of four synthetic voices whose phones are known.
func spoken(t testing.TB) []clip {
	t.Helper()
	clips := spokenOnce()
	text, err := os.ReadFile(filepath.Join("testdata", "phones.txt"))
	if err != nil {
		t.Fatal(err)
	}
	number := map[string]int{"pau": 0}
	spans := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		spans[fields[0]] = fields[1:]
	}
	for i := range clips {
		c := &clips[i]
		c.phones = make([]int, Frames(len(c.samples)))
		frame := 0
		for _, span := range spans[c.name] {
			phone, end, _ := strings.Cut(span, ":")
			seconds, err := strconv.ParseFloat(end, 64)
			if err != nil {
				t.Fatalf("%s: %q", c.name, span)
			}
			if _, ok := number[phone]; !ok {
				number[phone] = len(number)
			}
			for ; frame < len(c.phones) && float64(frame*hop)/sampleRate < seconds; frame++ {
				c.phones[frame] = number[phone]
			}
		}
	}
	if len(number) < 38 {
		t.Fatalf("%d phones", len(number))
	}
	return clips
}

func learn(t testing.TB, clips []clip, c Config) *Units {
	t.Helper()
	u, err := Learn(context.Background(), sources(clips), c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// agreement is the normalized mutual information of units and phones (by the mean of
// their entropies) and the purity: the share of frames whose phone is the most
// frequent of their unit. Pauses, phone 0, are left out if asked.
func agreement(units []int32, phones []int, pauses bool) (nmi, purity float64) {
	joint := map[[2]int]float64{}
	unit, phone, most := map[int]float64{}, map[int]float64{}, map[int]float64{}
	var n float64
	for i, u := range units {
		if phones[i] == 0 && !pauses {
			continue
		}
		joint[[2]int{int(u), phones[i]}]++
		unit[int(u)]++
		phone[phones[i]]++
		n++
	}
	var information, entropies float64
	for k, c := range joint {
		information += c / n * math.Log(c*n/unit[k[0]]/phone[k[1]])
		most[k[0]] = max(most[k[0]], c)
	}
	for _, m := range []map[int]float64{unit, phone} {
		for _, c := range m {
			entropies -= c / n * math.Log(c/n)
		}
	}
	for _, c := range most {
		purity += c / n
	}
	return 2 * information / entropies, purity
}

// shuffled returns the runs of equal units in random order: units of the same
// frequencies and durations that know nothing of phones.
func shuffled(units []int32, random *rand.Rand) (mixed []int32) {
	var runs [][]int32
	start := 0
	for i := range units {
		if i+1 == len(units) || units[i+1] != units[i] {
			runs = append(runs, units[start:i+1])
			start = i + 1
		}
	}
	random.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
	for _, r := range runs {
		mixed = append(mixed, r...)
	}
	return mixed
}

// randIndex is the adjusted Rand index of two partitions (Hubert and Arabie, Journal
// of Classification 2, 1985): 1 for the same, 0 on average for independent ones.
func randIndex[A, B comparable](a []A, b []B) float64 {
	type cell struct {
		a A
		b B
	}
	cells, as, bs := map[cell]float64{}, map[A]float64{}, map[B]float64{}
	for i := range a {
		cells[cell{a[i], b[i]}]++
		as[a[i]]++
		bs[b[i]]++
	}
	pairs := func(n float64) float64 { return n * (n - 1) / 2 }
	var both, inA, inB float64
	for _, n := range cells {
		both += pairs(n)
	}
	for _, n := range as {
		inA += pairs(n)
	}
	for _, n := range bs {
		inB += pairs(n)
	}
	expected := inA * inB / pairs(float64(len(a)))
	return (both - expected) / ((inA+inB)/2 - expected)
}
