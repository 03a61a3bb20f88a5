package op

import (
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TestHarmonicsOfAnyPitch: any value that a diverging network may give for a pitch or an
// envelope makes a waveform, if not always of numbers, and the values that are finite
// make finite ones.
func TestHarmonicsOfAnyPitch(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	h, slot := NewHarmonics(96, 24), NewSlot()
	source, sourceSlot := NewSourceFilter(96, 24), NewSlot()
	for _, v := range []float64{0, -1e30, 1e30, 40, -40, math.Inf(1), math.Inf(-1), math.NaN()} {
		r := NewRun(pool)
		r.Last = true
		x, envelopes, pitches := tensor.New(1, 3, 2*h.Bins()), tensor.New(1, 3, h.Channels()), tensor.New(1, 3, 1)
		for i := range 3 {
			pitches.Row(0, i)[0] = float32(v)
		}
		for name, y := range map[string]tensor.Tensor{
			"harmonic":      r.HarmonicInverseSTFT(slot, h, x, envelopes, pitches),
			"source filter": r.SourceFilter(sourceSlot, source, tensor.New(1, 3, h.Bins()), envelopes, pitches),
		} {
			if y.T != 3*24 {
				t.Fatalf("%s, %v: %d samples", name, v, y.T)
			}
			for i := range y.T {
				if s := float64(y.Row(0, i)[0]); math.IsNaN(s) || math.IsInf(s, 0) {
					t.Fatalf("%s, %v: sample %d is %v", name, v, i, s)
				}
			}
		}
	}
}

// TestVoicing: semitones and the share of harmonics are what the excitation is made of.
func TestVoicing(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	r := NewRun(pool)
	s := NewSourceFilter(1200, 300)
	pitches, mixes := tensor.New(1, 3, 1), tensor.New(1, 3, s.Channels())
	for i, v := range []float32{0, -30, 1} {
		pitches.Row(0, i)[0] = v
	}
	for i := range lowKnots {
		mixes.Row(0, 1)[i] = 30
		mixes.Row(0, 2)[i] = float32(i%2)*60 - 30
	}
	for i := lowKnots; i < s.Channels(); i++ {
		mixes.Row(0, 2)[i] = 30 // no part of it
	}
	semitones, harmonic := r.Semitones(pitches), s.Harmonic(r, mixes)
	for i, want := range [][2]float64{{12 * 1.75, 0.5}, {0, 1}, {12 * 3.5 / (1 + math.Exp(-1)), 0.5}} {
		if got := float64(semitones.Row(0, i)[0]); math.Abs(got-want[0]) > 1e-4 {
			t.Errorf("%d: %g semitones, want %g", i, got, want[0])
		}
		if got := float64(harmonic.Row(0, i)[0]); math.Abs(got-want[1]) > 1e-6 {
			t.Errorf("%d: a share of %g, want %g", i, got, want[1])
		}
	}
}

func TestSquaredDistances(t *testing.T) {
	pool := parallel.New(3)
	defer pool.Close()
	r := NewRun(pool)
	x, y := tensor.New(1, 5, 37), tensor.New(1, 70, 37)
	for i := range x.Data {
		x.Data[i] = float32(math.Sin(float64(i)))
	}
	var squares []float32
	for j := range y.T {
		sum := 0.0
		for k := range y.C {
			v := float32(math.Cos(float64(3*j + k*k)))
			y.Row(0, j)[k] = v
			sum += float64(v) * float64(v)
		}
		squares = append(squares, float32(sum))
	}
	copy(y.Row(0, 69), x.Row(0, 4))
	squares[69] = 0
	for _, v := range x.Row(0, 4) {
		squares[69] += v * v
	}
	d := r.SquaredDistances(x, y, squares)
	for i := range x.T {
		for j := range y.T {
			want := 0.0
			for k := range x.C {
				e := float64(x.Row(0, i)[k]) - float64(y.Row(0, j)[k])
				want += e * e
			}
			if got := float64(d.Row(0, i)[j]); math.Abs(got-want) > 1e-5 {
				t.Errorf("%d, %d: %g, want %g", i, j, got, want)
			}
		}
	}
}

// TestSourceFilterOnce: codecs with the same frames have one source filter, whose noise takes a
// megabyte and as long to compute as a small model to load.
func TestSourceFilterOnce(t *testing.T) {
	all := make([]*SourceFilter, 4)
	pool := parallel.New(len(all))
	defer pool.Close()
	pool.For(len(all), func(i int) { all[i] = NewSourceFilter(24, 12) })
	for _, s := range all {
		if s != all[0] {
			t.Error("another one for the same frames")
		}
	}
	if NewSourceFilter(24, 8) == all[0] || NewSourceFilter(48, 12) == all[0] {
		t.Error("the same for other frames")
	}
}

// TestSourceFilterGoesOn: a stream in chunks has the noise and the phases of the whole, also
// beyond the frames after which the noise begins again.
func TestSourceFilterGoesOn(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	s, slot := NewSourceFilter(24, 6), NewSlot()
	const frames = 2*noiseFrames + 40
	inputs := []tensor.Tensor{tensor.New(1, frames, s.Bins()), tensor.New(1, frames, s.Channels()), tensor.New(1, frames, 1)}
	for i, x := range inputs {
		for j := range frames {
			row := x.Row(0, j)
			for k := range row {
				row[k] = float32(math.Sin(float64(i + 3*j + 7*k)))
			}
		}
	}
	run := func(chunk int) (wave []float32) {
		r := NewRun(pool)
		for from := 0; from < frames; from += chunk {
			to := min(from+chunk, frames)
			r.Last = to == frames
			var part []tensor.Tensor
			for _, x := range inputs {
				p := tensor.New(1, to-from, x.C)
				for j := range to - from {
					copy(p.Row(0, j), x.Row(0, from+j))
				}
				part = append(part, p)
			}
			y := r.SourceFilter(slot, s, part[0], part[1], part[2])
			for j := range y.T {
				wave = append(wave, y.Row(0, j)[0])
			}
		}
		return wave
	}
	whole := run(frames)
	for _, chunk := range []int{1, 7, 250} {
		if got := run(chunk); !slices.Equal(got, whole) {
			t.Errorf("chunks of %d: another waveform", chunk)
		}
	}
}
