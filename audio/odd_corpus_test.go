package audio

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const oddDir = "../testdata/audio/odd/"

// oddReference is what a reference decoder made of a file in testdata/audio/odd; see
// scripts/odd-audio.sh. Sketch is the sum of its samples with random signs, many times
// over with others: the differences of two such sums tell the energy of the difference
// of two recordings without one of them being there.
type oddReference struct {
	File    string
	Samples int
	Rate    int
	SNR     float64 // dB of what we decode, when this was written
	Energy  float64
	Sketch  []float64
}

const sketchSize = 48

func sketch(samples []float32) (energy float64, sums []float64) {
	random := rand.New(rand.NewPCG(1, 2))
	sums = make([]float64, sketchSize)
	for _, x := range samples {
		energy += float64(x) * float64(x)
		signs := random.Uint64()
		for k := range sums {
			if signs>>k&1 == 1 {
				sums[k] += float64(x)
			} else {
				sums[k] -= float64(x)
			}
		}
	}
	return energy, sums
}

// snr estimates the signal-to-noise ratio of a sketch, within about a decibel.
func (r oddReference) snr(sums []float64) float64 {
	var noise float64
	for k, x := range sums {
		noise += (x - r.Sketch[k]) * (x - r.Sketch[k])
	}
	return min(10*math.Log10(r.Energy/(noise/float64(len(sums)))), 150)
}

// Every odd file is as long as the reference decoder of its format makes it, and sounds
// the same.
func TestOddCorpus(t *testing.T) {
	if dir := os.Getenv("FACODEC_ODD_REFERENCES"); dir != "" {
		writeOddReferences(t, dir)
	}
	content, err := os.ReadFile(oddDir + "odd.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []oddReference
	if err := json.Unmarshal(content, &references); err != nil {
		t.Fatal(err)
	}
	files := oddFiles(t)
	if len(references) != len(files) {
		t.Errorf("%d references for %d files", len(references), len(files))
	}
	for _, ref := range references {
		r, err := Open(oddDir + ref.File)
		if errors.Is(err, ErrNoFFmpeg) {
			t.Logf("%s: %v", ref.File, err)
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		want := ref.SNR - 3
		if r.Info().Format == "ffmpeg" {
			want = 60 // whichever version decodes it
		}
		got, err := readAll(r)
		if err != nil || len(got) != ref.Samples || r.Rate() != ref.Rate {
			t.Errorf("%s: %d samples at %d Hz, %v; want %d at %d Hz", ref.File, len(got), r.Rate(), err, ref.Samples, ref.Rate)
		} else if _, sums := sketch(got); !(ref.snr(sums) >= want) {
			t.Errorf("%s: %.1f dB, want %.1f", ref.File, ref.snr(sums), want)
		}
		r.Close()
	}
}

func oddFiles(t *testing.T) (names []string) {
	paths, err := filepath.Glob(oddDir + "*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if name := filepath.Base(path); HasExtension(name) {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// writeOddReferences writes odd.json from the reference decoders' output.
func writeOddReferences(t *testing.T, dir string) {
	var references []oddReference
	for _, name := range oddFiles(t) {
		want, info, err := readPath(filepath.Join(dir, name+".wav"))
		if err != nil {
			t.Fatal(err)
		}
		got, gotInfo, err := readPath(oddDir + name)
		if err != nil {
			t.Fatal(err)
		}
		if gotInfo.Format == "ffmpeg" && len(got) <= len(want) {
			want = want[:len(got)] // versions of ffmpeg differ in length, but not at the start
		}
		ref := oddReference{File: name, Samples: len(want), Rate: info.SampleRate}
		ref.Energy, ref.Sketch = sketch(want)
		_, sums := sketch(got)
		ref.SNR = math.Round(ref.snr(sums)*10) / 10
		t.Logf("%s: %d samples, want %d; %.1f dB", name, len(got), len(want), ref.SNR)
		references = append(references, ref)
	}
	content, err := json.Marshal(references)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(oddDir+"odd.json", append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
