package dsp

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"
)

// A glide is a made-up voice: harmonics of a gliding f0 with jitter, in pieces
// with silence between them, under noise.
type glide struct {
	name     string
	from, to float64 // Hz
	tilt     float64 // of the harmonics, dB per octave
	formant  float64 // Hz of a resonance; 0: none
	weak     bool    // the fundamental is 20 dB weaker
	seconds  float64 // of each voiced piece
	hush     bool    // the silence is digital and not noise
}

func (g glide) String() string { return g.name }

var glides = []glide{
	{name: "up", from: 60, to: 500, tilt: -12, seconds: 2},
	{name: "down", from: 500, to: 60, tilt: -12, seconds: 2},
	{name: "steep tilt", from: 60, to: 500, tilt: -18, seconds: 3},
	{name: "shallow tilt", from: 60, to: 500, tilt: -6, seconds: 2},
	{name: "flat spectrum", from: 500, to: 60, tilt: -3, seconds: 3},
	{name: "formant at 600", from: 60, to: 500, tilt: -6, formant: 600, seconds: 2},
	{name: "formant at 1500", from: 500, to: 60, tilt: -9, formant: 1500, seconds: 2},
	{name: "no fundamental", from: 80, to: 400, tilt: -6, weak: true, seconds: 2},
	{name: "low", from: 60, to: 90, tilt: -6, seconds: 1},
	{name: "high", from: 350, to: 500, tilt: -12, seconds: 1},
	{name: "digital silence", from: 100, to: 300, tilt: -12, seconds: 1, hush: true},
}

const glideRate = 24000

// make returns the signal and f0 for each frame, 0 in the silences: four pieces,
// each after half a second without a voice, and half a second more.
func (g glide) make(seed uint64, jitter, snr float64) (x []float32, f0 []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	const pause = glideRate / 2
	length := int(g.seconds * glideRate)
	var truth, wave []float64
	var amplitudes []complex128
	for range 4 {
		truth = append(truth, make([]float64, pause)...)
		wave = append(wave, make([]float64, pause)...)
		phase, wander := 0.0, 1.0
		for i := range length {
			f := g.from * math.Pow(g.to/g.from, float64(i)/float64(length))
			before := math.Floor(phase)
			phase += f * wander / glideRate
			if math.Floor(phase) > before {
				wander = 1 + jitter*rng.NormFloat64() // each period is another
			}
			if i%240 == 0 {
				amplitudes = g.amplitudes(f)
			}
			// The harmonics by powers of one rotation: sines would take seconds.
			turn := cmplx.Rect(1, 2*math.Pi*phase)
			var v float64
			power := turn
			for _, a := range amplitudes {
				v += real(a)*real(power) - imag(a)*imag(power)
				power *= turn
			}
			truth, wave = append(truth, f), append(wave, v)
		}
	}
	truth = append(truth, make([]float64, pause)...)
	wave = append(wave, make([]float64, pause)...)
	var power float64
	for _, v := range wave {
		power += v * v
	}
	power /= float64(4 * length)
	deviation := math.Sqrt(power) * math.Pow(10, -snr/20)
	for i, v := range wave {
		if !g.hush || truth[i] > 0 {
			v += deviation * rng.NormFloat64()
		}
		x = append(x, float32(0.1*v/math.Sqrt(power)))
	}
	for t := 0; t < len(truth); t += StandardPitch.Hop {
		f0 = append(f0, truth[t])
	}
	return x, f0
}

// amplitudes returns those of the harmonics of f below 8 kHz.
func (g glide) amplitudes(f float64) (a []complex128) {
	for k := 1.0; k*f < 8000; k++ {
		db := g.tilt * math.Log2(k)
		if g.weak && k == 1 {
			db -= 20
		}
		if g.formant > 0 {
			db += 15 / (1 + math.Pow((k*f-g.formant)/100, 2))
		}
		a = append(a, cmplx.Rect(math.Pow(10, db/20), k*k))
	}
	return a
}

// score compares a track with the truth: the share of frames that both call
// voiced with an error of more than 5 %, and of all frames that are called wrong.
func score(track []PitchFrame, f0 []float64) (gross, voicing float64) {
	var both, far, wrong int
	for t, want := range f0 {
		got := track[t].F0
		if (got > 0) != (want > 0) {
			wrong++
		}
		if got > 0 && want > 0 {
			both++
			if math.Abs(got/want-1) > 0.05 {
				far++
			}
		}
	}
	return float64(far) / float64(both), float64(wrong) / float64(len(f0))
}

