package train

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A FrozenCodec is the codec that a redecoder is trained for. It learns no more and
// only encodes.
type FrozenCodec struct {
	Name    string         // in messages
	Config  *config.Config // its own
	Weights weights.Source // read when Run begins, and not later
}

// A redecoderTask trains a redecoder on what a frozen codec makes of utterances.
type redecoderTask struct {
	run    *run
	codec  *model.Codec
	region *tensor.Region
	ears   chan *ear // one for each thread
}

// newRedecoderTask loads the codec, which must be the one that the experiment
// describes.
func newRedecoderTask(r *run) (*redecoderTask, error) {
	frozen := r.Codec
	if frozen == nil {
		return nil, errors.New("a redecoder is trained for a codec, and none is given")
	}
	if err := describes(r.Config, frozen); err != nil {
		return nil, err
	}
	t := &redecoderTask{
		run: r, codec: model.NewCodec(model.CodecConfigOf(frozen.Config)), region: &tensor.Region{},
		ears: make(chan *ear, r.pool.Threads()),
	}
	t.codec.LeaveOut("decoder")
	if err := t.codec.Load(frozen.Weights, t.region, r.pool); err != nil {
		t.close()
		return nil, fmt.Errorf("%s: %w", frozen.Name, err)
	}
	for range cap(t.ears) {
		t.ears <- &ear{t.codec.Hop(), t.codec.NewEncoderStream(r.pool), t.codec.NewUtterances(r.pool)}
	}
	return t, nil
}

func (t *redecoderTask) close() { t.region.Free() }

// same asks no more than that the networks' tensors have their places: the codec
// itself is compared by takeUp.
func (t *redecoderTask) same(old *config.Config) bool {
	return old.IsRedecoder() && reflect.DeepEqual(RedecoderConfigOf(old), RedecoderConfigOf(t.run.Config))
}

func (t *redecoderTask) takeUp(name string, metadata map[string]string) error {
	if old := metadata[codecKey]; old != t.fingerprint() {
		return fmt.Errorf("%s: was trained for another codec than %s", name, t.run.Codec.Name)
	}
	return nil
}

// fingerprint stands for the codec's encoder, codebooks and timbre.
func (t *redecoderTask) fingerprint() string {
	f := t.codec.TokensFingerprint()
	return hex.EncodeToString(f[:])
}

func (t *redecoderTask) metadata() map[string]string {
	return map[string]string{codecKey: t.fingerprint()}
}

func (t *redecoderTask) prepare(context.Context) error {
	t.run.changer = changer{speeds: t.run.Config.Augment.Speeds()}
	return nil
}

func (t *redecoderTask) declare() *model.Training {
	return model.NewRedecoderTraining(RedecoderConfigOf(t.run.Config))
}

func (t *redecoderTask) trainer(src weights.Source) (*Trainer, error) {
	c := t.run.Config
	return NewRedecoder(RedecoderConfigOf(c), c.Preprocess.SampleRate, src, OptionsOf(c), t.run.pool)
}

func (t *redecoderTask) validator(clips []Clip) (validator, error) {
	c := t.run.Config
	return NewRedecoderValidator(t.codec, model.RedecoderConfigOf(c), clips, c.Validation.Samples, t.run.pool)
}

func (t *redecoderTask) label() dataset.LabelFunc { return nil }

// batch has the codec listen to the utterances as they sound, with their gain. The
// codes are those of the whole utterance, cut to the crop: conversion encodes
// whole utterances, so the first frames of a crop have the past that they will have
// there.
func (t *redecoderTask) batch(items []dataset.Item, starts []int, frames int) (*Batch, error) {
	hop, latent := t.codec.Hop(), t.codec.CodecConfig.Quantizer.Latent
	b := &Batch{
		Heard:   model.Heard{Wave: tensor.New(len(items), frames*hop, 1)},
		Encoded: model.Encoded{Content: make([][]int32, len(items)), Timbre: tensor.New(len(items), 1, latent)},
	}
	t.run.pool.For(len(items), func(i int) {
		e := <-t.ears
		defer func() { t.ears <- e }()
		samples, from, to := items[i].Samples, starts[i], starts[i]+frames
		for n, v := range samples[from*hop : to*hop] {
			b.Heard.Wave.Row(i, n)[0] = v
		}
		b.Encoded.Content[i] = e.content(samples, to)[from:to]
		copy(b.Encoded.Timbre.Row(i, 0), e.Timbre(samples))
	})
	return b, nil
}

// An ear is what one thread listens with.
type ear struct {
	hop     int
	encoder *model.EncoderStream
	*model.Utterances
}

// listenFrames are how many frames an ear is given at a time.
const listenFrames = 64

// content returns the codes of the first content book for at least so many of the
// utterance's first frames, at most len(samples)/hop. What comes after them is not
// listened to.
func (e *ear) content(samples []float32, frames int) (codes []int32) {
	e.encoder.Reset()
	for len(codes) < frames {
		n := min(len(samples), listenFrames*e.hop)
		if heard := e.encoder.Push(samples[:n], n == len(samples)); heard.Frames() > 0 {
			codes = append(codes, heard[model.Content][0]...)
		}
		samples = samples[n:]
	}
	return codes
}
