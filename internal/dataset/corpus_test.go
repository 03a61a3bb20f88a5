package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCorpora: clips are those of loose files, to the bit, whatever the speech is kept in,
// and the second start decodes none of it.
func TestCorpora(t *testing.T) {
	const dir = "../collection/testdata/"
	scan := func(root, cache string) (*Set, []string) {
		var told []string
		s, err := Scan(t.Context(), Options{
			Root: root, Duration: [2]float64{0.1, 25}, HeldOut: HeldOut{Files: 1}, CacheDir: cache,
			Report: func(path, reason string) { told = append(told, path+": "+reason) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s, told
	}
	samples := func(s *Set) map[string][]float32 {
		all := map[string][]float32{}
		for _, c := range slices.Concat(s.Train, s.Valid) {
			x, err := s.Load(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			all[strings.TrimSuffix(filepath.Base(c.Path), ".flac")] = x
		}
		return all
	}
	loose, _ := scan(dir+"wav", "")
	want := samples(loose)
	if len(want) != 6 {
		t.Fatalf("%d loose files", len(want))
	}
	for _, name := range []string{"shard-{000000..000001}.tar", "shard-*.tar", "audio.parquet", "recordings.jsonl.gz"} {
		cache := t.TempDir()
		for round, decoded := range []int{6, 0} {
			s, told := scan(dir+name, cache)
			if s.Stats.Decoded != decoded || len(told) > 0 {
				t.Errorf("%s, round %d: %d decoded, %q", name, round, s.Stats.Decoded, told)
			}
			got := samples(s)
			for key, x := range want {
				if !slices.Equal(got[key], x) {
					t.Errorf("%s: %s has other samples", name, key)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d clips", name, len(got))
			}
		}
	}
	// Segments that move are other clips, though their file is the same.
	kaldi := t.TempDir()
	wav, err := filepath.Abs(dir + "wav/en_0.flac")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"wav.scp": "r " + wav + "\nx gone.wav\n", "segments": "a r 0 0.2\nb r 0.2 0.4\n"}
	cache := t.TempDir()
	var keys []string
	for range 2 {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(kaldi, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, told := scan(filepath.Join(kaldi, "wav.scp"), cache)
		if len(told) != 1 || !strings.Contains(told[0], "line 2: x: no such file") {
			t.Errorf("%q", told)
		}
		for _, c := range slices.Concat(s.Train, s.Valid) {
			if keys = append(keys, c.Key()); c.Samples != 4800 {
				t.Errorf("%s: %d samples", c, c.Samples)
			}
		}
		files["segments"] = "a r 0.1 0.3\nb r 0.2 0.4\n"
	}
	slices.Sort(keys)
	if keys = slices.Compact(keys); len(keys) != 3 {
		t.Errorf("clips are %q", keys)
	}
	for root, want := range map[string]string{"none-*.tar": "no file matches", "none.tar": "no recording", "a.tar.gz": "compressed archive", "{a,b}.wav": "is no corpus", "none": "name a folder of speech"} {
		if _, err := Scan(t.Context(), Options{Root: root}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", root, err)
		}
	}
}
