package dsp

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func noise(n int) []float32 {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = rng.Float32() - 0.5
	}
	return x
}

// referenceMel follows the definition to the letter: pad the whole signal, then
// cut it into frames.
func referenceMel(m *Mel, x []float32) (rows [][]float32) {
	pad := m.FFT / 2
	extended := slices.Clone(x)
	for len(extended) <= pad {
		extended = append(extended, 0)
	}
	n := len(extended)
	padded := make([]float32, 0, n+2*pad)
	for i := pad; i > 0; i-- {
		padded = append(padded, extended[i])
	}
	padded = append(padded, extended...)
	for i := range pad {
		padded = append(padded, extended[n-2-i])
	}
	padded = padded[:len(padded)-(n-len(x))]
	for t := range (len(x) + m.Hop - 1) / m.Hop {
		at := t*m.Hop + (m.FFT-m.Window)/2
		row := make([]float32, m.Mels)
		m.Frame(row, padded[at:at+m.Window])
		rows = append(rows, row)
	}
	return rows
}

func TestMelStreamIsTheDefinition(t *testing.T) {
	configs := []MelConfig{standard, {FFT: 64, Window: 41, Hop: 7, Mels: 5, FilterRate: 8000}, {FFT: 64, Window: 64, Hop: 64, Mels: 5, FilterRate: 8000}}
	for _, c := range configs {
		m := NewMel(c)
		for _, n := range []int{1, 2, c.Hop, c.Hop + 1, c.FFT/2 - 1, c.FFT / 2, c.FFT/2 + 1, c.FFT, 5*c.FFT + 3} {
			x := noise(n)
			want := referenceMel(m, x)
			for _, size := range []int{1, 3, c.Hop, 1000, n} {
				if size == 1 && n > 3000 {
					continue
				}
				t.Run(fmt.Sprintf("hop=%d n=%d by %d", c.Hop, n, size), func(t *testing.T) {
					s := m.Stream()
					for range 2 { // again after Reset
						var got [][]float32
						emit := func(frame []float32) { got = append(got, slices.Clone(frame)) }
						for at := 0; at < n; at += size {
							s.Push(x[at:min(n, at+size)], false, emit)
						}
						s.Push(nil, true, emit)
						if !reflect.DeepEqual(got, want) {
							t.Fatalf("%d frames, want %d, or other values", len(got), len(want))
						}
						s.Reset()
					}
				})
			}
		}
	}
}

func TestMelStreamOfNothing(t *testing.T) {
	NewMel(standard).Stream().Push(nil, true, func([]float32) { t.Error("a frame of no samples") })
}

func BenchmarkMelFrame(b *testing.B) {
	m := NewMel(standard)
	x, dst := noise(1200), make([]float32, 80)
	for b.Loop() {
		m.Frame(dst, x)
	}
}
