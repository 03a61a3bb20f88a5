package train

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/teacher"
	"github.com/facodec-go/facodec/internal/weights"
)

// A codecTask trains a codec, with teachers.
type codecTask struct {
	run         *run
	units       *teacher.Units
	teachers    teacher.Set
	features    *Features
	storeFailed sync.Once
}

func (t *codecTask) same(old *config.Config) bool {
	return !old.IsRedecoder() && reflect.DeepEqual(ConfigOf(old), ConfigOf(t.run.Config))
}

func (t *codecTask) takeUp(name string, metadata map[string]string) error {
	blob, err := base64.StdEncoding.DecodeString(metadata[teacherKey])
	if err == nil {
		t.units, err = teacher.ParseUnits(blob)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", name, teacherKey, err)
	}
	return nil
}

func (t *codecTask) metadata() map[string]string {
	return map[string]string{teacherKey: base64.StdEncoding.EncodeToString(t.units.Bytes())}
}

// prepare learns content units and speakers from the training clips, unless the
// checkpoint brought them, and opens the pitch teacher.
func (t *codecTask) prepare(ctx context.Context) error {
	r, c := t.run, t.run.Config
	pitch, err := teacher.OpenPitch(c.F0Path, func(line string) { r.Report("%s", line) })
	if err != nil {
		return err
	}
	if t.units == nil {
		var sources []teacher.Source
		for _, clip := range r.set.Train {
			sources = append(sources, teacher.Source{Name: clip.Key(), Load: func() ([]float32, error) { return r.set.Load(ctx, clip) }})
		}
		t.units, err = teacher.Learn(ctx, sources, teacher.Config{
			Units: c.Teachers.ContentUnits, Speakers: c.Teachers.Speakers, Seed: uint64(c.Train.RandomSeed), Threads: r.Threads,
			Notice:   func(line string) { r.Report("%s", line) },
			Progress: func(done, total int) { r.Progress(Progress{Phase: "teachers", Done: done, Total: total}) },
		})
		if err != nil {
			return err
		}
		r.Report("%d content units and %d speakers learned", t.units.Classes(), t.units.Speakers().Classes())
	}
	if n := t.units.Classes(); n > c.Model.PhoneClasses {
		return fmt.Errorf("model_params.phone_classes: %d is not enough for %d content units; raise it, or lower teachers.content_units", c.Model.PhoneClasses, n)
	}
	r.changer = changer{c.Augment.Speeds(), t.units.Speakers().Classes()}
	if n := r.changer.speakers * len(r.changer.speeds); n > c.Model.SpeakerClasses {
		return fmt.Errorf("model_params.speaker_classes: %d is not enough for %d speakers at %d speeds (augment.speed); raise it, or set teachers.speakers",
			c.Model.SpeakerClasses, r.changer.speakers, len(r.changer.speeds))
	}
	store, err := teacher.OpenStore(filepath.Join(r.dir, cacheDir, "labels"))
	if err != nil {
		return err
	}
	t.teachers = teacher.Set{Phones: t.units, Speaker: t.units.Speakers(), Pitch: pitch, Store: store}
	t.features = NewFeatures(model.CodecConfigOf(c), c.Model.NormF0)
	return nil
}

func (t *codecTask) declare() *model.Training { return model.NewTraining(ConfigOf(t.run.Config)) }

func (t *codecTask) trainer(src weights.Source) (*Trainer, error) {
	o := OptionsOf(t.run.Config)
	o.DataInit = o.DataInit && t.run.started == nil // what has learned stays what it is
	return New(ConfigOf(t.run.Config), src, o, t.run.pool)
}

func (t *codecTask) validator(clips []Clip) (validator, error) {
	c := t.run.Config
	return NewValidator(model.CodecConfigOf(c), clips, c.Validation.Samples, t.run.pool)
}

func (t *codecTask) label() dataset.LabelFunc { return t.say }

// say is what teachers say of a clip, at peak 1.
func (t *codecTask) say(_ context.Context, c dataset.Clip, samples []float32) (any, error) {
	labels, err := t.teachers.Label(c.Key(), func() ([]float32, error) { return samples, nil })
	if err != nil && len(labels.Phones) > 0 {
		t.storeFailed.Do(func() { t.run.Report("labels are not kept: %v", err) })
		err = nil
	}
	return labels, err
}

func (t *codecTask) batch(items []dataset.Item, starts []int, frames int) (*Batch, error) {
	var us []Utterance
	for _, item := range items {
		labels, ok := item.Label.(teacher.Labels)
		if !ok {
			return nil, errors.New("a clip without labels")
		}
		us = append(us, Utterance{Wave: item.Samples, F0: labels.F0, Phones: labels.Phones, Speaker: int32(labels.Speaker)})
	}
	return t.features.Batch(us, starts, frames)
}

func (t *codecTask) close() {}
