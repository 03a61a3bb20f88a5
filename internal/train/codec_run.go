package train

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/teacher"
	"github.com/facodec-go/facodec/internal/weights"
)

// CodecTrainingConfigOf returns the networks that an experiment file describes.
func CodecTrainingConfigOf(c *config.Config) model.CodecTrainingConfig {
	return model.CodecTrainingConfig{
		Codec: model.CodecConfigOf(c), Predictors: model.PredictorsConfigOf(c), Discriminator: model.DiscriminatorConfigOf(c),
	}
}

// OptionsOf returns how an experiment file trains a generator.
func OptionsOf(c *config.Config) Options {
	o := c.Optimizer
	return Options{
		Weights:  c.Loss,
		AdamW:    AdamW{Beta1: o.Betas[0], Beta2: o.Betas[1], Epsilon: o.Eps, WeightDecay: o.WeightDecay},
		Schedule: Schedule{LearningRate: o.LearningRate, Decay: o.LRDecay, Warmup: o.WarmupSteps},
		Clip:     o.ClipGrad, ClipDiscriminator: o.ClipGradDiscriminator,
		BF16:     c.Train.Precision == config.PrecisionBF16,
		Exact:    c.Train.Precision == config.PrecisionExact,
		EMADecay: c.EMA.Decay, MeasureInterval: c.LogInterval, DiscriminatorStart: c.Train.DiscriminatorStart,
		DiscriminatorLen: c.Train.DiscriminatorLen * c.Preprocess.Spect.HopLength, Seed: uint64(c.Train.RandomSeed),
	}
}

// CodecOptionsOf returns how an experiment file trains a codec.
func CodecOptionsOf(c *config.Config) CodecOptions {
	t := c.Train
	return CodecOptions{
		Options:      OptionsOf(c),
		ResidualMask: t.ResidualMask, JointParts: t.JointParts, QuantizerDropout: t.QuantizerDropout,
		RestartCodes: t.RestartCodes, NormalizeCodes: t.NormalizeCodes,
		DetachContent: t.DetachContent, DataInit: t.DataInit, Reversal: t.Reversal, ReversalWarmup: t.ReversalWarmup,
	}
}

