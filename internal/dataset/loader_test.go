package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// lengthLabel is a label that takes longer for some clips, so that they are ready
// in another order than they are delivered in.
func lengthLabel(_ context.Context, c Clip, samples []float32) (any, error) {
	time.Sleep(time.Duration(c.Samples%7) * 300 * time.Microsecond)
	return fmt.Sprint(c.Path, len(samples), peakOf(samples)), nil
}

func TestBatchesDoNotDependOnWorkers(t *testing.T) {
	root := tones(t, 40)
	var want []Batch
	for i, o := range []LoaderOptions{{Workers: 1, Ahead: 1}, {Workers: 2}, {Workers: 7, Ahead: 5}} {
		s := scan(t, Options{Root: root, CacheBytes: int64(i) * 200_000, Workers: o.Workers})
		o.BatchSize, o.Seed, o.GainDB, o.Label = 5, 99, DefaultGainDB, lengthLabel
		l := loader(t, s, o)
		if n := l.BatchesPerEpoch(); n != 6 { // of 32 clips
			t.Fatalf("%d batches an epoch", n)
		}
		got := take(t, l, 20)
		if want == nil {
			want = got
		}
		sameBatches(t, got, want)
	}
	for e := range 3 {
		var clips []Clip
		for _, b := range want[6*e : 6*e+6] {
			if b.Position.Epoch != e {
				t.Errorf("%v, want epoch %d", b.Position, e)
			}
			for _, it := range b.Items {
				clips = append(clips, it.Clip)
				want := gain(99, e, it.Clip, 0, -24, 0)
				if peak := float64(peakOf(it.Samples)); math.Abs(peak-math.Pow(10, want/20)) > 1e-6 || it.Gain != want {
					t.Errorf("%v: peak %v at %v dB", it.Clip, peak, it.Gain)
				}
				if want := fmt.Sprint(it.Clip.Path, len(it.Samples), 1); it.Label != want {
					t.Errorf("label %v, want %v", it.Label, want)
				}
			}
		}
		slices.SortFunc(clips, func(a, b Clip) int { return strings.Compare(a.Path, b.Path) })
		if len(slices.Compact(clips)) != 30 {
			t.Errorf("epoch %d: a clip comes twice", e)
		}
	}
}

func TestResumeContinues(t *testing.T) {
	root := tones(t, 40)
	cache := t.TempDir()
	o := LoaderOptions{BatchSize: 7, Seed: 3, GainDB: DefaultGainDB, Label: lengthLabel}
	whole := take(t, loader(t, scan(t, Options{Root: root, CacheDir: cache}), o), 14)
	for _, n := range []int{0, 1, 3, 4, 5, 11} {
		l := loader(t, scan(t, Options{Root: root, CacheDir: cache}), o)
		sameBatches(t, take(t, l, n), whole[:n])
		data, err := json.Marshal(l.Position())
		must(t, err)
		l.Close()
		resumed := o
		resumed.Start = Position{99, 99}
		must(t, json.Unmarshal(data, &resumed.Start))
		resumed.Workers, resumed.Ahead = 3, 4
		sameBatches(t, take(t, loader(t, scan(t, Options{Root: root, CacheDir: cache}), resumed), 14-n), whole[n:])
	}
	// A position behind the end of its epoch is the start of the next.
	o.Start = Position{0, 4}
	sameBatches(t, take(t, loader(t, scan(t, Options{Root: root}), o), 2), whole[4:6])
}

// TestSkip: batches that are not wanted are passed over without loading, and the others
// are what they are otherwise.
func TestSkip(t *testing.T) {
	root := tones(t, 40)
	o := LoaderOptions{BatchSize: 3, Seed: 3, GainDB: DefaultGainDB, Label: lengthLabel}
	whole := take(t, loader(t, scan(t, Options{Root: root}), o), 24)
	var labeled atomic.Int64
	o.Skip = func(n int) bool { return n%4 != 2 }
	o.Label = func(ctx context.Context, c Clip, samples []float32) (any, error) {
		labeled.Add(1)
		return lengthLabel(ctx, c, samples)
	}
	l := loader(t, scan(t, Options{Root: root}), o)
	for n, b := range take(t, l, 24) {
		want := whole[n]
		if o.Skip(n) {
			want.Items = nil
		}
		sameBatches(t, []Batch{b}, []Batch{want})
	}
	l.Close()
	if n := labeled.Load(); n < 18 || n > 24 { // a batch may be loaded ahead
		t.Errorf("%d clips were loaded for 6 batches of 3", n)
	}
}

