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

// A Validator hears what a codec makes of clips that it was not trained on. It
// runs the codec as inference does, through the codes, each clip in its own
// timbre, so that its numbers are those of a checkpoint with the same weights. They
// depend neither on the number of threads nor on earlier runs. It serves one
// goroutine at a time.
type Validator struct {
	codec   *model.Codec
	clips   []Clip
	samples []sample
	region  *tensor.Region
	pool    *parallel.Pool
	benches chan *bench
	shown   bool // the recordings themselves have been logged
}

// A bench is what one thread works with.
type bench struct {
	*model.Utterances
	speech *metric.Speech
}

// NewValidator prepares validation of codecs of one configuration on clips. The
// first few of them, samples, are also shown and spoken in the log. pool's threads
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
		samples: chooseSamples(clips, samples), benches: make(chan *bench, pool.Threads()),
	}
	for range cap(v.benches) {
		speech, err := metric.NewSpeech(c.Mel.FilterRate)
		if err != nil {
			return nil, fmt.Errorf("validation: %w", err)
		}
		v.benches <- &bench{v.codec.NewUtterances(pool), speech}
	}
	return v, nil
}

// Close gives the validator's memory back.
func (v *Validator) Close() { v.region.Free() }

// A verdict is what is known of one clip.
type verdict struct {
	metrics map[string]float64
	codes   model.Codes
	timbre  []float32
	spoken  []float32 // kept of samples alone
}

// Run judges weights and returns the means over all clips, and the use of every
// codebook by all of them, under the tags of package eventlog that begin with
// "val/". A metric that has no value on a clip is left out of its mean, which is
// NaN over no clips; how many those were stands under FailedOf and the rest of the
// metric's tag where there are any. Logging the values is left to the caller.
//
// The log, which may be nil, is given the sound and the spectrograms of the
// samples. src is not used after Run has returned, and the memory of its weights
// here is given back.
func (v *Validator) Run(ctx context.Context, src weights.Source, log *eventlog.Log, step int64) (map[string]float64, error) {
	defer v.region.Free()
	if err := v.codec.Load(src, v.region, v.pool); err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	verdicts := make([]verdict, len(v.clips))
	err := v.each(ctx, len(v.clips), func(b *bench, i int) { verdicts[i] = v.judge(b, i) })
	if err != nil {
		return nil, err
	}
	if log != nil {
		if err := v.show(ctx, log, step, verdicts); err != nil {
			return nil, err
		}
	}
	return v.values(verdicts)
}

// each calls do for 0 to n-1, on a core for each, unless ctx ends.
func (v *Validator) each(ctx context.Context, n int, do func(b *bench, i int)) error {
	v.pool.For(n, func(i int) {
		if ctx.Err() != nil {
			return
		}
		b := <-v.benches
		defer func() { v.benches <- b }()
		do(b, i)
	})
	return ctx.Err()
}

func (v *Validator) judge(b *bench, i int) verdict {
	wave := v.clips[i].Wave
	d := verdict{codes: b.Encode(wave), timbre: b.Timbre(wave)}
	spoken := b.Decode(d.codes, d.timbre, len(wave))
	d.metrics = b.speech.Compare(wave, spoken)
	if i < len(v.samples) {
		d.spoken = spoken
	}
	return d
}

// FailedOf is followed by what follows "val/" in a metric's tag: the number of
// clips on which it has no value.
const FailedOf = "val/failed_"

// validated are the metrics by their tags. The others of metric.Speech say little
// that these do not.
var validated = []struct{ tag, name string }{
	{eventlog.ValidationMel, metric.NameMel},
	{eventlog.ValidationSTFT, metric.NameSTFT},
	{eventlog.ValidationSISDR, metric.NameSISDR},
	{eventlog.ValidationSTOI, metric.NameSTOI},
	{eventlog.ValidationF0, metric.NameF0Correlation},
	{eventlog.ValidationCents, metric.NameF0Cents},
	{eventlog.ValidationVoicing, metric.NameF0VoicingError},
}

func (v *Validator) values(verdicts []verdict) (map[string]float64, error) {
	values := map[string]float64{}
	for _, m := range validated {
		all := make([]float64, len(verdicts))
		for i, d := range verdicts {
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
		for _, d := range verdicts {
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
