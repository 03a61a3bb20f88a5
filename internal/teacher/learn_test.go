package teacher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestLearnWhateverTheThreads: what is learned is the same to the bit, and another
// seed gives something else.
func TestLearnWhateverTheThreads(t *testing.T) {
	clips := people(t)[:12]
	want := learn(t, clips, Config{Units: 20, Seed: 7, Threads: 1})
	for _, threads := range []int{2, 5} {
		if !bytes.Equal(learn(t, clips, Config{Units: 20, Seed: 7, Threads: threads}).Bytes(), want.Bytes()) {
			t.Errorf("%d threads learn something else than one", threads)
		}
	}
	if learn(t, clips, Config{Units: 20, Seed: 8}).Fingerprint() == want.Fingerprint() {
		t.Error("another seed learns the same")
	}
}

func TestLearnFromASample(t *testing.T) {
	clips := people(t)
	loaded := map[string]int{}
	var list []Source
	for _, c := range clips {
		list = append(list, Source{c.name, func() ([]float32, error) {
			loaded[c.name]++
			return c.samples, nil
		}})
	}
	var reports []string
	u, err := Learn(context.Background(), list, Config{Units: 50, Threads: 1, MaxUtterances: 5, MaxFrames: 600,
		Progress: func(done, total int) { reports = append(reports, fmt.Sprint(done, "/", total)) },
		Notice:   func(s string) { reports = append(reports, s) }})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"1/5", "2/5", "3/5", "4/5", "5/5"}; len(loaded) != 5 || len(reports) < 6 || !slices.Equal(reports[:5], want) {
		t.Errorf("%d of 5 loaded; %q", len(loaded), reports)
	}
	if u.Classes() != 30 || !strings.Contains(reports[5], "30 content units instead of 50") {
		t.Errorf("%d units of 600 frames: %q", u.Classes(), reports[5:])
	}
}

func TestLearnFromLittle(t *testing.T) {
	gone := errors.New("a.wav: gone")
	bad := Source{"bad", func() ([]float32, error) { return nil, gone }}
	nothing := Source{"nothing", func() ([]float32, error) { return nil, nil }}
	silence := Source{"silence", func() ([]float32, error) { return make([]float32, 9000), nil }}
	for _, list := range [][]Source{nil, {nothing}, {bad, nothing}} {
		_, err := Learn(context.Background(), list, Config{Units: 4})
		if !errors.Is(err, ErrNothing) || len(list) == 2 && !errors.Is(err, gone) {
			t.Errorf("%d sources: %v", len(list), err)
		}
	}
	var notices []string
	u, err := Learn(context.Background(), []Source{bad, silence, people(t)[0].source()}, Config{Units: 4, Speakers: 3, Notice: func(s string) { notices = append(notices, s) }})
	if err != nil || u.Classes() != 4 || u.Speakers().Classes() != 1 || len(notices) != 2 || !strings.Contains(notices[0], "a.wav: gone") {
		t.Fatalf("%v, %q", err, notices)
	}
	if u := learn(t, []clip{{name: "silence", samples: make([]float32, 90000)}}, Config{Units: 4}); u.Classes() != 1 {
		t.Errorf("%d units in silence", u.Classes())
	}
	if _, err := Learn(context.Background(), nil, Config{}); err == nil {
		t.Error("no units are learned")
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := Source{"stop", func() ([]float32, error) { cancel(); return people(t)[0].samples, nil }}
	if _, err := Learn(ctx, []Source{stop, silence}, Config{Units: 4}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
