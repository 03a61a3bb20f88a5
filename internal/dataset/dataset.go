package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/collection"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// DefaultSampleRate is the rate of samples and of a Clip's numbers, in Hz, where
// Options name none.
const DefaultSampleRate = 24000

// Endings are the file names that are taken for speech, in upper case too.
var Endings = audio.Extensions()

// DefaultDuration is what a training clip may last, in seconds.
var DefaultDuration = [2]float64{1, 25}

// SilenceDB is the peak, in dB of full scale, under which a file or a piece of one
// is silent: brought to peak 1 it would be noise. It is 33 steps of 16 bits.
const SilenceDB = -60

// The faults of a folder; they come wrapped, with its name before them. A missing
// folder is io/fs.ErrNotExist.
var (
	// ErrEmpty: the folder has no file with one of Endings.
	ErrEmpty = errors.New("no speech files")
	// ErrNoSpeakers: speakers are asked for, and nothing names them.
	ErrNoSpeakers = errors.New("no speaker labels")
	// ErrNothingUsable: no file of the folder can be trained on.
	ErrNothingUsable = errors.New("no usable speech")
)

// A TooManyBadError ends a Scan early.
type TooManyBadError struct {
	Bad, Total int
	Share      float64
}

func (e *TooManyBadError) Error() string {
	return fmt.Sprintf("stopped: %d of the %s of the corpus are bad, more than %g %%", e.Bad, plural.Of(e.Total, "item"), 100*e.Share)
}

// Options say what a Set is made of.
type Options struct {
	// Root is the folder of speech, or a corpus as package collection reads it: shards, a
	// table, a manifest, a list, also by braces and patterns.
	Root string
	// SampleRate is that of all samples, in Hz: the codec's. 0 is DefaultSampleRate.
	SampleRate int
	// Duration is the shortest and the longest clip, in seconds; the zero value is
	// DefaultDuration.
	Duration [2]float64
	// HeldOut says what is held out for validation.
	HeldOut HeldOut
	// CacheDir is the folder of the index; it is made where it is missing. Without
	// one every Scan decodes all files.
	CacheDir string
	// Workers is how many files are decoded at a time; 0 is one for each CPU.
	Workers int
	// CacheBytes is how much memory may keep decoded clips, four bytes a sample.
	// Small sets are then decoded once, by the scan, and not once an epoch.
	CacheBytes int64
	// StoreBytes is how much of CacheDir may hold long files decoded, 345 MB for an
	// hour. A piece of a file of hours is then read where it lies, and not after
	// decoding all that lies before it. 0 stores nothing.
	StoreBytes int64
	// SpeakerField asks for the speakers that a corpus names, see Set.Speaker: it is the
	// field of collection.Options, "speaker" for corpora that have no fields. A recording
	// without a label is left out; a folder, which has none, is an error.
	SpeakerField string
	// MaxBad is the share of the recordings of a corpus that may be bad: those that are
	// missing or broken, but none that is only too short or silent. Where more are, and
	// more than one, Scan ends early with a TooManyBadError. A negative share allows
	// none but one; 0 is no limit, and folders have none.
	MaxBad float64
	// Report is told once about each file that cannot be used, by its path below
	// Root with slashes. It is called by one goroutine at a time. Files that are
	// only too short are counted and not reported.
	Report func(path, reason string)
	// Progress is called by Scan's goroutine after each file.
	Progress func(Progress)
}

// Progress is how far a Scan is.
type Progress struct {
	Done, Total int     // files
	Seconds     float64 // of usable speech found so far
}

// A Clip is an utterance to train on: a file, or a piece of a long one. It is
// comparable, and stays the same when other files come and go.
type Clip struct {
	Path    string // below the set's root, with slashes; of an item of a corpus its key and the extension of its sound
	Size    int64  // of the file or shard, in bytes, as it was scanned
	ModTime int64  // of the file, in nanoseconds since 1970, as it was scanned; collection.Item.Version of an item
	Start   int64  // first sample, at Rate
	Samples int    // length, at Rate
	Rate    int    // Hz, the set's
}

func clipOf(path string, size, modTime int64, p piece, rate int) Clip {
	return Clip{Path: path, Size: size, ModTime: modTime, Start: p.Start, Samples: int(p.Samples), Rate: rate}
}

// Seconds returns the clip's length.
func (c Clip) Seconds() float64 { return float64(c.Samples) / float64(c.Rate) }

