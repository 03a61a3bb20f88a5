package audio

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// flacSamples are smooth enough to be predicted and rough enough to test, within
// the given bits.
func flacSamples(channels, n, bits int, seed uint64) [][]int64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	limit := float64(int64(1) << (bits - 1))
	x := make([][]int64, channels)
	for c := range x {
		x[c] = make([]int64, n)
		for i := range x[c] {
			v := 0.6*math.Sin(float64(i)/7+float64(c)) + 0.001*rng.NormFloat64()
			x[c][i] = int64(math.Floor(v * limit))
		}
	}
	x[0][0], x[channels-1][n-1] = -int64(limit), int64(limit)-1
	return x
}

func flacMono(samples [][]int64, bits int) []float32 {
	out := make([]float32, len(samples[0]))
	for i := range out {
		var sum float64
		for _, c := range samples {
			sum += float64(c[i])
		}
		out[i] = float32(sum / float64(int64(1)<<(bits-1)) / float64(len(samples)))
	}
	return out
}

func checkFLAC(t *testing.T, name string, f flacFile) {
	t.Helper()
	got, info, err := readPath(writeFile(t, "x", f.build()))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want := flacMono(f.samples, f.bits)
	if len(f.samples)&(len(f.samples)-1) == 0 {
		mustEqual(t, name, got, want)
	} else {
		for i := range want { // a third is rounded once or twice
			if math.Abs(float64(got[i]-want[i])) > 1e-7 {
				t.Fatalf("%s: sample %d is %v, want %v", name, i, got[i], want[i])
			}
		}
	}
	wantInfo := Info{Format: "flac", Encoding: fmt.Sprintf("pcm_s%d", f.bits), SampleRate: f.rate, Channels: len(f.samples), Frames: int64(len(want))}
	if f.count != nil {
		wantInfo.Frames = -1
	}
	if info != wantInfo {
		t.Errorf("%s: info %+v, want %+v", name, info, wantInfo)
	}
}

var fixed2 = subframe{kind: "fixed", order: 2, param: 6}

// Every depth with every way to code a channel and two of them.
func TestFLACCodings(t *testing.T) {
	for _, bits := range []int{4, 8, 12, 16, 20, 24, 32} {
		// A parameter that suits the depth keeps unary parts short.
		param := max(0, min(bits-7, 14))
		for name, s := range map[string]subframe{
			"verbatim":         {kind: "verbatim"},
			"fixed 0":          {kind: "fixed", order: 0, param: min(bits-2, 30), wide: bits > 16, partitions: 3},
			"fixed 1":          {kind: "fixed", order: 1, param: param, partitions: 1},
			"fixed 2":          {kind: "fixed", order: 2, param: param},
			"fixed 3":          {kind: "fixed", order: 3, param: param + 1, wide: true, partitions: 4},
			"fixed 4":          {kind: "fixed", order: 4, param: param + 1, wide: true},
			"lpc 2":            {kind: "lpc", order: 2, param: param, precision: 12, shift: 9, coefs: []int64{1013, -510}},
			"lpc 32":           {kind: "lpc", order: 32, param: param, wide: true, precision: 15, shift: 14, coefs: append([]int64{16300, -3}, make([]int64, 30)...)},
			"fixed 1, escaped": {kind: "fixed", order: 1, param: -1, partitions: 2},
		} {
			if bits == 32 && s.param < 0 {
				continue // an escaped residual has at most 31 bits
			}
			if bits > 20 && s.kind != "verbatim" && s.order > 0 {
				s.param, s.wide = bits-10, true
			}
			for stereo := stereoPlain; stereo <= stereoMidSide; stereo++ {
				for channels := 1; channels <= 3; channels++ {
					if stereo != stereoPlain && (channels != 2 || bits == 32 && s.kind != "verbatim") {
						continue
					}
					f := flacFile{rate: 44100, bits: bits, samples: flacSamples(channels, 700, bits, 1), block: 256, stereo: stereo, subframe: s,
						inHeader: bits == 4}
					if bits == 32 && s.order > 0 {
						// A jump over all 32 bits would leave a residual of more, which
						// no encoder may write.
						f.samples[0][0], f.samples[channels-1][699] = f.samples[0][1], f.samples[channels-1][698]
					}
					checkFLAC(t, fmt.Sprintf("%d bits, %s, stereo %d, %d channels", bits, name, stereo, channels), f)
				}
			}
		}
	}
}

