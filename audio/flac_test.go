package audio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
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

// At no bit of a file can damage pass: every bit behind the metadata flipped, every
// length cut. The checksums alone find it; without an MD5, too.
func TestFLACDamage(t *testing.T) {
	for _, noMD5 := range []bool{false, true} {
		f := flacFile{rate: 16000, bits: 16, samples: flacSamples(2, 150, 16, 8), block: 64, stereo: stereoMidSide, subframe: fixed2, noMD5: noMD5}
		content := f.build()
		const metadata = 4 + 4 + 34 + 4 + 3
		for i := 8 * metadata; i < 8*len(content); i++ {
			damaged := bytes.Clone(content)
			damaged[i/8] ^= 0x80 >> (i % 8)
			err := readStream(damaged)
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("bit %d of byte %d flipped: %v", i%8, i/8, err)
			}
			checkMessage(t, err, "read damaged: ")
		}
		for n := 4; n < len(content); n++ {
			if err := readStream(content[:n]); !errors.Is(err, ErrTruncated) {
				t.Fatalf("cut to %d of %d bytes: %v", n, len(content), err)
			}
		}
		err := readStream(content[:len(content)-1])
		checkMessage(t, err, "22 of 150 samples are missing")
	}
}

func readStream(content []byte) error {
	r, err := NewReader(bytes.NewReader(content), "damaged")
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = readAll(r)
	return err
}

func TestFLACFaults(t *testing.T) {
	base := flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 200, 16, 9), block: 64, subframe: fixed2}
	plain := base.build()
	const info = 8 // where STREAMINFO begins
	frames := bytes.Index(plain, []byte{0xFF, 0xF8})
	frame := func(i int) []byte { return base.frame(i, 64*i, min(64, 200-64*i)) }
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{plain[:frames]}, parts...), nil) }
	with := func(change func(f *flacFile)) []byte {
		f := base
		change(&f)
		return f.build()
	}
	set := func(at int, b ...byte) []byte {
		c := bytes.Clone(plain)
		copy(c[at:], b)
		return c
	}
	count := func(n int64) []byte { return with(func(f *flacFile) { f.count = &n }) }
	for name, c := range map[string]struct {
		content []byte
		fault   error
		say     string
	}{
		"other first block":   {set(4, 4), ErrCorrupt, "STREAMINFO"},
		"short first block":   {set(7, 33), ErrCorrupt, "33 bytes"},
		"second STREAMINFO":   {with(func(f *flacFile) { f.before = []byte{0, 0, 0, 1, 0} }), ErrCorrupt, "type 0"},
		"block type 127":      {with(func(f *flacFile) { f.before = []byte{127, 0, 0, 0} }), ErrCorrupt, "type 127"},
		"metadata too long":   {with(func(f *flacFile) { f.before = []byte{4, 255, 255, 255} }), ErrTruncated, "metadata"},
		"metadata only":       {plain[:frames], ErrTruncated, "200 of 200 samples are missing"},
		"nothing, unknown":    {count(0)[:frames], ErrEmpty, "no samples"},
		"block size 0":        {set(info, 0, 0, 0, 0), ErrCorrupt, "blocks"},
		"more than declared":  {count(199), ErrCorrupt, "199"},
		"a frame more":        {count(192), ErrCorrupt, "192"},
		"less than declared":  {count(201), ErrTruncated, "1 of 201"},
		"claims 2^36":         {count(1<<36 - 1), ErrTruncated, "missing"},
		"wrong MD5":           {set(info+18, 1, 2, 3, 4), ErrCorrupt, "MD5"},
		"frame lost":          {join(frame(0), frame(2), frame(3)), ErrCorrupt, "frame number 2"},
		"frame twice":         {join(frame(0), frame(0), frame(1)), ErrCorrupt, "frame number 0"},
		"garbage between":     {join(frame(0), []byte("garbage"), frame(1)), ErrCorrupt, "at sample 64: no frame"},
		"rate changes":        {join(frame(0), flacFile{rate: 22050, bits: 16, samples: base.samples, subframe: fixed2}.frame(1, 64, 64)), ErrUnsupported, "22050 Hz"},
		"depth changes":       {join(frame(0), flacFile{rate: 24000, bits: 24, samples: base.samples, subframe: fixed2}.frame(1, 64, 64)), ErrUnsupported, "24 bits"},
		"block too long":      {join(base.frame(0, 0, 65)), ErrCorrupt, "65 samples"},
		"17 bits in 16":       {join(flacFile{rate: 24000, bits: 16, samples: [][]int64{{0, 1 << 15}}, subframe: subframe{kind: "fixed", order: 1, param: 14}}.frame(0, 0, 2)), ErrCorrupt, "more than 16 bits"},
		"all bits wasted":     {join(flacFile{rate: 24000, bits: 16, samples: base.samples, subframe: subframe{kind: "verbatim", wasted: 16}}.frame(0, 0, 64)), ErrCorrupt, "no bits"},
		"residual of 33 bits": {join(flacFile{rate: 24000, bits: 16, samples: [][]int64{{1 << 40}}, subframe: subframe{kind: "fixed", param: 30, wide: true}}.frame(0, 0, 1)), ErrCorrupt, "residual"},
		"negative shift":      {join(flacFile{rate: 24000, bits: 16, samples: base.samples, subframe: subframe{kind: "lpc", order: 1, coefs: []int64{1}, precision: 5, shift: 16, param: 9}}.frame(0, 0, 64)), ErrCorrupt, "shift"},
		"precision 16":        {join(flacFile{rate: 24000, bits: 16, samples: base.samples, subframe: subframe{kind: "lpc", order: 1, coefs: []int64{1}, precision: 16, param: 9}}.frame(0, 0, 64)), ErrCorrupt, "precision"},
	} {
		path := writeFile(t, "x.flac", c.content)
		got, _, err := readPath(path)
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %d samples and error %v, want %v", name, len(got), err, c.fault)
			continue
		}
		checkMessage(t, err, path, c.say)
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

// The bit reader against bits taken one by one from the bytes.
func TestBitReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "content")
		br := newBitReader(bytes.NewReader(content))
		pos := 0
		bit := func() uint64 {
			x := uint64(content[pos/8]>>(7-pos%8)) & 1
			pos++
			return x
		}
		for {
			n := rapid.IntRange(0, 56).Draw(t, "bits")
			if pos+n > 8*len(content) {
				br.bits(n)
				if br.err != io.ErrUnexpectedEOF || br.bits(1) != 0 {
					t.Fatalf("at the end: %v", br.err)
				}
				return
			}
			var want uint64
			for range n {
				want = want<<1 | bit()
			}
			if got := br.bits(n); got != want || br.err != nil {
				t.Fatalf("%d bits before %d: %#x, want %#x (%v)", n, pos, got, want, br.err)
			}
			if last := content[len(content)-1]; pos < 8*len(content) && last&1 == 1 {
				want = 0
				for bit() == 0 {
					want++
				}
				if got := br.unary(); got != want {
					t.Fatalf("unary before %d: %d, want %d", pos, got, want)
				}
			}
		}
	})
}

func TestCRCTables(t *testing.T) {
	check := []byte("123456789")
	br := newBitReader(bytes.NewReader(check))
	br.startSum()
	br.bits(56)
	br.bits(16)
	// The published check values of CRC-8 (SMBUS) and CRC-16 (UMTS).
	if got := crc8(check); got != 0xF4 {
		t.Errorf("CRC-8 %#x, want 0xf4", got)
	}
	if got := br.sumUp(); got != 0xFEE8 {
		t.Errorf("CRC-16 %#x, want 0xfee8", got)
	}
}

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