// Key names what the clip's samples depend on: the file's path, size and time, and
// the place in it. What is computed from the samples can be kept under it.
func (c Clip) Key() string {
	key := fmt.Sprintf("%s|%d|%d|%d|%d", c.Path, c.Size, c.ModTime, c.Start, c.Samples)
	if c.Rate != DefaultSampleRate { // keys are older than other rates
		key += fmt.Sprintf("|%d Hz", c.Rate)
	}
	return key
}

// String names the clip for a message.
func (c Clip) String() string {
	if c.Start == 0 {
		return c.Path
	}
	return fmt.Sprintf("%s at %.2f s", c.Path, float64(c.Start)/float64(c.Rate))
}

// A Set is the clips of a folder, for training and held out. It is safe for
// concurrent use.
type Set struct {
	// Train and Valid are in order of path and place. All clips of a file are in
	// one of them.
	Train, Valid []Clip
	// NoHoldOutReason says why Valid is empty; "" where it is not.
	NoHoldOutReason string
	// Stats counts what was found.
	Stats Stats

	root   string
	items  map[string]collection.Item // by path, of a corpus that is no folder
	rate   int                        // Hz
	notify *notifier
	memory *memory
	store  *store
}

// Stats counts what Scan found.
type Stats struct {
	Files        int            // with one of Endings
	Used         int            // with at least one clip
	Decoded      int            // by this Scan; what the index knew was not
	Skipped      map[Reason]int // files, by reason
	PassedOver   map[string]int // files without one of Endings, by extension
	SilentPieces int            // of used files, left out
	Seconds      float64        // of all clips
	Longest      float64        // of all files that could be decoded, in seconds
}

// Speaker returns who speaks in a clip, as the corpus labels it; "" where nobody asked.
func (s *Set) Speaker(c Clip) string { return s.items[c.Path].Speaker }

// Root returns the folder.
func (s *Set) Root() string { return s.root }

// Fingerprint names the clips, in their order, whatever the files' times. Runs
// resume exactly on sets of the same fingerprint.
func (s *Set) Fingerprint() string {
	h := sha256.New()
	for i, clips := range [][]Clip{s.Train, s.Valid} {
		for _, c := range clips {
			h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(c.Path))))
			h.Write([]byte(c.Path))
			for _, n := range []int64{int64(i), c.Size, c.Start, int64(c.Samples)} {
				h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// limits are Options.Duration in samples at a rate in Hz.
type limits struct {
	min, max int64
	rate     int
}

// seconds returns how long samples last.
func (l limits) seconds(samples int64) float64 { return float64(samples) / float64(l.rate) }

// block is the resolution of cuts, in samples: 10 ms, or a little less.
func (l limits) block() int { return max(1, l.rate/100) }

func (o *Options) limits() (limits, error) {
	d := o.Duration
	if d == [2]float64{} {
		d = DefaultDuration
	}
	const most = 3600 // seconds; a clip is held in memory
	l := limits{rate: cmp.Or(o.SampleRate, DefaultSampleRate)}
	if l.rate < 0 {
		return l, fmt.Errorf("a sample rate of %d Hz", l.rate)
	}
	l.min, l.max = int64(math.Round(d[0]*float64(l.rate))), int64(math.Round(d[1]*float64(l.rate)))
	if !(d[0] > 0 && d[0] <= d[1] && d[1] <= most) || l.min < 1 {
		return l, fmt.Errorf("duration range [%v, %v] s: want 0 < shortest <= longest <= %d", d[0], d[1], most)
	}
	return l, nil
}

// Scan makes a Set of a folder. It decodes each file that the index does not know,
// on o.Workers goroutines; the set does not depend on their number. What is found
// before ctx ends is kept in the index.
func Scan(ctx context.Context, o Options) (*Set, error) {
	lim, err := o.limits()
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", o.Root, err)
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Root == "" {
		return nil, errors.New("dataset: no folder is named")
	}
	paths, err := collections(o.Root)
	if err != nil {
		return nil, fmt.Errorf("dataset %w", err)
	}
	info, err := os.Stat(o.Root)
	switch {
	case paths != nil:
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("dataset %s: %w; name a folder of speech, or a corpus: .tar, .parquet, .jsonl, wav.scp, @list", o.Root, fileerr.Cause(err))
	case err != nil:
		return nil, fmt.Errorf("dataset %s: %w", o.Root, fileerr.Cause(err))
	case !info.IsDir():
		return nil, fmt.Errorf("dataset %s: is a file; want a folder of speech, or a corpus: .tar, .parquet, .jsonl, wav.scp, @list", o.Root)
	}
	notify := &notifier{report: o.Report, told: map[string]bool{}}
	passed := map[string]int{}
	var found []found
	var items map[string]collection.Item
	bad := badCount{}
	switch {
	case paths != nil:
		bad.share = o.MaxBad
		found, items, err = gatherItems(ctx, paths, &o, &bad, notify.tell)
	case o.SpeakerField != "":
		err = fmt.Errorf("%w: it is a folder of files, and only a corpus names who speaks: .tar, .parquet, .jsonl, wav.scp", ErrNoSpeakers)
	default:
		found, err = walk(ctx, o.Root, notify.tell, passed)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", o.Root, err)
	}
	if len(found) == 0 && paths != nil {
		return nil, fmt.Errorf("dataset %s: %w: the corpus has no recording that can be used", o.Root, ErrEmpty)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("dataset %s: %w: looked for %s in all its folders", o.Root, ErrEmpty, strings.Join(Endings, " "))
	}
	memory := newMemory(o.CacheBytes)
	entries, decoded, err := scanAll(ctx, &o, lim, found, memory, &bad, notify.tell)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", o.Root, err)
	}
	set := &Set{root: o.Root, items: items, rate: lim.rate, notify: notify, memory: memory}
	set.store = newStore(o.CacheDir, o.StoreBytes, lim.rate, entries, notify.tell)
	set.Stats.Decoded = decoded
	if len(passed) > 0 {
		set.Stats.PassedOver = passed
	}
	if err := set.gather(entries, lim, o.HeldOut); err != nil {
		return nil, fmt.Errorf("dataset %s: %w", o.Root, err)
	}
	return set, nil
}