func TestFewClipsRepeat(t *testing.T) {
	s := scan(t, Options{Root: tones(t, 6), HeldOut: HeldOut{Files: 3}}) // three to train on
	l := loader(t, s, LoaderOptions{BatchSize: 8, GainDB: DefaultGainDB})
	if l.BatchesPerEpoch() != 1 {
		t.Fatalf("%d batches an epoch", l.BatchesPerEpoch())
	}
	for e, b := range take(t, l, 3) {
		if b.Position != (Position{Epoch: e}) || len(b.Items) != 8 {
			t.Fatalf("%v with %d clips", b.Position, len(b.Items))
		}
		counts := map[string]int{}
		gains := map[float64]bool{}
		for i, it := range b.Items {
			counts[it.Clip.Path]++
			gains[it.Gain] = true
			if it.Clip != b.Items[i%3].Clip {
				t.Errorf("clip %d is not that of %d", i, i%3)
			}
		}
		if len(counts) != 3 || len(gains) != 8 {
			t.Errorf("clips %v at %d gains", counts, len(gains))
		}
	}
}

func TestNoGainIsPeakOne(t *testing.T) {
	l := loader(t, scan(t, Options{Root: tones(t, 9)}), LoaderOptions{BatchSize: 2})
	for _, b := range take(t, l, 3) {
		for _, it := range b.Items {
			if it.Gain != 0 || peakOf(it.Samples) != 1 {
				t.Errorf("gain %v dB, peak %v", it.Gain, peakOf(it.Samples))
			}
		}
	}
}

func TestFilesThatBreakAreReplaced(t *testing.T) {
	root := tones(t, 30)
	for _, voice := range []string{"en", "es", "fr", "it", "ru"} {
		copyFile(t, filepath.Join(testdata, "speech", voice+".flac"), filepath.Join(root, voice+".flac"))
	}
	var mu sync.Mutex
	var r reports
	report := func(path, reason string) {
		mu.Lock()
		defer mu.Unlock()
		r.add(path, reason)
	}
	o := LoaderOptions{BatchSize: 5, Seed: 11, GainDB: DefaultGainDB}
	s := scan(t, Options{Root: root, Report: report})
	whole := take(t, loader(t, s, o), len(s.Train)/5*4)
	bad := map[string]string{}
	breakFile := func(path, reason string, change func(file string)) {
		bad[path] = reason
		change(filepath.Join(root, path))
	}
	order := shuffled(11, 0, len(s.Train))
	at := func(i int) string { return s.Train[order[i]].Path }
	// Two neighbors and the last of the epoch: their replacements are elsewhere.
	breakFile(at(2), "no such file", func(f string) { must(t, os.Remove(f)) })
	breakFile(at(3), "has changed since", func(f string) { writeWAV(t, f, tone(2, 0.1)) })
	breakFile(at(len(order)-1), "is a directory|has changed since", func(f string) {
		must(t, os.Remove(f))
		must(t, os.Mkdir(f, 0o755))
	})
	flac := slices.IndexFunc(s.Train, func(c Clip) bool { return strings.HasSuffix(c.Path, ".flac") && bad[c.Path] == "" })
	breakFile(s.Train[flac].Path, "corrupt", func(f string) {
		flip(t, f, func(data []byte) []byte { data[len(data)/2] ^= 0x40; return data })
	})

	var want []Batch
	for _, workers := range []int{1, 4} {
		o.Workers = workers
		got := take(t, loader(t, s, o), len(whole))
		if want == nil {
			want = got
		}
		sameBatches(t, got, want)
	}
	replaced := 0
	for i, b := range want {
		for j, it := range b.Items {
			k := b.Position.Batch*5 + j
			order := shuffled(11, b.Position.Epoch, len(s.Train))
			n := 0
			for bad[s.Train[order[(k+n)%len(order)]].Path] != "" {
				n++
			}
			if n > 0 {
				replaced++
			}
			if want := s.Train[order[(k+n)%len(order)]]; it.Clip != want {
				t.Errorf("batch %d, item %d: %v, want %v", i, j, it.Clip, want)
			}
			if n == 0 && !slices.Equal(it.Samples, whole[i].Items[j].Samples) {
				t.Errorf("batch %d, item %d: other samples", i, j)
			}
		}
	}
	if replaced < 4 {
		t.Errorf("%d clips were replaced", replaced)
	}
	if len(r) != 4 {
		t.Errorf("%d reports: %q", len(r), r)
	}
	for path, reason := range bad {
		if !slices.ContainsFunc(r, func(line string) bool {
			return slices.ContainsFunc(strings.Split(reason, "|"), func(part string) bool { return strings.Contains(line, path+": "+part) })
		}) {
			t.Errorf("no report of %s (%s) in %q", path, reason, r)
		}
	}
}

func TestNothingLeft(t *testing.T) {
	root := tones(t, 9)
	s := scan(t, Options{Root: root, HeldOut: HeldOut{Files: 4}})
	o := LoaderOptions{BatchSize: 2}
	l := loader(t, s, o)
	take(t, l, 1)
	must(t, os.RemoveAll(root))
	var err error
	for range 4 { // what was loaded ahead still comes
		if _, err = l.Next(context.Background()); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrNothingLeft) || !strings.Contains(err.Error(), "none of 5 clips; the first: ") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
	at := l.Position()
	if _, again := l.Next(context.Background()); again != err || l.Position() != at {
		t.Errorf("then %v at %v, want the same at %v", again, l.Position(), at)
	}
}

