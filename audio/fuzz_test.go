package audio

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
)

// fuzzRead decodes content as far as it goes and holds the package's promises: no
// panic, errors from the documented list, finite samples, and no more of them than
// the content can hold.
func fuzzRead(t *testing.T, content []byte, perByte int) {
	path := t.TempDir() + "/x"
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile, fileErr := fuzzDrain(t, func() (*Reader, error) { return Open(path) }, perByte*len(content))
	fromStream, streamErr := fuzzDrain(t, func() (*Reader, error) { return NewReader(bytes.NewReader(content), "x") }, perByte*len(content))
	// A file shows some faults earlier than a stream, and an ID3 tag is only
	// skipped in a file; what both accept is the same.
	if fileErr == io.EOF && streamErr == io.EOF {
		mustEqual(t, "stream and file", fromStream, fromFile)
	}
	if fileErr == io.EOF && streamErr != io.EOF && !bytes.HasPrefix(content, []byte("ID3")) {
		t.Fatalf("accepted as a file, but not as a stream: %v", streamErr)
	}
}

func fuzzDrain(t *testing.T, open func() (*Reader, error), limit int) ([]float32, error) {
	r, err := open()
	var all []float32
	if err == nil {
		defer r.Close()
		info := r.Info()
		if info.SampleRate < MinRate || info.SampleRate > MaxRate || info.Channels < 1 || info.Frames == 0 || info.Frames < -1 {
			t.Fatalf("info %+v", info)
		}
		buf := make([]float32, 777)
		for {
			var n int
			if n, err = r.Read(buf); err != nil {
				break
			}
			if n == 0 {
				t.Fatal("0 samples and no error")
			}
			all = append(all, buf[:n]...)
			if len(all) > limit {
				t.Fatalf("more than %d samples", limit)
			}
		}
		// The header of a stream may tell of one frame more, of which there is a part.
		part := strings.Contains(strings.Join(r.Notices(), ""), "the last frame has") && info.Frames == int64(len(all))+1
		if err == io.EOF && info.Frames >= 0 && info.Frames != int64(len(all)) && !part {
			t.Fatalf("%d samples, %d announced", len(all), info.Frames)
		}
	}
	for i, x := range all {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatalf("sample %d is %v", i, x)
		}
	}
	if err == io.EOF {
		return all, err
	}
	for _, known := range []error{ErrEmpty, ErrTruncated, ErrCorrupt, ErrUnsupported, ErrNotFinite, ErrRate, ErrNoFFmpeg} {
		if errors.Is(err, known) {
			checkMessage(t, err, "read ")
			return all, err
		}
	}
	t.Fatalf("an error of no known kind: %v", err)
	return nil, nil
}

func FuzzWAV(f *testing.F) {
	f.Setenv("PATH", f.TempDir()) // without ffmpeg
	for _, bits := range []int{8, 16, 24, 32} {
		wav := wavFile{tag: wavPCM, channels: 2, rate: 24000, bits: bits, data: make([]byte, bits*2)}
		f.Add(wav.build())
		wav.extensible, wav.valid = true, bits
		f.Add(wav.build())
		wav.dataSize = u32(0)
		f.Add(wav.build())
	}
	f.Add(wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: 32, data: encodeFloats(littleEndian, 32, 1, math.NaN())}.build())
	f.Add(wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: 64, data: encodeFloats(littleEndian, 64, 1, 1e300)}.build())
	f.Add(wavFile{tag: wavMuLaw, channels: 1, rate: 8000, bits: 8, data: []byte("abc")}.build())
	f.Add(rf64(6, 1, 2, 3))
	odd := mono16(1, 2, 3)
	odd.before = [][]byte{[]byte("LIST\x03\x00\x00\x00abc")}
	f.Add(odd.build())
	f.Fuzz(func(t *testing.T, content []byte) {
		fuzzRead(t, content, 1)
	})
}

func FuzzFLAC(f *testing.F) {
	f.Setenv("PATH", f.TempDir())
	for stereo := stereoPlain; stereo <= stereoMidSide; stereo++ {
		for _, s := range []subframe{{kind: "verbatim"}, {kind: "constant"}, fixed2, {kind: "fixed", order: 1, param: -1},
			{kind: "lpc", order: 2, param: 7, precision: 12, shift: 9, coefs: []int64{1013, -510}}} {
			f.Add(flacFile{rate: 24000, bits: 16, samples: flacSamples(2, 40, 16, 1), block: 32, stereo: stereo, subframe: s, noMD5: true}.build())
		}
	}
	f.Add(flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 40, 16, 1), blocks: []int{17}, subframe: fixed2}.build())
	f.Add(flacFile{rate: 24000, bits: 32, samples: flacSamples(1, 20, 32, 1), subframe: subframe{kind: "verbatim"}, inHeader: true}.build())
	f.Add(append([]byte("ID3\x04\x00\x00\x00\x00\x00\x01 "), flacFile{rate: 8000, bits: 8, samples: flacSamples(1, 20, 8, 1), subframe: fixed2}.build()...))
	f.Fuzz(func(t *testing.T, content []byte) {
		fuzzRead(t, content, 65535)
		// Random changes mostly end at a checksum: once more without.
		fuzzDrain(t, func() (*Reader, error) {
			r, err := NewReader(bytes.NewReader(content), "x")
			if err == nil {
				if d, ok := r.dec.(*flacDecoder); ok {
					d.trusting, d.sum = true, nil
				}
			}
			return r, err
		}, 65535*len(content))
	})
}

// FuzzResampler cuts inputs and rates at random: the exact count, and nothing that
// is not finite.
func FuzzResampler(f *testing.F) {
	f.Add(uint32(44100), uint32(24000), uint16(1000), uint16(7))
	f.Add(uint32(44101), uint32(24000), uint16(0), uint16(1))
	f.Fuzz(func(t *testing.T, from, to uint32, n, piece uint16) {
		r, err := NewResampler(int(from), int(to))
		if err != nil {
			if !errors.Is(err, ErrRate) {
				t.Fatal(err)
			}
			return
		}
		src := make([]float32, n)
		for i := range src {
			src[i] = float32(i%3 - 1)
		}
		var dst []float32
		for rest := src; len(rest) > 0; {
			m := min(len(rest), int(piece)+1)
			dst = r.Process(dst, rest[:m])
			rest = rest[m:]
		}
		dst = r.Flush(dst)
		if want := (int64(n)*int64(to) + int64(from) - 1) / int64(from); int64(len(dst)) != want {
			t.Fatalf("%d samples, want %d", len(dst), want)
		}
		for i, y := range dst {
			if !(math.Abs(float64(y)) < 4) {
				t.Fatalf("sample %d is %v", i, y)
			}
		}
	})
}
