package teacher

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// fake is a teacher of everything that counts how often it is asked.
type fake struct {
	print byte
	asked *int
}

func (f fake) Fingerprint() Fingerprint { return Fingerprint{f.print} }
func (f fake) Classes() int             { return 9 }
func (f fake) Speaker(u *Utterance) int { *f.asked++; return len(u.Samples) % 9 }
func (f fake) Phones(u *Utterance) []int32 {
	*f.asked++
	return make([]int32, Frames(len(u.Samples)))
}
func (f fake) Pitch(u *Utterance) []float32 {
	*f.asked++
	return []float32{0, 123.4}
}

func TestLabelsAreComputedOnce(t *testing.T) {
	store, err := OpenStore(t.TempDir() + "/new/labels")
	if err != nil {
		t.Fatal(err)
	}
	var asked, loaded int
	load := func() ([]float32, error) { loaded++; return make([]float32, 301), nil }
	set := Set{Phones: fake{1, &asked}, Speaker: fake{2, &asked}, Pitch: fake{3, &asked}, Store: store}
	want := Labels{Phones: []int32{0, 0}, Speaker: 301 % 9, F0: []float32{0, 123.4}}
	label := func(set Set, key string, wantAsked, wantLoaded int) {
		t.Helper()
		asked, loaded = 0, 0
		got, err := set.Label(key, load)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		if asked != wantAsked || loaded != wantLoaded {
			t.Errorf("%d teachers asked, %d expected; loaded %d times, %d expected", asked, wantAsked, loaded, wantLoaded)
		}
	}
	label(set, "a", 3, 1)
	label(set, "a", 0, 0)
	label(set, "b", 3, 1)
	other := set
	other.Phones = fake{4, &asked}
	label(other, "a", 1, 1)
	label(set, "a", 0, 0) // the first one's labels are there still
	label(other, "a", 0, 0)
	none := set
	none.Store = nil
	label(none, "a", 3, 1)

	path := store.path("a")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if parseSeries(bad, "a") != nil || parseSeries(good[:i], "a") != nil {
			t.Errorf("damage at byte %d goes unnoticed", i)
		}
	}
	if parseSeries(good, "b") != nil {
		t.Error("another utterance's labels are taken")
	}
	if err := os.WriteFile(path, good[:len(good)-3], 0o644); err != nil {
		t.Fatal(err)
	}
	label(set, "a", 3, 1)
	label(set, "a", 0, 0)

	// Labels that the teacher does not have are not believed, checksum or not.
	if err := store.write("a", []series{{Fingerprint{1}, []uint32{0, 9}}, {Fingerprint{2}, nil}, {Fingerprint{3}, []uint32{0x7fc00000}}}); err != nil {
		t.Fatal(err)
	}
	label(set, "a", 3, 1)

	for i := range byte(2 * maxSeries) {
		other.Phones = fake{10 + i, &asked}
		label(other, "c", map[bool]int{true: 3, false: 1}[i == 0], 1)
	}
	if b, _ := os.ReadFile(store.path("c")); len(parseSeries(b, "c")) != maxSeries {
		t.Errorf("%d series kept", len(parseSeries(b, "c")))
	}
}

func TestLabelErrors(t *testing.T) {
	dir := t.TempDir()
	store, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	var asked int
	set := Set{Pitch: fake{3, &asked}, Store: store}
	gone := errors.New("a.wav: gone")
	if _, err := set.Label("a", func() ([]float32, error) { return nil, gone }); err != gone {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("%v is left behind", entries)
	}
	load := func() ([]float32, error) { return make([]float32, 301), nil }
	path := store.path("a")
	if err := os.MkdirAll(path, 0o755); err != nil { // a folder where the file should be
		t.Fatal(err)
	}
	if _, err := set.Label("a", load); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir + "/file"); err == nil {
		t.Error("a file is no store")
	}
	// A store that cannot be written does not take the labels away.
	if err := os.Symlink("nowhere", filepath.Dir(store.path("b"))); err != nil {
		t.Skip(err)
	}
	if labels, err := set.Label("b", load); err == nil || len(labels.F0) != 2 {
		t.Errorf("%+v, %v", labels, err)
	}
}

// TestLabelsOfMany: learned teachers and the store, from several goroutines.
func TestLabelsOfMany(t *testing.T) {
	clips := people(t)[:6]
	u := learn(t, clips, Config{Units: 10})
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set := &Set{Phones: u, Speaker: u.Speakers(), Store: store}
	var wg sync.WaitGroup
	for i := range 12 {
		c := clips[i%6]
		wg.Go(func() {
			got, err := set.Label(c.name, func() ([]float32, error) { return c.samples, nil })
			x := &Utterance{Samples: c.samples}
			if want := (Labels{Phones: u.Phones(x), Speaker: u.Speakers().Speaker(x), F0: nil}); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, other labels than the teachers'", c.name, err)
			}
		})
	}
	wg.Wait()
}

func FuzzLabels(f *testing.F) {
	good := appendSeries(nil, "k", []series{{Fingerprint{1}, []uint32{1, 2}}, {Fingerprint{2}, nil}})
	f.Add(good[:len(good)-4])
	f.Add(good[:len(good)-10])
	f.Fuzz(func(t *testing.T, b []byte) {
		parseSeries(b, "k")
		sealed := seal(b)
		all := parseSeries(sealed, "k")
		if all != nil && !bytes.Equal(appendSeries(nil, "k", all), sealed) {
			t.Error("read and written again it is something else")
		}
	})
}
