package dataset

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

const longSamples = 66*DefaultSampleRate - 777

// longTone is a file in which no second is like another.
var longTone = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w, err := audio.Create(filepath.Join(dir, "x.wav"), DefaultSampleRate, audio.F32)
	if err != nil {
		return nil, err
	}
	defer w.Discard()
	for i := range 66 {
		samples := tone(1, 0.1+float64(i)/100)
		if err := w.Write(samples[:min(DefaultSampleRate, longSamples-i*DefaultSampleRate)]); err != nil {
			return nil, err
		}
	}
	if err := w.Commit(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "x.wav"))
})

// longFile is a folder with a file that is long enough to be stored.
func longFile(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	data, err := longTone()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "long.wav"), data, 0o600))
	return root
}

func TestStoredFilesAreReadWhereTheyLie(t *testing.T) {
	root := longFile(t)
	plain := scan(t, Options{Root: root})
	if len(plain.Train) < 3 {
		t.Fatalf("%d clips", len(plain.Train))
	}
	var want [][]float32
	for _, c := range plain.Train {
		samples, err := plain.Load(context.Background(), c)
		must(t, err)
		want = append(want, samples)
	}
	var r reports
	o := Options{Root: root, CacheDir: t.TempDir(), StoreBytes: 1 << 30, Report: r.add}
	check := func(what string, s *Set) {
		t.Helper()
		var loading sync.WaitGroup
		for i, c := range s.Train { // at once: one goroutine stores, the others wait
			loading.Go(func() {
				samples, err := s.Load(context.Background(), c)
				if err != nil || !slices.Equal(samples, want[i]) {
					t.Errorf("%s: %v: other samples, error %v", what, c, err)
				}
			})
		}
		loading.Wait()
		if left := o.StoreBytes - storedSize(longSamples); s.store.left != left {
			t.Errorf("%s: %d bytes are left, want %d", what, s.store.left, left)
		}
	}
	s := scan(t, o)
	check("first", s)
	files, err := filepath.Glob(filepath.Join(o.CacheDir, storeName, "*"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("stored are %v", files)
	}
	before, err := os.Stat(files[0])
	must(t, err)
	check("in memory of it", s)
	s = scan(t, o)
	check("a new process", s)
	if after, err := os.Stat(files[0]); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was stored twice: %v", err)
	}
	// What is stored and what is decoded are told apart by a change of both.
	flip(t, filepath.Join(root, "long.wav"), func(data []byte) []byte { clear(data[len(data)/2:]); return data })
	check("from the store alone", s)

	sound, err := os.ReadFile(files[0])
	must(t, err)
	writeWAVBack := func() {
		info, err := os.Stat(filepath.Join(root, "long.wav"))
		must(t, err)
		data, err := longTone()
		must(t, err)
		must(t, os.WriteFile(filepath.Join(root, "long.wav"), data, 0o600))
		must(t, os.Chtimes(filepath.Join(root, "long.wav"), info.ModTime(), info.ModTime()))
	}
	writeWAVBack()
	for what, damage := range map[string]func(){
		"a bit":    func() { flip(t, files[0], func(data []byte) []byte { data[len(data)/2] ^= 1; return data }) },
		"cut":      func() { must(t, os.Truncate(files[0], 1000)) },
		"vanished": func() { must(t, os.Remove(files[0])) },
	} {
		damage()
		check(what, s)
		if again, err := os.ReadFile(files[0]); err != nil || !slices.Equal(again, sound) {
			t.Errorf("%s: the stored file was not made anew: %v", what, err)
		}
	}
	r.want(t)
}

func TestStoreKeepsToItsBytes(t *testing.T) {
	root := longFile(t)
	o := Options{Root: root, CacheDir: t.TempDir(), StoreBytes: storedSize(longSamples) - 1}
	s := scan(t, o)
	_, err := s.Load(context.Background(), s.Train[1])
	must(t, err)
	dir := filepath.Join(o.CacheDir, storeName)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("without room something is stored: %v", err)
	}
	o.StoreBytes++
	s = scan(t, o)
	_, err = s.Load(context.Background(), s.Train[1])
	must(t, err)
	stored, err := os.ReadDir(dir)
	must(t, err)
	if len(stored) != 1 {
		t.Errorf("%d files are stored", len(stored))
	}
	// What belongs to no file any more goes.
	must(t, os.WriteFile(filepath.Join(dir, "old.f32"), []byte("x"), 0o600))
	writeWAV(t, filepath.Join(root, "long.wav"), tone(61, 0.5))
	scan(t, o)
	if stored, err = os.ReadDir(dir); err != nil || len(stored) != 0 {
		t.Errorf("%v is left, %v", stored, err)
	}
}

func TestStoreThatCannotBeWrittenStopsNothing(t *testing.T) {
	var r reports
	o := Options{Root: longFile(t), CacheDir: t.TempDir(), StoreBytes: 1 << 30, Report: r.add}
	s := scan(t, o)
	must(t, os.WriteFile(filepath.Join(o.CacheDir, storeName), nil, 0o600))
	for _, c := range s.Train {
		_, err := s.Load(context.Background(), c)
		must(t, err)
	}
	r.want(t, "long files are no longer stored decoded")
}

func TestStoreAndAFileThatBreaks(t *testing.T) {
	var r reports
	o := Options{Root: longFile(t), CacheDir: t.TempDir(), StoreBytes: 1 << 30, Report: r.add}
	s := scan(t, o)
	flip(t, filepath.Join(o.Root, "long.wav"), func(data []byte) []byte {
		for i := len(data) - 4000; i < len(data); i++ {
			data[i] = 0xff // not a number
		}
		return data
	})
	// As without a store, what lies before the damage is there.
	for i, c := range s.Train {
		_, err := s.Load(context.Background(), c)
		if last := i == len(s.Train)-1; last != (err != nil) || last && !strings.Contains(err.Error(), "not a finite number") {
			t.Errorf("clip %d of %d: error %v", i, len(s.Train), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.store.ensure(ctx, openFile(filepath.Join(o.Root, "long.wav")), "x.f32", 1); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	data, err := longTone()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(o.Root, "long.wav"), data, 0o600))
	for name, samples := range map[string]int64{"more.f32": longSamples + 1, "fewer.f32": longSamples - 1} {
		if written, err := s.store.ensure(context.Background(), openFile(filepath.Join(o.Root, "long.wav")), name, samples); written != 0 || err != nil || !s.store.bad[name] {
			t.Errorf("a file of another length is stored: %v, %v", written, err)
		}
	}
	if stored, err := os.ReadDir(filepath.Join(o.CacheDir, storeName)); err != nil || len(stored) != 0 {
		t.Errorf("%v is left, %v", stored, err)
	}
	if s.store.left != o.StoreBytes || len(s.store.busy) != 0 || len(s.store.bad) != 3 {
		t.Errorf("%d bytes are left, %d files busy", s.store.left, len(s.store.busy))
	}
}
