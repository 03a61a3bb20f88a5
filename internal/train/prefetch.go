package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/plural"
)

// stepData is the data of one step: this rank's pieces.
type stepData struct {
	pieces []*Batch
	at     dataset.Position // of the first piece of the step
	next   dataset.Position // of the step after it
	err    error
}

// loadedStep is a step of which this rank's recordings are loaded, perturbed and
// augmented, but not yet cropped.
type loadedStep struct {
	stepData
	step   int
	items  [][]dataset.Item // by piece
	others [][][]float32    // their parallel recordings, nil for none
	frames int              // of the longest crop that all items have
}

// A prefetcher prepares the data of the next step while one is trained. The data
// depends on the seed, the step and the position alone.
//
// Recordings are loaded ahead without regard to other ranks. The length of the crops is
// that of the shortest recording of the step, so ranks agree on it, one step ahead, and
// crops are cut and analyzed while the step before is trained.
type prefetcher struct {
	run     *run
	loader  *dataset.Loader
	loaded  chan loadedStep
	cropped chan stepData // of the next step, nil before the first
	cancel  context.CancelFunc
}

// prefetch starts a prefetcher at the position of the run.
func (r *run) prefetch(ctx context.Context) (*prefetcher, error) {
	c := r.Config
	first, end := r.ownPieces()
	loader, err := r.set.NewLoader(dataset.LoaderOptions{
		BatchSize: c.BatchSize, Seed: uint64(c.Train.RandomSeed), GainDB: c.Augment.GainDB,
		Workers: r.Threads, Start: r.startPosition, Label: r.hooks.label,
		Skip: func(n int) bool { piece := n % c.Train.GradientAccumulationStep; return piece < first || piece >= end },
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &prefetcher{run: r, loader: loader, loaded: make(chan loadedStep, 1), cancel: cancel}
	step := r.trainer.Steps
	go func() {
		defer close(f.loaded)
		for ; ; step++ {
			next := r.load(ctx, loader, step)
			select {
			case f.loaded <- next:
			case <-ctx.Done():
				return
			}
			if next.err != nil {
				return
			}
		}
	}()
	return f, nil
}

// stop says whether a run goes on. Larger values prevail over those of other ranks.
type stop int32

const (
	goOn stop = iota
	stopOutOfTime
	stopInterrupted
)

// next returns the data of the next step, unless a rank's time is over or it is
// interrupted: all ranks return the same. No step follows the last, for which nothing more
// is prepared.
func (f *prefetcher) next(ctx context.Context, last bool) (stepData, stop, error) {
	if f.cropped == nil {
		if s, err := f.crop(ctx, false); s != goOn || err != nil {
			return stepData{}, s, err
		}
	}
	data := f.cropped
	f.cropped = nil
	if s, err := f.crop(ctx, last); s != goOn || err != nil {
		f.cropped = data // for close
		return stepData{}, s, err
	}
	got := <-data
	return got, goOn, got.err
}

// crop waits for the recordings of one step more, agrees with the other ranks on how long
// their crops are and whether the run stops, and begins to cut them. Where there is no step
// more, they agree on the latter alone.
func (f *prefetcher) crop(ctx context.Context, last bool) (stop, error) {
	l, own := loadedStep{frames: f.run.Config.MaxLen}, goOn
	if !last {
		select {
		case next, ok := <-f.loaded:
			if ok {
				l = next
			}
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		own = stopInterrupted
	case f.run.outOfTime():
		own = stopOutOfTime
	}
	message := binary.LittleEndian.AppendUint32(nil, uint32(own))
	all, err := collective.AllGather(f.run.Ranks, binary.LittleEndian.AppendUint32(message, uint32(l.frames)))
	if err != nil {
		return own, err
	}
	for _, data := range all {
		if len(data) != len(message)+4 {
			return own, errors.New("another rank is at another place of the run")
		}
		own = max(own, stop(binary.LittleEndian.Uint32(data)))
		l.frames = min(l.frames, int(binary.LittleEndian.Uint32(data[4:])))
	}
	if own != goOn || last {
		return own, nil
	}
	cropped := make(chan stepData, 1)
	f.cropped = cropped
	go func() { cropped <- f.run.prepare(l) }()
	return goOn, nil
}

func (f *prefetcher) close() {
	f.cancel()
	f.loader.Close()
	if f.cropped != nil {
		<-f.cropped
	}
	for range f.loaded { // until the goroutine has ended
	}
}

// siteCrop is where crops are drawn (see op.Random.Key).
const siteCrop = siteBooks + 8

// load loads this rank's recordings of a step: as many batches as gradients are
// accumulated over are those of all ranks.
func (r *run) load(ctx context.Context, loader *dataset.Loader, step int) (l loadedStep) {
	l.step, l.frames, l.at = step, r.Config.MaxLen, loader.Position()
	hop := r.Config.Preprocess.Spect.HopLength
	random := op.Random{Seed: uint64(r.Config.Train.RandomSeed), Step: uint64(step)}
	augment := augmentation{r.Config.Augment, float64(r.Config.Preprocess.SampleRate)}
	for piece := range r.Config.Train.GradientAccumulationStep {
		b, err := loader.Next(ctx)
		if err != nil {
			l.err = err
			return l
		}
		if len(b.Items) == 0 { // another rank's
			continue
		}
		others := make([][]float32, len(b.Items))
		l.items, l.others = append(l.items, b.Items), append(l.others, others)
		for i := range b.Items {
			number := piece*r.Config.BatchSize + i
			perturb := func(item dataset.Item) (dataset.Item, error) {
				item, err := r.hooks.speed.apply(item, random, number)
				if err == nil {
					item.Samples = augment.apply(item.Samples, random, number)
				}
				return item, err
			}
			if others[i], l.err = r.hooks.voice.load(ctx, b.Items[i], random, number); l.err != nil {
				return l
			}
			if others[i] != nil { // recorded as the other is
				other, err := perturb(dataset.Item{Samples: others[i]})
				if l.err = err; err != nil {
					return l
				}
				others[i] = other.Samples
			}
			if b.Items[i], l.err = perturb(b.Items[i]); l.err != nil {
				return l
			}
			l.frames = min(l.frames, len(b.Items[i].Samples)/hop)
		}
	}
	l.next = loader.Position()
	return l
}

// prepare makes the batches of a step that is loaded, each with a crop of every
// utterance, all of one length.
func (r *run) prepare(l loadedStep) stepData {
	f := l.stepData
	if f.err != nil {
		return f
	}
	hop := r.Config.Preprocess.Spect.HopLength
	random := op.Random{Seed: uint64(r.Config.Train.RandomSeed), Step: uint64(l.step)}
	if need := r.Config.ShortestCrop(); l.frames*hop < need {
		f.err = fmt.Errorf("step %d: a crop of %s is too short, the losses need %d: raise max_len or the shortest duration of preprocess_params.duration_range", l.step, plural.Of(l.frames*hop, "sample"), need)
		return f
	}
	first, _ := r.ownPieces()
	drawn := first * r.Config.BatchSize
	for piece, batch := range l.items {
		c := crops{frames: l.frames, first: drawn, random: random, others: l.others[piece]}
		for _, item := range batch {
			room := len(item.Samples)/hop - l.frames + 1
			c.starts = append(c.starts, int(op.Uniform(random.Key(siteCrop, drawn), 0)*float64(room)))
			drawn++
		}
		b, err := r.hooks.batch(batch, c)
		if err != nil {
			f.err = fmt.Errorf("step %d: %w", l.step, err)
			return f
		}
		f.pieces = append(f.pieces, b)
	}
	return f
}