func TestLabelErrors(t *testing.T) {
	var r reports
	s := scan(t, Options{Root: tones(t, 12), Report: r.add})
	unusable := s.Train[2]
	l := loader(t, s, LoaderOptions{BatchSize: 3, Workers: 1, Label: func(_ context.Context, c Clip, _ []float32) (any, error) {
		if c == unusable {
			return nil, fmt.Errorf("%w: no voice in it", ErrSkip)
		}
		return nil, nil
	}})
	for _, b := range take(t, l, 6) {
		for _, it := range b.Items {
			if it.Clip == unusable {
				t.Errorf("%v was delivered", it.Clip)
			}
		}
	}
	l.Close()
	r.want(t, unusable.Path+": clip cannot be labeled: no voice in it")

	boom := errors.New("boom")
	l = loader(t, s, LoaderOptions{BatchSize: 3, Label: func(_ context.Context, c Clip, _ []float32) (any, error) {
		if c == unusable {
			return nil, boom
		}
		return nil, nil
	}})
	good := 0
	for {
		_, err := l.Next(context.Background())
		if err == nil {
			good++
			continue
		}
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "label "+unusable.Path) || l.Position() != (Position{0, good}) {
			t.Errorf("error %v at %v after %d batches", err, l.Position(), good)
		}
		break
	}
}

func TestLoadsNoFurtherAheadThanAsked(t *testing.T) {
	s := scan(t, Options{Root: tones(t, 40)})
	var calls atomic.Int32
	o := LoaderOptions{BatchSize: 3, Ahead: 2, Workers: 4, Label: func(context.Context, Clip, []float32) (any, error) {
		calls.Add(1)
		return nil, nil
	}}
	l := loader(t, s, o)
	for taken := range 4 {
		want := int32(3 * (2 + taken))
		waitFor(t, func() bool { return calls.Load() >= want })
		time.Sleep(5 * time.Millisecond) // one that went further would
		if n := calls.Load(); n != want {
			t.Fatalf("%d clips are loaded after %d batches, want %d", n, taken, want)
		}
		take(t, l, 1)
	}
}

func TestNextAfterItsContextEnded(t *testing.T) {
	s := scan(t, Options{Root: tones(t, 20)})
	hold := make(chan struct{})
	o := LoaderOptions{BatchSize: 4, Label: func(ctx context.Context, _ Clip, _ []float32) (any, error) {
		select {
		case <-hold:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	l := loader(t, s, o)
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		if _, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		cancel()
	}
	close(hold)
	o.Label = nil
	sameBatches(t, take(t, l, 5), take(t, loader(t, s, o), 5))
}

func TestCloseEndsAllGoroutines(t *testing.T) {
	before := running()
	s := scan(t, Options{Root: tones(t, 20), Workers: 3})
	started := make(chan struct{}, 100)
	for _, label := range []LabelFunc{nil, func(ctx context.Context, _ Clip, _ []float32) (any, error) {
		started <- struct{}{}
		<-ctx.Done() // one that is at work
		return nil, ctx.Err()
	}} {
		l, err := s.NewLoader(LoaderOptions{BatchSize: 2, Workers: 3, Label: label})
		must(t, err)
		if label == nil {
			take(t, l, 3)
		} else {
			<-started
		}
		waiting := make(chan error)
		if label != nil {
			go func() {
				_, err := l.Next(context.Background())
				waiting <- err
			}()
		}
		l.Close()
		l.Close()
		if label != nil {
			if err := <-waiting; !errors.Is(err, ErrClosed) {
				t.Errorf("Next while it is closed: %v", err)
			}
		}
		if _, err := l.Next(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("Next after Close: %v", err)
		}
		// What has ended may take a moment to be gone.
		waitFor(t, func() bool { return running() == before })
	}
	for range s.Pass(context.Background(), s.Train, 3, nil) {
		break
	}
	waitFor(t, func() bool { return running() == before })
}

// running counts the goroutines that this package began.
func running() int {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	n := 0
	for _, g := range bytes.Split(buf, []byte("\n\n")) {
		_, by, began := bytes.Cut(g, []byte("created by "))
		if began && bytes.Contains(g, []byte("internal/dataset.(*")) && !bytes.HasPrefix(by, []byte("testing.")) {
			n++
		}
	}
	return n
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to it")
		}
	}
}

func TestLoaderOptionsAreChecked(t *testing.T) {
	s := scan(t, Options{Root: tones(t, 4)})
	for want, o := range map[string]LoaderOptions{
		"batches of -1 clips":           {BatchSize: -1},
		"gain [0, -24] dB":              {GainDB: [2]float64{0, -24}},
		"gain [NaN, 0] dB":              {GainDB: [2]float64{math.NaN(), 0}},
		"gain [-Inf, 0] dB":             {GainDB: [2]float64{math.Inf(-1), 0}},
		"position epoch -1, batch 0":    {Start: Position{-1, 0}},
		"position epoch 0, batch -1: i": {Start: Position{0, -1}},
	} {
		if l, err := s.NewLoader(o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), s.Root()) {
			t.Errorf("loader %v, error %v, want %q", l, err, want)
		}
	}
}