// The other features of the format, one each.
func TestFLACFeatures(t *testing.T) {
	stereo := flacSamples(2, 5000, 16, 2)
	shifted := flacSamples(1, 600, 13, 3)
	for i := range shifted[0] {
		shifted[0][i] <<= 3
	}
	constant := [][]int64{make([]int64, 100), make([]int64, 100)}
	for i := range constant[0] {
		constant[0][i], constant[1][i] = -1234, 77
	}
	base := flacFile{rate: 24000, bits: 16, samples: stereo, subframe: fixed2}
	for name, change := range map[string]func(f *flacFile){
		"wasted bits":         func(f *flacFile) { f.samples, f.subframe.wasted = shifted, 3 },
		"constant":            func(f *flacFile) { f.samples, f.subframe.kind = constant, "constant" },
		"header in info":      func(f *flacFile) { f.inHeader = true },
		"blocks vary":         func(f *flacFile) { f.blocks = []int{100, 16, 3000, 1} },
		"blocks of 16":        func(f *flacFile) { f.block = 16 }, // frame numbers past 127
		"192 kHz":             func(f *flacFile) { f.rate = 192000 },
		"no MD5":              func(f *flacFile) { f.noMD5 = true },
		"count unknown":       func(f *flacFile) { f.count = new(int64) },
		"eight channels":      func(f *flacFile) { f.samples = flacSamples(8, 300, 16, 4) },
		"other metadata":      func(f *flacFile) { f.before = append([]byte{4, 1, 0, 0}, make([]byte, 1<<16)...) },
		"the longest block":   func(f *flacFile) { f.samples, f.block = flacSamples(1, 70000, 16, 5), 65535 },
		"a block of one":      func(f *flacFile) { f.samples, f.block = [][]int64{stereo[0][:17]}, 16 },
		"predictor = block":   func(f *flacFile) { f.samples = [][]int64{stereo[0][:2]} },
		"12 bits, many bytes": func(f *flacFile) { f.samples, f.bits, f.block = flacSamples(1, 20000, 12, 6), 12, 16 },
	} {
		f := base
		change(&f)
		checkFLAC(t, name, f)
	}
}

// Tags that do not belong there, before and behind.
func TestFLACForeignTags(t *testing.T) {
	f := flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 100, 16, 7), subframe: fixed2}
	content := f.build()
	id3 := append([]byte("ID3\x04\x00\x00\x00\x00\x02\x05"), make([]byte, 2*128+5)...)
	v1 := append([]byte("TAG"), make([]byte, 125)...)
	f.count = new(int64)
	for name, c := range map[string][]byte{
		"ID3v2":                append(id3, content...),
		"ID3v1":                append(bytes.Clone(content), v1...),
		"ID3v1, count unknown": append(f.build(), v1...),
		"garbage":              append(bytes.Clone(content), "some garbage"...),
	} {
		got, _, err := readPath(writeFile(t, "x", c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		mustEqual(t, name, got, flacMono(f.samples, 16))
	}
}

// Recorded speech from a real encoder: its MD5 is right, and it is speech.
func TestFLACSpeech(t *testing.T) {
	paths, _ := filepath.Glob("../testdata/speech/*.flac")
	if len(paths) < 5 {
		t.Fatalf("%d clips of speech", len(paths))
	}
	for _, path := range paths {
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if r.dec.(*flacDecoder).sum == nil {
			t.Fatalf("%s has no MD5 to check", path)
		}
		samples, err := readAll(r)
		if err != nil {
			t.Error(err)
		}
		var power float64
		for _, x := range samples {
			power += float64(x) * float64(x)
		}
		if dB := decibels(power / float64(len(samples))); len(samples) < 32000 || dB < -40 || dB > -6 {
			t.Errorf("%s: %d samples at %.1f dB", path, len(samples), dB)
		}
	}
}

// Decoding goes on where reading stops, whatever the pieces that the stream comes in.
func TestFLACSmallReads(t *testing.T) {
	f := flacFile{rate: 24000, bits: 16, samples: flacSamples(2, 3000, 16, 10), stereo: stereoLeftSide, subframe: fixed2}
	r, err := NewReader(oneByte{bytes.NewReader(f.build())}, "x")
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "byte by byte", got, flacMono(f.samples, 16))
}

type oneByte struct{ io.Reader }

func (r oneByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(1, len(b))]) }

func BenchmarkFLAC(b *testing.B) {
	seconds := 0.0
	for b.Loop() {
		samples, err := ReadFile("../testdata/speech/ru.flac", 16000)
		if err != nil {
			b.Fatal(err)
		}
		seconds += float64(len(samples)) / 16000
	}
	b.ReportMetric(seconds/b.Elapsed().Seconds(), "x-realtime")
}
