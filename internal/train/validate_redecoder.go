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

// A RedecoderValidator hears what a redecoder makes of held-out clips: each spoken
// anew in its own voice is judged as a Validator does a codec, and the first few
// are also spoken in another clip's voice, to be listened to. It serves one
// goroutine at a time.
type RedecoderValidator struct {
	base      *Validator // its clips, metrics and pictures
	redecoder *model.Redecoder
	heard     []verdict // what the codec makes of each clip: codes and timbre
	region    *tensor.Region
}

// NewRedecoderValidator is NewValidator for redecoders of one configuration on a
// loaded codec, which is not used after it has returned.
func NewRedecoderValidator(codec *model.Codec, c model.RedecoderConfig, clips []Clip, samples int, pool *parallel.Pool) (*RedecoderValidator, error) {
	base, err := NewValidator(codec.CodecConfig, clips, samples, pool)
	if err != nil {
		return nil, err
	}
	v := &RedecoderValidator{base: base, redecoder: model.NewRedecoder(c), heard: make([]verdict, len(clips)), region: &tensor.Region{}}
	pool.For(len(clips), func(i int) {
		u := codec.NewUtterances(pool)
		v.heard[i] = verdict{codes: u.Encode(clips[i].Wave), timbre: u.Timbre(clips[i].Wave)}
	})
	return v, nil
}

// Close gives the validator's memory back.
func (v *RedecoderValidator) Close() {
	v.region.Free()
	v.base.Close()
}

// Run is Validator.Run's. The use of codebooks is the codec's, which does not
// change, and is left out.
func (v *RedecoderValidator) Run(ctx context.Context, src weights.Source, log *eventlog.Log, step int64) (map[string]float64, error) {
	defer v.region.Free()
	if err := v.redecoder.Load(src, v.region, v.base.pool); err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	verdicts := make([]verdict, len(v.heard))
	err := v.base.each(ctx, len(verdicts), func(b *bench, i int) {
		d, wave := v.heard[i], v.base.clips[i].Wave
		d.spoken = v.speak(i, d.timbre)
		d.metrics = b.speech.Compare(wave, d.spoken)
		if i >= len(v.base.samples) {
			d.spoken = nil
		}
		verdicts[i] = d
	})
	if err != nil {
		return nil, err
	}
	if log != nil {
		if err := v.show(ctx, log, step, verdicts); err != nil {
			return nil, err
		}
	}
	values, err := v.base.values(verdicts)
	maps.DeleteFunc(values, func(tag string, _ float64) bool {
		return strings.HasPrefix(tag, eventlog.ValidationPerplexity) || strings.HasPrefix(tag, eventlog.ValidationUse)
	})
	return values, err
}

// speak returns a clip in the voice of timbre, as conversion does.
func (v *RedecoderValidator) speak(clip int, timbre []float32) []float32 {
	return v.redecoder.NewStream(timbre, v.base.pool).Push(v.heard[clip].codes, true)[:len(v.base.clips[clip].Wave)]
}

// show logs the samples: the recordings once, each as the redecoder speaks it in its
// own voice, with the spectrograms of both, and in the other clip's.
func (v *RedecoderValidator) show(ctx context.Context, log *eventlog.Log, step int64, verdicts []verdict) error {
	base := v.base
	if !base.shown {
		if err := base.showTruth(log, step); err != nil {
			return err
		}
		base.shown = true
	}
	converted := make([][]float32, len(base.samples))
	err := base.each(ctx, len(converted), func(_ *bench, i int) {
		if s := base.samples[i]; s.reference >= 0 {
			converted[i] = v.speak(s.clip, v.heard[s.reference].timbre)
		}
	})
	if err != nil {
		return err
	}
	l := sampleLog{log: log, step: step, rate: base.codec.Mel.FilterRate}
	for i, s := range base.samples {
		truth, predicted := base.clips[s.clip].Wave, verdicts[s.clip].spoken
		l.audio(base.tag(eventlog.FullPredicted, i), predicted)
		if s.reference >= 0 {
			l.audio(base.tag(eventlog.Conversion, i), converted[i])
		}
		l.image(base.tag(eventlog.ValidationSpectrogram, i), base.spectrograms(truth, predicted))
	}
	return l.err
}
