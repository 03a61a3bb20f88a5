package train

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A RedecoderValidator measures how a redecoder decodes held-out clips: each with its own
// timbre, compared as a Validator does, and the first few also with another clip's, to
// be listened to. It serves one goroutine at a time.
type RedecoderValidator struct {
	base      *Validator // clips, metrics and pictures
	redecoder *model.Redecoder
	encoded   []result // what the codec makes of each clip: codes and timbre
	region    *tensor.Region
}

// NewRedecoderValidator is NewValidator for redecoders of one configuration on a
// loaded codec, which is not used after it has returned.
func NewRedecoderValidator(codec *model.Codec, c model.RedecoderConfig, clips []Clip, samples int, pool *parallel.Pool) (*RedecoderValidator, error) {
	base, err := NewValidator(codec.CodecConfig, clips, samples, pool)
	if err != nil {
		return nil, err
	}
	v := &RedecoderValidator{base: base, redecoder: model.NewRedecoder(c), encoded: make([]result, len(clips)), region: &tensor.Region{}}
	pool.For(len(clips), func(i int) {
		u := codec.NewUtteranceCodec(pool)
		v.encoded[i] = result{codes: u.Encode(clips[i].Wave), timbre: u.Timbre(clips[i].Wave)}
	})
	return v, nil
}

// Close releases the validator's memory.
func (v *RedecoderValidator) Close() {
	v.region.Free()
	v.base.Close()
}

// Run measures weights on the held-out clips and logs the results, like Validator.Run.
// The use of codebooks is left out, for the codec does not change.
func (v *RedecoderValidator) Run(ctx context.Context, src weights.Source, log *eventlog.Log, step int64) (map[string]float64, error) {
	defer v.region.Free()
	if err := v.redecoder.Load(src, v.region, v.base.pool); err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	results := make([]result, len(v.encoded))
	err := v.base.each(ctx, len(results), func(b *evaluationWorker, i int) {
		d, wave := v.encoded[i], v.base.clips[i].Wave
		d.decoded = v.redecode(i, d.timbre)
		d.metrics = b.speech.Compare(wave, d.decoded)
		if i >= len(v.base.samples) {
			d.decoded = nil
		}
		results[i] = d
	})
	if err != nil {
		return nil, err
	}
	if log != nil {
		if err := v.logSamples(ctx, log, step, results); err != nil {
			return nil, err
		}
	}
	values, err := v.base.values(results)
	maps.DeleteFunc(values, func(tag string, _ float64) bool {
		return strings.HasPrefix(tag, eventlog.ValidationPerplexity) || strings.HasPrefix(tag, eventlog.ValidationUse)
	})
	return values, err
}

// redecode returns a clip with a timbre, as conversion does.
func (v *RedecoderValidator) redecode(clip int, timbre []float32) []float32 {
	return v.redecoder.NewStream(timbre, v.base.pool).Push(v.encoded[clip].codes, true)[:len(v.base.clips[clip].Wave)]
}

// logSamples logs the samples: the recordings once, each redecoded with its own timbre, with
// the spectrograms of both, and with the other clip's.
func (v *RedecoderValidator) logSamples(ctx context.Context, log *eventlog.Log, step int64, results []result) error {
	base := v.base
	if !base.recordingsLogged {
		if err := base.logRecordings(log, step); err != nil {
			return err
		}
		base.recordingsLogged = true
	}
	converted := make([][]float32, len(base.samples))
	err := base.each(ctx, len(converted), func(_ *evaluationWorker, i int) {
		if s := base.samples[i]; s.reference >= 0 {
			converted[i] = v.redecode(s.clip, v.encoded[s.reference].timbre)
		}
	})
	if err != nil {
		return err
	}
	l := sampleLog{log: log, step: step, rate: base.codec.Mel.FilterRate}
	for i, s := range base.samples {
		truth, predicted := base.clips[s.clip].Wave, results[s.clip].decoded
		l.audio(base.tag(eventlog.FullPredicted, i), predicted)
		if s.reference >= 0 {
			l.audio(base.tag(eventlog.Conversion, i), converted[i])
		}
		l.image(base.tag(eventlog.ValidationSpectrogram, i), base.spectrograms(truth, predicted))
	}
	return l.err
}
