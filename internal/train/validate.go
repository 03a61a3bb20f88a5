package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A Clip is held-out speech.
type Clip struct {
	// Name is a path with slashes. Clips of two folders are taken for two voices.
	Name string
	Wave []float32 // at the codec's rate, peak 1
}

// A Validator measures how a codec reconstructs clips that it was not trained on. It
// runs the codec as inference does, through the codes, each clip with its own timbre, so
// that the numbers are those of a checkpoint with the same weights. They depend neither
// on the number of threads nor on earlier runs. It serves one goroutine at a time.
type Validator struct {
	codec            *model.Codec
	clips            []Clip
	samples          []sample
	region           *tensor.Region
	pool             *parallel.Pool
	workers          chan *evaluationWorker
	recordingsLogged bool
}

// An evaluationWorker encodes, decodes and measures clips on one thread.
type evaluationWorker struct {
	*model.UtteranceCodec
	speech *metric.Speech
}

// NewValidator prepares validation of codecs of one configuration on clips. The
// first few of them, samples, are also logged as sound and spectrograms. pool's threads
// take a clip each. The clips' waves must not change.
func NewValidator(c model.CodecConfig, clips []Clip, samples int, pool *parallel.Pool) (*Validator, error) {
	if len(clips) == 0 {
		return nil, errors.New("validation: no clips")
	}
	for _, clip := range clips {
		if len(clip.Wave) == 0 {
			return nil, fmt.Errorf("validation: %s has no samples", clip.Name)
		}
	}
	v := &Validator{
		codec: model.NewCodec(c), clips: clips, region: &tensor.Region{}, pool: pool,
		samples: chooseSamples(clips, samples), workers: make(chan *evaluationWorker, pool.Threads()),
	}
	for range cap(v.workers) {
		speech, err := metric.NewSpeech(c.Mel.FilterRate)
		if err != nil {
			return nil, fmt.Errorf("validation: %w", err)
		}
		v.workers <- &evaluationWorker{v.codec.NewUtteranceCodec(pool), speech}
	}
	return v, nil
}

// Close releases the validator's memory.
func (v *Validator) Close() { v.region.Free() }

// A result is what is measured of one clip.
type result struct {
	metrics map[string]float64
	codes   model.Codes
	timbre  []float32
	decoded []float32 // kept of samples alone
}

// Run validates weights and returns the means over all clips, and the use of every
// codebook by all of them, under the tags of package eventlog that begin with
// "val/". A clip on which a metric has no value is left out of its mean, which is NaN
// over no clips; how many those are is returned under FailedOf and the rest of the
// metric's tag where there are any. Logging the values is left to the caller.
//
// The log, which may be nil, gets the sound and the spectrograms of the samples. src is
// not used after Run has returned, and the memory of its weights here is released.
func (v *Validator) Run(ctx context.Context, src weights.Source, log *eventlog.Log, step int64) (map[string]float64, error) {
	defer v.region.Free()
	if err := v.codec.Load(src, v.region, v.pool); err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	results := make([]result, len(v.clips))
	err := v.each(ctx, len(v.clips), func(b *evaluationWorker, i int) { results[i] = v.evaluate(b, i) })
	if err != nil {
		return nil, err
	}
	if log != nil {
		if err := v.logSamples(ctx, log, step, results); err != nil {
			return nil, err
		}
	}
	return v.values(results)
}

// each calls do for 0 to n-1, on a core for each, unless ctx ends.
func (v *Validator) each(ctx context.Context, n int, do func(b *evaluationWorker, i int)) error {
	v.pool.For(n, func(i int) {
		if ctx.Err() != nil {
			return
		}
		b := <-v.workers
		defer func() { v.workers <- b }()
		do(b, i)
	})
	return ctx.Err()
}

func (v *Validator) evaluate(b *evaluationWorker, i int) result {
	wave := v.clips[i].Wave
	d := result{codes: b.Encode(wave), timbre: b.Timbre(wave)}
	decoded := b.Decode(d.codes, d.timbre, len(wave))
	d.metrics = b.speech.Compare(wave, decoded)
	if i < len(v.samples) {
		d.decoded = decoded
	}
	return d
}

// FailedOf is followed by what follows "val/" in a metric's tag: the number of
// clips on which it has no value.
const FailedOf = "val/failed_"

// validationMetrics are the metrics by their tags. The others of metric.Speech add little to
// them.
var validationMetrics = []struct{ tag, name string }{
	{eventlog.ValidationMel, metric.NameMel},
	{eventlog.ValidationSTFT, metric.NameSTFT},
	{eventlog.ValidationSISDR, metric.NameSISDR},
	{eventlog.ValidationSTOI, metric.NameSTOI},
	{eventlog.ValidationF0, metric.NameF0Correlation},
	{eventlog.ValidationCents, metric.NameF0Cents},
	{eventlog.ValidationVoicing, metric.NameF0VoicingError},
}

func (v *Validator) values(results []result) (map[string]float64, error) {
	values := map[string]float64{}
	for _, m := range validationMetrics {
		all := make([]float64, len(results))
		for i, d := range results {
			all[i] = d.metrics[m.name]
		}
		s := metric.Summarize(all)
		values[m.tag] = s.Mean
		if s.Failed > 0 {
			values[FailedOf+strings.TrimPrefix(m.tag, "val/")] = float64(s.Failed)
		}
	}
	for book, name := range v.codec.CodecConfig.Quantizer.BookNames() {
		use := metric.NewCodebookUse(v.codec.CodecConfig.Quantizer.CodebookSize)
		for _, d := range results {
			if err := use.Add(d.codes.Books()[book]); err != nil {
				return nil, fmt.Errorf("validation: %s: %w", name, err)
			}
		}
		u := use.Usage()
		values[eventlog.ValidationPerplexity+name] = u.Perplexity
		values[eventlog.ValidationUse+name] = u.Share
	}
	return values, nil
}