// gather fills the set with what is usable of the entries, which are in order of
// path, and reports the rest.
func (s *Set) gather(entries []entry, lim limits, held HeldOut) error {
	st := &s.Stats
	st.Files, st.Skipped = len(entries), map[Reason]int{}
	var usable []string
	first := "" // what was reported first
	for _, e := range entries {
		st.Longest = max(st.Longest, lim.seconds(e.Samples))
		if e.Skip == "" {
			usable = append(usable, e.Path)
			st.SilentPieces += e.SilentPieces
			continue
		}
		st.Skipped[e.Skip]++
		if e.Skip != TooShort {
			s.notify.tell(e.Path, e.Fault)
			if first == "" {
				first = printable(e.Path) + ": " + e.Fault
			}
		}
	}
	if len(usable) == 0 {
		return unusable(st, lim, first)
	}
	st.Used = len(usable)
	out := holdOut(usable, held.of(len(usable)))
	if len(out) == 0 {
		s.NoHoldOutReason = "one file of speech only: none is held out for validation"
	}
	for _, e := range entries {
		for _, p := range e.Pieces {
			c := clipOf(e.Path, e.Size, e.ModTime, p, s.rate)
			st.Seconds += c.Seconds()
			if out[e.Path] {
				s.Valid = append(s.Valid, c)
			} else {
				s.Train = append(s.Train, c)
			}
		}
	}
	return nil
}

// unusable says why there is nothing to train on.
func unusable(st *Stats, lim limits, first string) error {
	const key = "lower the first number of duration_range"
	shortest := lim.seconds(lim.min)
	if st.Skipped[TooShort] == st.Files {
		return fmt.Errorf("%w: of %s none is as long as %.4g s, the longest lasts %.3g s; %s",
			ErrNothingUsable, plural.Of(st.Files, "file"), shortest, st.Longest, key)
	}
	var counts []string
	for _, r := range reasons {
		if n := st.Skipped[r]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, r))
		}
	}
	err := fmt.Errorf("%w in %s: %s", ErrNothingUsable, plural.Of(st.Files, "file"), strings.Join(counts, ", "))
	if st.Skipped[TooShort] > 0 {
		err = fmt.Errorf("%w (under %.4g s: %s)", err, shortest, key)
	}
	if first != "" {
		err = fmt.Errorf("%w; the first: %s", err, first)
	}
	return err
}

// A notifier reports each path once, to one goroutine at a time.
type notifier struct {
	mu     sync.Mutex
	report func(path, reason string)
	told   map[string]bool
}

func (n *notifier) tell(path, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.report != nil && !n.told[path] {
		n.told[path] = true
		n.report(path, reason)
	}
}
