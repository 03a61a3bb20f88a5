package collection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
)

// samples reads an item whole.
func samples(t *testing.T, it Item, rate int) []float32 {
	t.Helper()
	r, err := it.Open(context.Background(), audio.Options{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []float32
	buf := make([]float32, 1000)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// collect returns the items of collections, and what is wrong with others.
func collect(t *testing.T, s *Set, paths ...string) (items []Item, faults []string) {
	t.Helper()
	for _, path := range paths {
		for it, err := range s.Items(context.Background(), path) {
			if _, ok := errors.AsType[*Fault](err); err != nil && !ok {
				t.Fatal(err)
			} else if ok {
				faults = append(faults, err.Error())
			} else {
				items = append(items, it)
			}
		}
	}
	return items, faults
}

func describe(items []Item) string {
	var b strings.Builder
	for _, it := range items {
		fmt.Fprintf(&b, "%s=%s ", it.Key, it.Speaker)
	}
	return strings.TrimSpace(b.String())
}

const testWav = "en_0=en en_1=en es_0=es es_1=es fr_0=fr fr_1=fr"

// TestKinds: what real tools have written holds the same speech as the loose files, to
// the bit, with the corpus' keys and labels; in any order, twice, and from the index.
func TestKinds(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.txt")
	wav, err := filepath.Abs("testdata/wav")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, []byte("\ufeff"+wav+"/en_0.flac\r\n\n"+wav+"/fr_1.flac"), 0o644); err != nil {
		t.Fatal(err)
	}
	inList := strings.TrimPrefix(filepath.ToSlash(wav), "/")
	for _, test := range []struct {
		name, field string
		want        string
		unit        string // of the first
	}{
		{"testdata/shard-{000000..000001}.tar", "", "en/en_0=en en/en_1=en es/es_0=es es/es_1=es fr/fr_0=fr fr/fr_1=fr", "shard-000000.tar"},
		{"testdata/shard-*.tar", "text", "en/en_0=… en/en_1=… es/es_0=… es/es_1=… fr/fr_0=… fr/fr_1=…", "shard-000000.tar"},
		{"testdata/audio.parquet", "", testWav, "audio.parquet"},
		{"testdata/pages.parquet", "who", "pages-00000000=7 pages-00000001=7 pages-00000002=8 pages-00000003=8 pages-00000004=9 pages-00000005=9", "pages.parquet"},
		{"testdata/recordings.jsonl.gz", "", "en_0= en_1= es_0= es_1= fr_0= fr_1=", "en_0"},
		{"@" + list, "", inList + "/en_0= " + inList + "/fr_1=", inList + "/en_0"},
	} {
		paths, err := Expand(test.name)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{IndexDir: t.TempDir(), Speakers: true, SpeakerField: test.field}
		for round := range 2 { // the second from the index
			s := New(o)
			items, faults := collect(t, s, paths...)
			if got := describe(items); got != test.want || len(faults) > 0 {
				t.Fatalf("%s, round %d: %s, %q", test.name, round, got, faults)
			}
			if items[0].Unit != test.unit {
				t.Errorf("%s: unit %s", test.name, items[0].Unit)
			}
			order := make([]int, len(items))
			for i := range order {
				order[i] = (i*5 + 3) % len(items)
			}
			for _, i := range append(order, order[0], order[1]) {
				if strings.HasPrefix(items[i].Key, "pages") && i == 5 {
					continue // TestFaults
				}
				name := filepath.Base(items[i].Key)
				if n, ok := strings.CutPrefix(name, "pages-0000000"); ok {
					name = strings.Split(testWav, " ")[n[0]-'0'][:4]
				}
				want, err := audio.ReadFile("testdata/wav/"+name+".flac", 24000)
				if err != nil {
					t.Fatal(err)
				}
				if got := samples(t, items[i], 24000); !slices.Equal(got, want) {
					t.Errorf("%s: %s has other samples: %d, want %d", test.name, items[i], len(got), len(want))
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if kind, _ := KindOf(paths[0]); kind == Tar || kind == Parquet {
			if found, _ := os.ReadDir(o.IndexDir); len(found) != len(paths) {
				t.Errorf("%s: %d indexes", test.name, len(found))
			}
		}
	}
}

// TestMP3: as in Emilia, whose keys have no extension and whose sound is MP3.
func TestMP3(t *testing.T) {
	items, faults := collect(t, New(Options{Speakers: true}), "testdata/mp3.tar")
	if got := describe(items); got != "EN_B00000_S00000_W000000=EN_B00000_S00000" || faults != nil {
		t.Fatal(got, faults)
	}
	if n := len(samples(t, items[0], 16000)); n < 6300 || n > 8000 {
		t.Errorf("%d samples", n)
	}
}

// TestSegments: a segment has the samples that Lhotse takes, and Kaldi names.
func TestSegments(t *testing.T) {
	var want struct {
		Key                  string
		Samples, First, Last int
	}
	data, err := os.ReadFile("testdata/expected.json")
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	items, faults := collect(t, New(Options{Speakers: true}), "testdata/cuts.jsonl.gz")
	if len(items) != 12 || faults != nil || items[1].Key != want.Key || items[1].Speaker != "en" {
		t.Fatalf("%s, %q", describe(items), faults)
	}
	got := samples(t, items[1], 0)
	if len(got) != want.Samples || got[0]*32768 != float32(want.First) || got[len(got)-1]*32768 != float32(want.Last) {
		t.Errorf("%d samples from %v to %v, want %+v", len(got), got[0]*32768, got[len(got)-1]*32768, want)
	}
	if n := len(samples(t, items[1], 24000)); n != want.Samples*3/2 {
		t.Errorf("%d samples at 24 kHz", n)
	}
	items, faults = collect(t, New(Options{Speakers: true}), "testdata/kaldi/wav.scp")
	if got := describe(items); got != "en_0-a=en en_0-b=en es_1-a=es" || faults != nil {
		t.Fatalf("%s, %q", got, faults)
	}
	whole := samples(t, Item{file: "testdata/wav/en_0.flac"}, 0)
	if !slices.Equal(samples(t, items[0], 0), whole[1600:4800]) || !slices.Equal(samples(t, items[1], 0), whole[4800:]) {
		t.Error("segments are other than parts of the whole")
	}
	// It reaches 0.4 s beyond the end, which Kaldi cuts off.
	if n := len(samples(t, items[2], 0)); n != 6400 {
		t.Errorf("%d samples", n)
	}
	r, err := Item{file: "testdata/wav/en_0.flac", segment: segment{start: 1, length: 1}}.Open(t.Context(), audio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, err = r.Read(make([]float32, 999))
	}
	if !strings.Contains(err.Error(), "beyond the end") {
		t.Error(err)
	}
}

// TestChannel: a cut of one channel of two has that one, and a recording the mean.
func TestChannel(t *testing.T) {
	name := filepath.Join(t.TempDir(), "two.wav")
	w, err := audio.CreateWith(name, audio.WriteOptions{Rate: 16000, Channels: 2, Format: audio.F32})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for range 5000 {
		if err := w.Write([]float32{0.25, -0.5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	recording := fmt.Sprintf(`"sources": [{"type": "file", "channels": [0, 1], "source": %q}]`, name)
	cut := `"start": 0.1, "duration": 0.1, "recording": {"id": "r", ` + recording + `}`
	manifest := filepath.Join(t.TempDir(), "m.jsonl")
	text := `{"id": "a", ` + recording + `}
{"id": "b", "type": "MonoCut", "channel": 1, ` + cut + `}
{"id": "c", "type": "MultiCut", "channel": [1, 0], ` + cut + `}`
	if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	items, faults := collect(t, New(Options{}), manifest)
	if len(items) != 3 || faults != nil {
		t.Fatal(describe(items), faults)
	}
	for i, want := range []struct {
		n int
		x float32
	}{{5000, -0.125}, {1600, -0.5}, {1600, -0.125}} {
		if got := samples(t, items[i], 0); len(got) != want.n || got[7] != want.x {
			t.Errorf("%s: %d samples of %v, want %v", items[i].Key, len(got), got[7], want)
		}
	}
}