func TestPitchOfGlides(t *testing.T) {
	p := NewPitch(StandardPitch)
	var allGross, allVoicing float64
	for i, g := range glides {
		x, f0 := g.make(uint64(i), 0.01, 20)
		track := p.Track(x)
		if len(track) != len(f0) {
			t.Fatalf("%v: %d frames, want %d", g, len(track), len(f0))
		}
		gross, voicing := score(track, f0)
		t.Logf("%-16v gross error %.2f %%, voicing error %.2f %%", g, 100*gross, 100*voicing)
		if gross >= 0.01 || voicing > 0.03 || math.IsNaN(gross) {
			t.Errorf("%v: gross error on %.2f %% of frames, voicing wrong on %.2f %%", g, 100*gross, 100*voicing)
		}
		allGross += gross / float64(len(glides))
		allVoicing += voicing / float64(len(glides))
	}
	t.Logf("%-16v gross error %.2f %%, voicing error %.2f %%", "mean", 100*allGross, 100*allVoicing)
}

// TestPitchIsPrecise: steady voices without noise, to a quarter of a per cent.
func TestPitchIsPrecise(t *testing.T) {
	p := NewPitch(StandardPitch)
	for _, f := range []float64{52, 61.7, 100, 233.3, 441, 597} {
		x, f0 := glide{from: f, to: f, tilt: -12, seconds: 0.5}.make(1, 0, 90)
		track := p.Track(x)
		for i := 4; i < len(f0)-4; i++ {
			if f0[i-4] == 0 || f0[i+4] == 0 {
				continue
			}
			if got := track[i].F0; math.Abs(got/f-1) > 0.0025 {
				t.Errorf("%v Hz, frame %d: %v Hz", f, i, got)
				break
			}
		}
	}
}

func TestPitchOfNoVoice(t *testing.T) {
	p := NewPitch(StandardPitch)
	hum := make([]float32, 48000)
	for i := range hum {
		hum[i] = 2e-6 * float32(math.Sin(2*math.Pi*100*float64(i)/24000))
	}
	constant := slices.Repeat([]float32{0.3}, 48000)
	signals := map[string][]float32{
		"zeros": make([]float32, 48000), "noise": noise(48000), "faint hum": hum, "constant": constant,
		"broken": slices.Repeat([]float32{float32(math.NaN()), float32(math.Inf(1)), 0, float32(math.Inf(-1))}, 12000),
	}
	for _, f := range []float64{30, 700, 1000, 1800, 3000, 7990} { // multiples of a whistle's period are in the range of voices
		signals[fmt.Sprintf("%v Hz", f)] = tone(f, 0.3, 48000)
	}
	for name, x := range signals {
		voiced := 0
		for i, f := range p.Track(x) {
			if f.F0 != 0 {
				voiced++
			}
			if f.Voiced < 0 || f.Voiced > 1 || math.IsNaN(f.Voiced) {
				t.Fatalf("%s: frame %d: %+v", name, i, f)
			}
		}
		if voiced > 0 {
			t.Errorf("%s: %d frames with a voice", name, voiced)
		}
	}
	for n := range 500 { // shorter than a window
		if got := p.F0(constant[:n]); len(got) != (n+299)/300 || slices.Max(append(got, 0)) > 0 {
			t.Errorf("%d samples: %v", n, got)
		}
	}
}

// tone is a sine at the standard rate.
func tone(f, amplitude float64, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(amplitude * math.Sin(2*math.Pi*f*float64(i)/24000))
	}
	return x
}

// TestPitchOfTones: also at the limits of the range, faint, with an offset, after
// samples that are not numbers, and at the end of what a float can hold.
func TestPitchOfTones(t *testing.T) {
	p := NewPitch(StandardPitch)
	for _, f := range []float64{50, 60, 100, 300, 500, 600} {
		for _, amplitude := range []float64{1e-4, 1, 1e38} {
			x := tone(f, amplitude, 24000)
			for i := range x {
				x[i] += float32(amplitude)
			}
			x[10], x[20] = float32(math.NaN()), float32(math.Inf(-1))
			for i, got := range p.F0(x)[8:72] {
				if math.Abs(float64(got)/f-1) > 0.003 {
					t.Errorf("%v Hz at %v: frame %d has %v", f, amplitude, i+8, got)
					break
				}
			}
		}
	}
}

// TestPitchOfClippedSpeech: a voice that is cut off at a tenth of its peak.
func TestPitchOfClippedSpeech(t *testing.T) {
	p := NewPitch(StandardPitch)
	var c tally
	for seed := range uint64(2) {
		x, truth := speakers[2].make(seed)
		for i, v := range x {
			x[i] = min(max(-1, 10*v), 1)
		}
		c.add(p.Track(x), truth)
	}
	c.log(t, "clipped")
	if c.both == 0 || c.grossShare() > 0.01 || c.voicingShare() > 0.03 {
		t.Errorf("gross error on %.2f %%, voicing wrong on %.2f %%", 100*c.grossShare(), 100*c.voicingShare())
	}
}

