package train

import (
	"context"
	"fmt"

	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/op"
)

// stepData is the data of one step.
type stepData struct {
	pieces []*Batch
	at     dataset.Position // of the first piece
	next   dataset.Position // of the step after it
	err    error
}

// A prefetcher prepares the data of the next step while one is trained. The data
// depends on the seed, the step and the position alone.
type prefetcher struct {
	loader *dataset.Loader
	ready  chan stepData
	cancel context.CancelFunc
}

// prefetch starts a prefetcher at the position of the run.
func (r *run) prefetch(ctx context.Context) (*prefetcher, error) {
	c := r.Config
	loader, err := r.set.NewLoader(dataset.LoaderOptions{
		BatchSize: c.BatchSize, Seed: uint64(c.Train.RandomSeed), GainDB: c.Augment.GainDB,
		Workers: r.Threads, Start: r.startPosition, Label: r.hooks.label,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &prefetcher{loader: loader, ready: make(chan stepData, 1), cancel: cancel}
	step := r.trainer.Steps
	go func() {
		defer close(f.ready)
		for ; ; step++ {
			next := r.prepare(ctx, loader, step)
			select {
			case f.ready <- next:
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

// next returns the data of the next step.
func (f *prefetcher) next(ctx context.Context) (stepData, error) {
	select {
	case next, ok := <-f.ready:
		if !ok {
			return stepData{}, context.Canceled
		}
		return next, next.err
	case <-ctx.Done():
		return stepData{}, ctx.Err()
	}
}

func (f *prefetcher) close() {
	f.cancel()
	f.loader.Close()
	for range f.ready { // until the goroutine has ended
	}
}

// siteCrop is where crops are drawn (see op.Random.Key).
const siteCrop = siteBooks + 8

// prepare makes the data of a step: as many batches as gradients are accumulated
// over, each with a crop of every utterance, all of one length.
func (r *run) prepare(ctx context.Context, loader *dataset.Loader, step int) (f stepData) {
	f.at = loader.Position()
	hop := r.Config.Preprocess.Spect.HopLength
	random := op.Random{Seed: uint64(r.Config.Train.RandomSeed), Step: uint64(step)}
	augment := augmentation{r.Config.Augment, float64(r.Config.Preprocess.SampleRate)}
	var items [][]dataset.Item
	frames, changed := r.Config.MaxLen, 0
	for range r.Config.Train.GradientAccumulationStep {
		b, err := loader.Next(ctx)
		if err != nil {
			f.err = err
			return f
		}
		items = append(items, b.Items)
		for i := range b.Items {
			if b.Items[i], f.err = r.hooks.speed.apply(b.Items[i], random, changed); f.err != nil {
				return f
			}
			b.Items[i].Samples = augment.apply(b.Items[i].Samples, random, changed)
			frames = min(frames, len(b.Items[i].Samples)/hop)
			changed++
		}
	}
	f.next = loader.Position()
	if need := r.Config.ShortestCrop(); frames*hop < need {
		f.err = fmt.Errorf("step %d: a crop of %d samples is too short, the losses need %d: raise max_len or the shortest duration of preprocess_params.duration_range", step, frames*hop, need)
		return f
	}
	drawn := 0
	for _, batch := range items {
		var starts []int
		for _, item := range batch {
			room := len(item.Samples)/hop - frames + 1
			starts = append(starts, int(op.Uniform(random.Key(siteCrop, drawn), 0)*float64(room)))
			drawn++
		}
		b, err := r.hooks.batch(batch, starts, frames)
		if err != nil {
			f.err = fmt.Errorf("step %d: %w", step, err)
			return f
		}
		f.pieces = append(f.pieces, b)
	}
	return f
}
