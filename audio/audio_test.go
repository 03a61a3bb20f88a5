package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestOpenWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.wav")
	_, err := Open(missing)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("missing: %v", err)
	}
	checkMessage(t, err, missing)
	if strings.Count(err.Error(), missing) != 1 {
		t.Errorf("the file is named twice: %v", err)
	}
	_, err = ReadFile(dir, 24000)
	if !errors.Is(err, syscall.EISDIR) {
		t.Fatalf("directory: %v", err)
	}
	checkMessage(t, err, dir, "is a directory")
	_, err = Open(filepath.Join(dir, "two\nlines\x1b[31m.wav"))
	checkMessage(t, err, `two\nlines\x1b[31m.wav`)
}

func TestOpenAtRates(t *testing.T) {
	path := writeFile(t, "x.wav", mono16(1, 2, 3).build())
	for _, rate := range []int{-1, 0, 7999, 192001} {
		if _, err := OpenAt(path, rate); !errors.Is(err, ErrRate) {
			t.Errorf("%d Hz: %v", rate, err)
		} else {
			checkMessage(t, err, path)
		}
	}
}

// A Reader with a rate is Open and a Resampler, sample for sample, and knows how
// much it delivers.
func TestOpenAtResamples(t *testing.T) {
	for _, path := range []string{"../testdata/speech/en.flac", "../testdata/speech/it.flac"} {
		native, info, err := readPath(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, rate := range []int{8000, 16000, 24000, 44100, 24001} {
			r, err := OpenAt(path, rate)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := readAll(r)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, path, got, resample(t, info.SampleRate, rate, native))
			if r.Info() != info || r.Rate() != rate || r.Samples() != int64(len(got)) {
				t.Errorf("%+v at %d Hz, %d samples; want %+v at %d Hz, %d", r.Info(), r.Rate(), r.Samples(), info, rate, len(got))
			}
			if n, err := r.Read(make([]float32, 1)); n != 0 || err != io.EOF {
				t.Errorf("after the end: %d, %v", n, err)
			}
			whole, err := ReadFile(path, rate)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, "ReadFile", whole, got)
		}
	}
}

// After its first fault a Reader repeats it.
func TestReaderErrorsStay(t *testing.T) {
	f := wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: 32, data: []byte("\x00\x00\x00\x00\x00\x00\xC0\x7F\x00\x00\x00\x00")}
	for _, rate := range []int{8000, 24000} {
		r, err := OpenAt(writeFile(t, "x.wav", f.build()), rate)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range 3 {
			if n, err := r.Read(make([]float32, 10)); n != 0 || !errors.Is(err, ErrNotFinite) {
				t.Errorf("at %d Hz: %d, %v", rate, n, err)
			}
		}
	}
}

func TestReaderClose(t *testing.T) {
	for _, rate := range []int{16000, 24000} {
		r, err := OpenAt("../testdata/speech/fr.flac", rate)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Errorf("empty read: %d, %v", n, err)
		}
		if _, err := r.Read(make([]float32, 10)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if n, err := r.Read(make([]float32, 10)); n != 0 || !errors.Is(err, os.ErrClosed) {
				t.Errorf("after Close: %d, %v", n, err)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An error of the disk or the network is passed on, not mistaken for an end.
func TestStreamErrorsArePassedOn(t *testing.T) {
	broken := errors.New("connection reset")
	flac := flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 500, 16, 1), subframe: fixed2}.build()
	for name, content := range map[string][]byte{"wav": mono16(make([]int64, 500)...).build(), "flac": flac} {
		for _, n := range []int{0, 1, 20, 45, 300} {
			stream := io.MultiReader(bytes.NewReader(content[:n]), failing{broken})
			r, err := NewReader(stream, name)
			if err == nil {
				_, err = readAll(r)
			}
			if n == 1 {
				// One byte is not enough to know what this is; whatever is made of
				// it, it is an error.
				if err == nil {
					t.Errorf("%s after %d bytes: no error", name, n)
				}
				continue
			}
			if !errors.Is(err, broken) {
				t.Errorf("%s after %d bytes: %v, want %v", name, n, err, broken)
			}
		}
	}
}

// zeros is a stream of n zero bytes that takes no memory.
type zeros struct{ n int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), z.n))
	clear(b[:n])
	z.n -= int64(n)
	return n, nil
}

// Two minutes of stereo are read, resampled and written without the memory for
// more than some blocks.
func TestLongFilesInFlatMemory(t *testing.T) {
	const frames = 120 * 44100
	header := wavFile{tag: wavPCM, channels: 2, rate: 44100, bits: 16, dataSize: u32(4 * frames)}.build()
	r, err := NewReader(io.MultiReader(bytes.NewReader(header), &zeros{4 * frames}), "long")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.setRate(24000); err != nil {
		t.Fatal(err)
	}
	w, err := Create(filepath.Join(t.TempDir(), "x.wav"), 24000, S16)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	buf := make([]float32, 1000)
	for {
		n, err := r.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(buf[:n]); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if w.Samples() != 120*24000 {
		t.Errorf("%d samples, want %d", w.Samples(), 120*24000)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated on the way", used)
	}
}

// A few bytes that claim to be gigabytes cost no memory worth mentioning.
func TestClaimsCostNoMemory(t *testing.T) {
	huge := int64(1<<36 - 1)
	flac := flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 10, 16, 1), subframe: fixed2, count: &huge}.build()
	id3 := []byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7ffLaC")
	picture := flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 10, 16, 1), subframe: fixed2, before: []byte{6, 255, 255, 255}}.build()
	wav := mono16(1, 2, 3)
	wav.dataSize = u32(0x7FFDFFFE)
	chunk := mono16(1, 2, 3)
	chunk.before = [][]byte{[]byte("LIST\xFF\xFF\xFF\x7F")}
	t.Setenv("PATH", t.TempDir())
	for name, content := range map[string][]byte{
		"FLAC of 2^36 samples": flac, "ID3 of 256 MB": id3, "picture of 16 MB": picture, "WAV of 2 GB": wav.build(),
		"chunk of 2 GB": chunk.build(), "RF64": rf64(1<<62, 1, 2),
	} {
		path := writeFile(t, "x", content)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadFile(path, 16000)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		// A FLAC's word is believed up to 4 MB, and buffers have their size.
		if used := after.TotalAlloc - before.TotalAlloc; used > 6<<20 {
			t.Errorf("%s: %d bytes allocated", name, used)
		}
	}
}

// A full-scale 16-bit file goes through Reader and Writer unchanged, to the byte.
func TestCopyIsExact(t *testing.T) {
	var values []int64
	for v := int64(-32768); v < 32768; v++ {
		values = append(values, v)
	}
	content := mono16(values...).build()
	path := writeFile(t, "in.wav", content)
	samples, _, err := readPath(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Create(path, 16000, S16)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(samples); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
		t.Error("the copy differs")
	}
	if w.Clipped() != 0 {
		t.Errorf("%d samples clipped", w.Clipped())
	}
}

func BenchmarkWAV(b *testing.B) {
	content := wavFile{tag: wavPCM, channels: 2, rate: 44100, bits: 16, data: encodeInts(binary.LittleEndian, 2, make([]int64, 2*44100)...)}.build()
	dst := make([]float32, 4096)
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(content), "x")
		for err == nil {
			_, err = r.Read(dst)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}
