package audio

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// writeWAV writes samples in pieces of odd sizes.
func writeWAV(t *rapid.T, path string, rate int, format SampleFormat, samples []float32) *Writer {
	w, err := Create(path, rate, format)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for rest := samples; len(rest) > 0; {
		n := min(len(rest), rapid.IntRange(1, 40000).Draw(t, "piece"))
		if err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the file is there before Commit")
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return w
}

// What is written is read again: floats exactly, 16 bits rounded to nearest.
func TestWriterRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.wav")
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]int{8000, 24000, 44101, 192000}).Draw(t, "rate")
		format := rapid.SampledFrom([]SampleFormat{S16, S24, F32}).Draw(t, "format")
		samples := rapid.SliceOfN(rapid.Float32Range(-1.1, 1.1), 1, 100).Draw(t, "samples")
		for range rapid.IntRange(0, 9).Draw(t, "doublings") {
			samples = append(samples, samples...)
		}
		w := writeWAV(t, path, rate, format, samples)
		got, info, err := readPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := "pcm_" + format.String(); info.Encoding != want || info.SampleRate != rate || info.Channels != 1 {
			t.Fatalf("info %+v; want %s at %d Hz", info, want, rate)
		}
		var clipped int64
		var peak float32
		want := make([]float32, len(samples))
		for i, x := range samples {
			want[i] = x
			peak = max(peak, x, -x)
			if format != F32 {
				if math.Abs(float64(x)) > 1 {
					clipped++
				}
				scale := math.Pow(2, float64(8*format.width()-1))
				s := math.RoundToEven(float64(x) * scale)
				want[i] = float32(math.Max(-scale, math.Min(scale-1, s)) / scale)
			}
		}
		if len(got) != len(want) || w.Samples() != int64(len(want)) || w.Clipped() != clipped || w.Peak() != float64(peak) {
			t.Fatalf("%d samples read, %d counted of %d; %d clipped of %d; peak %g, want %g", len(got), w.Samples(), len(want), w.Clipped(), clipped, w.Peak(), peak)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("sample %d: %v became %v, want %v", i, samples[i], got[i], want[i])
			}
		}
		os.Remove(path)
	})
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The header of a plain file, byte for byte: 44 bytes that every program knows.
func TestWriterHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := Create(path, 24000, S16)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]float32{0.5, -1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	want := "RIFF\x28\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\xC0\x5D\x00\x00\x80\xBB\x00\x00\x02\x00\x10\x00" +
		"data\x04\x00\x00\x00\x00\x40\x00\x80"
	if got, _ := os.ReadFile(path); string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWriterWithoutSamples(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := Create(path, 24000, F32)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrEmpty) {
		t.Errorf("Open: %v, want %v", err, ErrEmpty)
	}
}

// Past the limit, here lowered from 4 GiB, the file is RF64, its samples moved by
// more than one block.
func TestWriterRF64(t *testing.T) {
	for _, format := range []SampleFormat{S16, F32} {
		path := filepath.Join(t.TempDir(), "x.wav")
		w, err := Create(path, 24000, format)
		if err != nil {
			t.Fatal(err)
		}
		w.enc.(*wavEncoder).maxBytes = 1000
		samples := make([]float32, 3<<20/format.width()+5)
		for i := range samples {
			samples[i] = float32(i%65536-32768) / 32768
		}
		if err := w.Write(samples); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		le := binary.LittleEndian
		if string(content[:4]) != "RF64" || string(content[12:16]) != "ds64" || le.Uint64(content[20:]) != uint64(len(content)-8) ||
			le.Uint64(content[36:]) != uint64(len(samples)) {
			t.Errorf("header %q", content[:48])
		}
		got, info, err := readPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Frames != int64(len(samples)) {
			t.Errorf("%d frames, want %d", info.Frames, len(samples))
		}
		mustEqual(t, "RF64", got, samples)
	}
}

func TestWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.wav")
	for _, rate := range []int{0, -1, 7999, 192001} {
		if _, err := Create(path, rate, S16); !errors.Is(err, ErrRate) {
			t.Errorf("rate %d: %v", rate, err)
		} else {
			checkMessage(t, err, path)
		}
	}
	if _, err := Create(path, 24000, SampleFormat(7)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("format 7: %v", err)
	}
	if _, err := Create(filepath.Join(dir, "no", "x.wav"), 24000, S16); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if _, err := Create(dir, 24000, S16); err == nil {
		t.Error("a directory was opened for writing")
	}
	for _, format := range []SampleFormat{S16, F32} {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			w, err := Create(path, 24000, format)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write([]float32{1, 2}); err != nil {
				t.Fatal(err)
			}
			err = w.Write([]float32{3, float32(bad)})
			if !errors.Is(err, ErrNotFinite) {
				t.Fatalf("%v: %v", bad, err)
			}
			checkMessage(t, err, path, "sample 3")
			if w.Samples() != 2 {
				t.Errorf("%d samples after an error, want 2", w.Samples())
			}
			if err := w.Write([]float32{0}); !errors.Is(err, ErrNotFinite) {
				t.Errorf("Write after an error: %v", err)
			}
			if err := w.Commit(); !errors.Is(err, ErrNotFinite) {
				t.Errorf("Commit after an error: %v", err)
			}
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriterAfterItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	for name, end := range map[string]func(*Writer) error{
		"Commit":  (*Writer).Commit,
		"Discard": func(w *Writer) error { w.Discard(); return nil },
	} {
		w, err := Create(path, 24000, S16)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Write([]float32{0}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write after %s: %v", name, err)
		}
		if err := w.Commit(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Commit after %s: %v", name, err)
		}
		w.Discard()
		_, err = os.Stat(path)
		if exists := err == nil; exists != (name == "Commit") {
			t.Errorf("after %s: file there %v", name, exists)
		}
		os.Remove(path)
	}
}

// fullDisk fails from the byte at which the disk is full, as a short write.
type fullDisk struct {
	outFile
	room   int
	failAt string // "ReadAt", "WriteAt": another way to fail
}

var errFull = errors.New("no space left on device")

func (f *fullDisk) Write(b []byte) (int, error) {
	if len(b) > f.room {
		n, _ := f.outFile.Write(b[:f.room])
		f.room = 0
		return n, errFull
	}
	f.room -= len(b)
	return f.outFile.Write(b)
}

func (f *fullDisk) WriteAt(b []byte, at int64) (int, error) {
	if f.failAt == "WriteAt" {
		return 0, errFull
	}
	return f.outFile.WriteAt(b, at)
}

func (f *fullDisk) ReadAt(b []byte, at int64) (int, error) {
	if f.failAt == "ReadAt" {
		return 0, errFull
	}
	return f.outFile.ReadAt(b, at)
}

// newWAVWriter writes to a file that may be none.
func newWAVWriter(f outFile, path string, rate int, format SampleFormat) *Writer {
	return &Writer{name: path, channels: 1, file: f, enc: newWAVEncoder(f, WriteOptions{FileRate: rate, Channels: 1, Format: format})}
}

// Wherever writing fails, the error comes out, and no file is left.
func TestWriterDiskFull(t *testing.T) {
	for name, disk := range map[string]*fullDisk{
		"at once":       {room: 0},
		"in the middle": {room: 70000},
		"at the end":    {room: 2*100000 + 43},
		"in the header": {room: 1 << 30, failAt: "WriteAt"},
		"while moving":  {room: 1 << 30, failAt: "ReadAt"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "x.wav")
		real, err := Create(path, 24000, S16)
		if err != nil {
			t.Fatal(err)
		}
		disk.outFile = real.file
		w := newWAVWriter(disk, path, 24000, S16)
		if disk.failAt == "ReadAt" {
			w.enc.(*wavEncoder).maxBytes = 1000
		}
		for range 100 {
			if err = w.Write(make([]float32, 1000)); err != nil {
				break
			}
		}
		if name == "in the middle" && err == nil {
			t.Error("a full disk was not noticed before the end")
		}
		err = w.Commit()
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v, want %v", name, err, errFull)
			continue
		}
		checkMessage(t, err, path)
		w.Discard()
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

// A real device that is always full, where the system has one.
func TestWriterDevFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full")
	}
	defer full.Close()
	dropped := false
	w := newWAVWriter(deviceFile{full, &dropped}, "/dev/full", 24000, F32)
	if err := w.Write(make([]float32, 1<<20)); err == nil {
		t.Fatal("wrote to /dev/full")
	} else {
		checkMessage(t, err, "/dev/full", "no space left")
	}
	if err := w.Commit(); err == nil || !dropped {
		t.Errorf("Commit: %v, discarded %v", err, dropped)
	}
}

type deviceFile struct {
	*os.File
	dropped *bool
}

func (d deviceFile) Commit() error { return io.ErrUnexpectedEOF }
func (d deviceFile) Discard()      { *d.dropped = true }

func TestSampleFormats(t *testing.T) {
	for _, f := range []SampleFormat{S16, S24, F32} {
		if got, err := ParseSampleFormat(f.String()); err != nil || got != f {
			t.Errorf("%v: %v, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "S16", "s25", "f32 "} {
		if _, err := ParseSampleFormat(s); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: %v", s, err)
		} else {
			checkMessage(t, err, "s16", "f32")
		}
	}
}