// trainCodec trains a codec, with labels of teachers.
func (r *run) trainCodec(ctx context.Context) error {
	c := r.Config
	var units *teacher.Units // nil for a fresh run
	var speakers *speakerLabels
	err := r.openFolder(func(f *weights.File, old *config.Config) (err error) {
		if !sameNetworks(old, c) {
			return otherNetworks(f.Path(), old, c)
		}
		if c.Model.SpeakerClasses == 0 {
			c.Model.SpeakerClasses = old.Model.SpeakerClasses
		}
		if units, err = unitsOf(f); err == nil {
			speakers, err = speakersOf(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	early := CodecTrainingConfigOf(c)
	early.Predictors.Speakers = max(1, early.Predictors.Speakers) // which are not known yet
	if err := r.checkFit(model.NewCodecTraining(early).Params()); err != nil {
		return err
	}
	if err := r.scan(ctx); err != nil {
		return err
	}
	if r.leads() {
		if speakers, err = r.speakers(speakers); err != nil {
			return err
		}
	}
	if speakers, err = r.shareSpeakers(speakers); err != nil {
		return err
	}
	l, err := r.newLabeler(ctx, units, speakers)
	if err != nil {
		return err
	}
	harmonic := c.Model.DecoderType == config.DecoderHarmonic || c.Model.DecoderType == config.DecoderSourceFilter
	if harmonic && c.Loss.Pitch == 0 {
		r.Report(fmt.Sprintf("loss_weights.pitch is 0: a decoder of type %s does not learn its pitch", c.Model.DecoderType))
	}
	networks := CodecTrainingConfigOf(c)
	src, err := r.initial(model.NewCodecTraining(networks).Params())
	if err != nil {
		return err
	}
	o := CodecOptionsOf(c)
	o.DataInit = o.DataInit && !r.pretrained // trained weights are not fitted again
	o.Ranks = r.Ranks
	t, err := NewCodecTrainer(networks, src, o, r.pool)
	if err != nil {
		return err
	}
	r.trainer = t.Trainer
	usage, monitor := newBookUsage(networks.Codec.Quantizer), &divergenceMonitor{}
	h := hooks{
		step: t.Step, label: l.label, batch: l.batch, speed: l.speed, voice: l.voice,
		metadata: map[string]string{checkpoint.TeachersKey: base64.StdEncoding.EncodeToString(l.units.Bytes())},
		stepped: func(losses Losses) {
			usage.add(t.Codes)
			if monitor.diverges(losses["commitment"] + losses["codebook"]) {
				r.Report("step %d: the commitment and codebook losses have grown tenfold and go on growing (%.3g, %.3g): the codebooks may be running away; lower optimizer.lr, or raise loss_weights.commitment",
					t.Steps, losses["commitment"], losses["codebook"])
			}
		},
		scalars: usage.scalars,
	}
	if speakers != nil {
		h.metadata[checkpoint.SpeakersKey] = speakers.metadata()
	}
	clips, err := r.heldOut(ctx)
	if err != nil {
		return err
	}
	if len(clips) > 0 {
		v, err := NewValidator(networks.Codec, clips, c.Validation.Samples, r.pool)
		if err != nil {
			return err
		}
		defer v.Close()
		h.validate = v.Run
	}
	return r.train(ctx, h)
}

// unitsOf returns the content units and speakers of a checkpoint.
func unitsOf(f *weights.File) (*teacher.Units, error) {
	var units *teacher.Units
	blob, err := base64.StdEncoding.DecodeString(f.Metadata()[checkpoint.TeachersKey])
	if err == nil {
		units, err = teacher.ParseUnits(blob)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", f.Path(), checkpoint.TeachersKey, err)
	}
	return units, nil
}

// gridOf returns the rate and the hop that an experiment file describes.
func gridOf(c *config.Config) teacher.Grid {
	return teacher.Grid{SampleRate: c.Preprocess.SampleRate, Hop: c.Preprocess.Spect.HopLength}
}

// A labeler makes batches for a codec with the labels of teachers.
type labeler struct {
	units    *teacher.Units
	teachers teacher.Set
	speaker  func(dataset.Clip) int // class, nil where teachers has it
	collator *Collator
	speed    speedPerturbation
	voice    voicePerturbation
	report   func(format string, args ...any)
	contrast bool      // timbres are compared
	unsaved  sync.Once // labels that could not be kept have been reported
}

// newLabeler learns content units and speakers from the training clips, unless they
// are given, and opens the pitch teacher.
func (r *run) newLabeler(ctx context.Context, units *teacher.Units, speakers *speakerLabels) (*labeler, error) {
	c := r.Config
	var parallel *dataset.Parallel
	if dir := c.Augment.Parallel; dir != "" { // before what takes long
		var err error
		parallel, err = r.set.Parallel(dir, func(path, reason string) {
			r.faults("%s: not used as a parallel recording: %s; its clips are encoded as they are", path, reason)
		})
		if errors.Is(err, dataset.ErrParallelHeldOut) {
			err = fmt.Errorf("%w (validation.files, validation.share)", err)
		}
		if err != nil {
			return nil, fmt.Errorf("augment.parallel: %w", err)
		}
		r.Report("%s: %d of %s are there in other voices", dir, parallel.Clips, plural.Of(len(r.set.Train), "clip"))
	}
	pitch, err := teacher.OpenPitch(c.F0Path, func(line string) { r.Report("%s", line) })
	if err != nil {
		return nil, fmt.Errorf("F0_path: %w; want the checkpoint of a pitch network, or \"\" for the built-in pitch tracker", err)
	}
	if units == nil && r.leads() {
		if units, err = r.learnUnits(ctx); err != nil {
			return nil, err
		}
	}
	if units, err = r.shareUnits(units); err != nil {
		return nil, err
	}
	if n := units.Classes(); n > c.Model.PhoneClasses {
		return nil, fmt.Errorf("model_params.phone_classes: %d is not enough for %s; raise it, or lower teachers.content_units", c.Model.PhoneClasses, plural.Of(n, "content unit"))
	}
	speed := speedPerturbation{c.Augment.Speeds(), units.Speakers().Classes(), gridOf(c)}
	if speakers != nil {
		speed.speakers = len(speakers.names)
	}
	n := speed.speakers * len(speed.speeds)
	if c.Model.SpeakerClasses == 0 {
		c.Model.SpeakerClasses = n
	}
	if n > c.Model.SpeakerClasses {
		if begun := r.goodCheckpoint.Load(); begun != nil {
			return nil, fmt.Errorf("%s: has %s, and %s at %s need %d: the run was begun with another augment.speed or other speakers; set them as its %s has them, or begin a run under another exp_name",
				*begun, plural.Of(c.Model.SpeakerClasses, "speaker class"), plural.Of(speed.speakers, "speaker"), plural.Of(len(speed.speeds), "speed"), n, configName)
		}
		lower := "set teachers.speakers"
		if speakers != nil {
			lower = "leave " + speakerFieldKey + " empty"
		}
		return nil, fmt.Errorf("model_params.speaker_classes: %d is not enough for %s at %d speeds (augment.speed); raise it, or %s",
			c.Model.SpeakerClasses, plural.Of(speed.speakers, "speaker"), len(speed.speeds), lower)
	}
	store, err := teacher.OpenStore(filepath.Join(r.dir, labelsDir))
	if err != nil {
		return nil, err
	}
	l := &labeler{
		units: units, teachers: teacher.Set{Phones: units, Speaker: units.Speakers(), Pitch: pitch, Store: store, Grid: gridOf(c)},
		collator: NewCollator(model.CodecConfigOf(c), c.Model.NormF0), speed: speed, report: r.faults, contrast: c.Loss.Voice > 0,
		voice: voicePerturbation{
			share: c.Augment.Voice, utterances: c.BatchSize * c.Train.GradientAccumulationStep,
			sampleRate: c.Preprocess.SampleRate, hop: c.Preprocess.Spect.HopLength, parallel: parallel,
		},
	}
	if v := l.voice; v.share > 0 && !v.perturbs(v.utterances-1) {
		r.Report("augment.voice: %g of the %s of a step is none; raise it, or batch_size", v.share, plural.Of(v.utterances, "clip"))
	}
	if speakers != nil {
		l.teachers.Speaker = nil
		l.speaker = func(c dataset.Clip) int { return speakers.classes[r.set.Speaker(c)] }
	}
	return l, nil
}

func (r *run) learnUnits(ctx context.Context) (*teacher.Units, error) {
	c := r.Config
	var sources []teacher.Source
	for _, clip := range r.set.Train {
		// Not clip.Key: what is learned of the same speech is the same whatever it is kept in.
		name := fmt.Sprintf("%s|%d|%d", clip.Path, clip.Start, clip.Samples)
		sources = append(sources, teacher.Source{Name: name, Load: func() ([]float32, error) {
			samples, err := r.set.Load(ctx, clip)
			if err != nil {
				return nil, err
			}
			return gridOf(c).ToOwnRate(samples)
		}})
	}
	units, err := teacher.Learn(ctx, sources, teacher.Config{
		Units: c.Teachers.ContentUnits, Speakers: c.Teachers.Speakers, Seed: uint64(c.Train.RandomSeed), Threads: r.Threads,
		Notice:   func(line string) { r.Report("%s", line) },
		Progress: func(done, total int) { r.Progress(Progress{Phase: "teachers", Done: done, Total: total}) },
	})
	if err != nil {
		return nil, err
	}
	r.Report("%s and %s learned", plural.Of(units.Classes(), "content unit"), plural.Of(units.Speakers().Classes(), "speaker"))
	return units, nil
}

// label returns the teachers' labels of a clip, at peak 1.
func (l *labeler) label(_ context.Context, c dataset.Clip, samples []float32) (any, error) {
	labels, err := l.teachers.Label(c.Key(), func() ([]float32, error) { return samples, nil })
	if err != nil && len(labels.Phones) > 0 {
		l.unsaved.Do(func() { l.report("labels are not kept: %v", err) })
		err = nil
	}
	if l.speaker != nil {
		labels.Speaker = l.speaker(c)
	}
	return labels, err
}

func (l *labeler) batch(items []dataset.Item, c crops) (*Batch, error) {
	var us []Utterance
	hop := l.teachers.Grid.Hop
	for i, item := range items {
		labels, ok := item.Label.(teacher.Labels)
		if !ok {
			return nil, errors.New("a clip without labels")
		}
		u := Utterance{Wave: item.Samples, F0: labels.F0, Phones: labels.Phones, Speaker: int32(labels.Speaker)}
		from, to := c.starts[i], c.starts[i]+c.frames
		switch {
		case c.others != nil && c.others[i] != nil:
			u.Perturbed = c.others[i][from*hop : to*hop]
		case l.voice.parallel == nil && l.voice.perturbs(c.first+i) && to <= len(labels.F0):
			u.Perturbed = l.voice.apply(item.Samples[from*hop:to*hop], labels.F0[from:to], c.random, c.first+i)
		}
		us = append(us, u)
	}
	b, err := l.collator.Batch(us, c.starts, c.frames)
	if err == nil && l.contrast {
		l.collator.compareVoices(b, us, c.starts, c.frames, c.random, c.first)
	}
	return b, err
}