// TestPitchFramesAreThoseOfTheMel: as many of them whatever the length, and each
// at the same time: a glide is met where the frame's center is, neither ahead nor
// behind.
func TestPitchFramesAreThoseOfTheMel(t *testing.T) {
	p := NewPitch(StandardPitch)
	mel := NewMel(MelConfig{FFT: 2048, Window: 1200, Hop: 300, Mels: 80, FilterRate: 24000}).Stream()
	for _, n := range []int{0, 1, 299, 300, 301, 599, 1200, 30000, 30001} {
		frames := 0
		mel.Push(make([]float32, n), true, func([]float32) { frames++ })
		mel.Reset()
		if got := p.F0(make([]float32, n)); len(got) != frames {
			t.Errorf("%d samples: %d frames, mel has %d", n, len(got), frames)
		}
	}
	for _, slope := range []float64{-150, 150} { // Hz a second
		x := make([]float32, 2*24000)
		phase := 0.0
		at := func(sample int) float64 { return 250 + slope*(float64(sample)/24000-1) }
		for i := range x {
			phase += at(i) / 24000
			x[i] = float32(math.Sin(2*math.Pi*phase) + 0.7*math.Sin(4*math.Pi*phase) + 0.5*math.Sin(6*math.Pi*phase))
		}
		var late float64
		f0 := p.F0(x)[5:155]
		for i, f := range f0 {
			late += (at((i+5)*300) - float64(f)) / slope / float64(len(f0))
		}
		if math.Abs(late) > 0.0005 {
			t.Errorf("%v Hz/s: %.2f ms late", slope, 1000*late)
		}
	}
}

// TestPitchStream: pieces of any size give the frames of the whole, also of a
// signal that never pauses, and again after Reset.
func TestPitchStream(t *testing.T) {
	p := NewPitch(StandardPitch)
	x, _ := glides[0].make(3, 0.01, 20)
	steady := make([]float32, 12*24000)
	for i := range steady { // two voices, so that the paths stay undecided
		a, b := 2*math.Pi*110*float64(i)/24000, 2*math.Pi*173*float64(i)/24000
		steady[i] = float32(math.Sin(a) + math.Sin(b))
	}
	for name, x := range map[string][]float32{"glides": x[:100001], "two voices": steady, "short": x[15000:15300]} {
		want := p.Track(x)
		if len(want) != (len(x)+299)/300 {
			t.Fatalf("%s: %d frames of %d samples", name, len(want), len(x))
		}
		s := p.Stream()
		for _, size := range []int{1, 299, 7001, len(x)} {
			if size == 1 && len(x) > 1000 {
				continue
			}
			var got []PitchFrame
			emit := func(f PitchFrame) { got = append(got, f) }
			for at := 0; at < len(x); at += size {
				s.Push(x[at:min(len(x), at+size)], false, emit)
			}
			s.Push(nil, true, emit)
			if !slices.EqualFunc(p.F0(x), want, func(f float32, w PitchFrame) bool { return f == float32(w.F0) }) {
				t.Errorf("%s: F0 has other values", name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: %d frames, want %d, or other ones", name, size, len(got), len(want))
			}
			s.Reset()
		}
	}
}

// TestPitchDoesNotAllocate: not for each frame.
func TestPitchDoesNotAllocate(t *testing.T) {
	s := NewPitch(StandardPitch).Stream()
	x, _ := glides[0].make(5, 0.01, 20)
	emit := func(PitchFrame) {}
	at := 0
	step := func() {
		s.Push(x[at:at+3000], false, emit)
		at += 3000
	}
	for at < 90000 {
		step()
	}
	if n := testing.AllocsPerRun(20, step); n > 0 {
		t.Errorf("%v allocations for ten frames", n)
	}
}

func TestPitchConfigs(t *testing.T) {
	for _, c := range []PitchConfig{
		{SampleRate: 16000, Hop: 200, Min: 60, Max: 500},
		{SampleRate: 44100, Hop: 441, Min: 50, Max: 600},
		{SampleRate: 8000, Hop: 100, Min: 70, Max: 400},
	} {
		t.Run(fmt.Sprint(c.SampleRate), func(t *testing.T) {
			x := make([]float32, c.SampleRate)
			for i := range x {
				phase := 2 * math.Pi * 150 * float64(i) / float64(c.SampleRate)
				x[i] = float32(math.Sin(phase) + 0.5*math.Sin(2*phase))
			}
			for i, f := range NewPitch(c).Track(x)[5:70] {
				if math.Abs(f.F0/150-1) > 0.005 || f.Voiced < 0.99 {
					t.Fatalf("frame %d: %+v", i+5, f)
				}
			}
		})
	}
	for _, c := range []PitchConfig{{}, {24000, 300, 600, 50}, {24000, 300, 50, 12000}, {24000, 0, 50, 600}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is taken", c)
				}
			}()
			NewPitch(c)
		}()
	}
}

func BenchmarkPitch(b *testing.B) {
	x, _ := glides[2].make(7, 0.01, 20)
	p := NewPitch(StandardPitch)
	for b.Loop() {
		p.Track(x)
	}
	b.ReportMetric(float64(len(x))/24000*float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
}
