package dataset

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clipBytes is a WAV file of 0.12 s of noise, another for each number.
func clipBytes(n int) []byte {
	const samples = 2880
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, 24000)
	b = binary.LittleEndian.AppendUint32(b, 48000)
	b = append(b, 2, 0, 16, 0, 'd', 'a', 't', 'a')
	b = binary.LittleEndian.AppendUint32(b, 2*samples)
	x := uint32(n)*2654435761 + 1
	for range samples {
		x = x*1664525 + 1013904223
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(x>>16)/4))
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// TestManyItems measures starts and batches from many short items in loose files and in
// WebDataset shards of 1000 each. FACODEC_MANY=100000 says how many and FACODEC_MANY_DIR where;
// docs/cluster.md has the figures.
func TestManyItems(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("FACODEC_MANY"))
	if n == 0 {
		t.Skip("FACODEC_MANY says how many items")
	}
	dir, err := os.MkdirTemp(os.Getenv("FACODEC_MANY_DIR"), "many-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for i := 0; i < n; i += 1000 {
		var shard bytes.Buffer
		w := tar.NewWriter(&shard)
		folder := filepath.Join(dir, "loose", fmt.Sprintf("%04d", i/1000))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for j := i; j < min(i+1000, n); j++ {
			data, name := clipBytes(j), fmt.Sprintf("%06d.wav", j)
			if err := os.WriteFile(filepath.Join(folder, name), data, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%04d/%s", i/1000, name), Size: int64(len(data)), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s-%04d.tar", i/1000)), shard.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	sums := map[string]float64{}
	for _, root := range []string{filepath.Join(dir, "loose"), filepath.Join(dir, "s-*.tar")} {
		cache := t.TempDir()
		for _, start := range []string{"first", "second"} {
			begin := time.Now()
			s, err := Scan(context.Background(), Options{Root: root, Duration: [2]float64{0.1, 1}, CacheDir: cache})
			if err != nil {
				t.Fatal(err)
			}
			l, err := s.NewLoader(LoaderOptions{BatchSize: 16, Seed: 1, GainDB: DefaultGainDB})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			ready := time.Since(begin)
			begin = time.Now()
			const batches = 500
			for range batches {
				b, err := l.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, it := range b.Items {
					sums[root+start] += float64(it.Samples[100]) * it.Gain
				}
			}
			rate := 16 * batches / time.Since(begin).Seconds()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			t.Logf("%s, %s start: first batch after %.2f s, then %.0f items/s, heap %.0f MB, resident %s", filepath.Base(root), start, ready.Seconds(), rate, float64(m.HeapAlloc)/1e6, resident())
			l.Close()
			runtime.KeepAlive(s)
		}
	}
	for key, sum := range sums {
		if want := sums[filepath.Join(dir, "loose")+"first"]; sum != want {
			t.Errorf("%s: other batches than of loose files: %v, want %v", filepath.Base(key), sum, want)
		}
	}
}

// resident is the memory of the process, as Linux says it.
func resident() string {
	data, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(data), "VmRSS:")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}
