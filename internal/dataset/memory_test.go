package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// TestScanKeepsWhatItDecodes: clips are those that are read again, to the bit, of files at
// another rate and of several pieces, too, and memory holds no more than it may.
func TestScanKeepsWhatItDecodes(t *testing.T) {
	root := tones(t, 3)
	writeWAV(t, filepath.Join(root, "long.wav"), tone(7.3, 0.3)) // three chunks
	w, err := audio.Create(filepath.Join(root, "other.wav"), 44100, audio.F32)
	must(t, err)
	must(t, w.Write(tone(3, 0.7)))
	must(t, w.Commit())
	o := Options{Root: root, Duration: [2]float64{0.1, 2}}
	read := scan(t, o)
	clips := all(read)
	var want [][]float32
	for _, c := range clips {
		samples, err := read.Load(t.Context(), c)
		must(t, err)
		want = append(want, samples)
	}
	const room = 1 << 19 // for two chunks
	for _, bytes := range []int64{1, room, 1 << 22} {
		o.CacheBytes = bytes
		s := scan(t, o)
		held := int64(0)
		for i, c := range clips {
			samples := s.memory.get(c)
			if samples != nil && !slices.Equal(samples, want[i]) {
				t.Errorf("%d bytes: %v differs", bytes, c)
			}
			held += int64(4 * len(samples))
			if kept := samples != nil; bytes != room && kept != (bytes > room) {
				t.Errorf("%d bytes: %v is kept: %v", bytes, c, kept)
			}
		}
		if s.memory.left != bytes-held || s.memory.left < 0 {
			t.Errorf("%d bytes: %d held, %d left", bytes, held, s.memory.left)
		}
		if bytes == room && (held == 0 || s.memory.get(clips[slices.IndexFunc(clips, func(c Clip) bool { return c.Path == "long.wav" })]) != nil) {
			t.Errorf("%d bytes held of %d, and of what does not fit", held, bytes)
		}
	}
	must(t, os.RemoveAll(root))
}
