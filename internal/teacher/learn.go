package teacher

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
)

// A Source is one utterance to learn from.
type Source struct {
	Name string // tells it from others, and decides whether it is in the sample
	// Load returns its samples, 24 kHz mono. Several are loaded at once.
	Load func() ([]float32, error)
}

// Config says how to learn.
type Config struct {
	Units    int    // content units, at least 1; there will be fewer where the folder is small
	Speakers int    // pseudo-speakers, 0 to find their number
	Seed     uint64 // of the sample and of the first centers
	Threads  int    // 0 for one for each CPU; has no influence on what is learned

	// MaxUtterances and MaxFrames bound the sample, and with it memory and time; 0 for
	// 2,048 utterances and 200,000 frames: 80 MB, and 800 frames for each of 256 units.
	MaxUtterances, MaxFrames int

	// Progress is told how many utterances of the sample have been read; nil for no
	// one. It is called by one goroutine at a time.
	Progress func(done, total int)
	// Notice is told, in a line, what the user should know; nil for no one.
	Notice func(string)
}

const (
	defaultUtterances = 2048
	defaultFrames     = 200_000
	// minPerUtterance frames are kept of every utterance for the units, even where
	// few are needed of each: they make the sample's 2,048 a known amount of memory.
	minPerUtterance = 100
)

// ErrNothing is Learn's error for sources without a frame of sound.
var ErrNothing = errors.New("nothing to learn content units and speakers from")

// Learn learns content units, and the pseudo-speakers that they need, from sources.
// A source that cannot be loaded is left out with a notice. The result depends on
// the names, the samples, their order and the seed alone.
func Learn(ctx context.Context, sources []Source, c Config) (*Units, error) {
	if c.Units < 1 || c.Speakers < 0 || c.MaxUtterances < 0 || c.MaxFrames < 0 {
		return nil, fmt.Errorf("teacher: %s and %s from %d utterances and %d frames asked for", plural.Of(c.Units, "unit"), plural.Of(c.Speakers, "speaker"), c.MaxUtterances, c.MaxFrames)
	}
	if c.Notice == nil {
		c.Notice = func(string) {}
	}
	pool := parallel.New(c.Threads)
	defer pool.Close()
	s, err := take(ctx, sources, &c, pool)
	if err != nil {
		return nil, err
	}
	var voices []voice
	for _, e := range s.excerpts {
		if e.voice != nil {
			voices = append(voices, *e.voice)
		}
	}
	speakers := learnSpeakers(voices, c.Speakers, pool)
	if n := speakers.Classes(); n < c.Speakers {
		c.Notice(fmt.Sprintf("%s instead of %d: %s long enough to tell voices by", plural.Of(n, "speaker"), c.Speakers, plural.Of(len(voices), "utterance")))
	}
	for _, e := range s.excerpts {
		e.speaker = speakers.classify(&e.whole)
	}
	u, err := learnUnits(ctx, s, speakers, c.Units, c.Seed, pool)
	if err != nil {
		return nil, err
	}
	if u.Classes() < c.Units {
		c.Notice(fmt.Sprintf("%s instead of %d: the sample has %s", plural.Of(u.Classes(), "content unit"), c.Units, plural.Of(s.frames(), "frame")))
	}
	return u, nil
}

// A sample is what is kept of the utterances that are learned from.
type sample struct {
	excerpts  []*excerpt
	maxFrames int
}

// An excerpt is what is kept of one utterance.
type excerpt struct {
	whole    statistics
	voice    *voice // nil where there is too little speech
	moments  moments
	features []float32 // [frames][unitDims], not normalized, in random order
	speaker  int
}

// take loads a sample of the sources: those whose names have the lowest hashes.
func take(ctx context.Context, sources []Source, c *Config, pool *parallel.Pool) (*sample, error) {
	utterances, frames := cmp.Or(c.MaxUtterances, defaultUtterances), cmp.Or(c.MaxFrames, defaultFrames)
	chosen := choose(sources, utterances, c.Seed)
	excerpts := make([]*excerpt, len(chosen))
	perUtterance := max(minPerUtterance, 2*frames/max(len(chosen), 1))
	var mu sync.Mutex
	var done int
	faults := make([]error, len(chosen))
	pool.For(len(chosen), func(i int) {
		if ctx.Err() != nil {
			return
		}
		samples, err := chosen[i].Load()
		faults[i] = err
		if err == nil && len(samples) > 0 {
			excerpts[i] = newExcerpt(samples, perUtterance, rand.New(rand.NewPCG(c.Seed, uint64(i))))
		}
		mu.Lock()
		defer mu.Unlock()
		done++
		if c.Progress != nil {
			c.Progress(done, len(chosen))
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if len(faults) > 0 {
		c.Notice(fmt.Sprintf("%d of %s could not be read to learn from, one because: %v", len(faults), plural.Of(len(chosen), "utterance"), faults[0]))
	}
	excerpts = slices.DeleteFunc(excerpts, func(e *excerpt) bool { return e == nil })
	if len(excerpts) == 0 {
		if len(faults) > 0 {
			return nil, fmt.Errorf("%w: %w", ErrNothing, faults[0])
		}
		return nil, ErrNothing
	}
	return &sample{excerpts, frames}, nil
}

// choose returns the n sources whose names hash lowest with the seed, in the order
// of the hashes; where names are the same, in their order.
func choose(sources []Source, n int, seed uint64) []Source {
	type ranked struct {
		rank [sha256.Size]byte
		Source
	}
	all := make([]ranked, len(sources))
	for i, s := range sources {
		all[i] = ranked{sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), s.Name...)), s}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return slices.Compare(a.rank[:], b.rank[:]) })
	var chosen []Source
	for _, r := range all[:min(n, len(all))] {
		chosen = append(chosen, r.Source)
	}
	return chosen
}

func newExcerpt(samples []float32, most int, random *rand.Rand) *excerpt {
	c := analyse(samples)
	e := &excerpt{whole: statisticsOf(c, 0, len(c.rows)), moments: momentsOf(c)}
	if c.speech() >= minSpeech {
		v := voiceOf(c)
		e.voice = &v
	}
	frames := random.Perm(len(c.rows))
	frames = frames[:min(most, len(frames))]
	e.features = make([]float32, len(frames)*unitDims)
	for i, t := range frames {
		features(e.features[i*unitDims:][:unitDims], c, t)
	}
	return e
}

// frames returns how many frames are kept in all.
func (s *sample) frames() (n int) {
	for _, e := range s.excerpts {
		n += len(e.features) / unitDims
	}
	return n
}

// rows returns normalized features of at most maxFrames frames, as many of each
// utterance as it has up to a common number, and mixed: every utterance's first
// ones, then every one's second ones.
func (s *sample) rows(u *Units) []float32 {
	rows := make([]float32, 0, min(s.frames(), s.maxFrames)*unitDims)
	normals := make([]normal, len(s.excerpts))
	for i, e := range s.excerpts {
		normals[i] = u.normal[e.speaker].forUtterance(&e.moments)
	}
	for at, more := 0, true; more; at += unitDims {
		more = false
		for i, e := range s.excerpts {
			if at >= len(e.features) {
				continue
			}
			if len(rows) == cap(rows) {
				return rows
			}
			more = true
			rows = append(rows, e.features[at:at+unitDims]...)
			normals[i].apply(rows[len(rows)-unitDims:])
		}
	}
	return rows
}
