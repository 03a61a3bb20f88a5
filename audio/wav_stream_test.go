package audio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func readSamplesOf(t *testing.T, stream io.Reader, rate int) []float32 {
	t.Helper()
	r, err := NewReaderAt(stream, "stream", rate)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []float32
	piece := make([]float32, 777)
	for {
		n, err := r.Read(piece)
		all = append(all, piece[:n]...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestStreamWriter: with a known length, a stream holds what a file holds, byte
// by byte; without, the same samples. Each Write has arrived when it returns.
func TestStreamWriter(t *testing.T) {
	samples := make([]float32, 5001)
	for i := range samples {
		samples[i] = float32(i%200)/100 - 1
	}
	for _, format := range []SampleFormat{S16, F32} {
		path := filepath.Join(t.TempDir(), "x.wav")
		f, err := Create(path, 24000, format)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(samples)
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		file, _ := os.ReadFile(path)
		for _, promised := range []int64{5001, -1} {
			var b bytes.Buffer
			w, err := NewWriter(&b, "stream", 24000, format, promised)
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(samples); at += 1000 {
				end := min(at+1000, len(samples))
				if err := w.Write(samples[at:end]); err != nil {
					t.Fatal(err)
				}
				if want := len(file) - (len(samples)-end)*format.width(); b.Len() != want {
					t.Fatalf("%v: %d bytes have arrived of %d", format, b.Len(), want)
				}
			}
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			if promised >= 0 && !bytes.Equal(b.Bytes(), file) {
				t.Errorf("%v: the stream is not the file", format)
			}
			want, err := ReadFile(path, 12000)
			if err != nil {
				t.Fatal(err)
			}
			if got := readSamplesOf(t, &b, 12000); !slices.Equal(got, want) {
				t.Errorf("%v, promised %d: %d other samples", format, promised, len(got))
			}
		}
	}
}

// TestStreamWriterFaults: a broken promise, a broken pipe, a rate that is none.
func TestStreamWriterFaults(t *testing.T) {
	w, err := NewWriter(io.Discard, "stream", 24000, S16, 10)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]float32, 9))
	if err := w.Commit(); !errors.Is(err, ErrTruncated) {
		t.Errorf("9 samples of 10: %v", err)
	}
	_, pipe := io.Pipe()
	pipe.CloseWithError(io.ErrClosedPipe)
	w, _ = NewWriter(pipe, "stream", 24000, S16, -1)
	if err := w.Write(make([]float32, 9)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a closed pipe: %v", err)
	}
	if _, err := NewWriter(io.Discard, "stream", 3, S16, -1); !errors.Is(err, ErrRate) {
		t.Errorf("3 Hz: %v", err)
	}
	if _, err := NewReaderAt(bytes.NewReader(nil), "stream", 3); !errors.Is(err, ErrRate) {
		t.Errorf("read at 3 Hz: %v", err)
	}
}
