package train

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A FrozenCodec is the codec that a redecoder is trained for. It is not trained and
// only encodes.
type FrozenCodec struct {
	Name    string         // in messages
	Config  *config.Config // its own
	Weights weights.Source // read when Run begins, and not later
}

// trainRedecoder trains a redecoder on what a frozen codec makes of utterances.
func (r *run) trainRedecoder(ctx context.Context) error {
	c := r.Config
	networks := RedecoderTrainingConfigOf(c)
	e, err := newBatchEncoder(c, r.Codec, r.pool)
	if err != nil {
		return err
	}
	defer e.close()
	if err := r.sameOnAll("the codec", []byte(e.fingerprint())); err != nil {
		return err
	}
	// That the networks' tensors have their places is all that is asked of the config:
	// the codec itself is compared by its fingerprint.
	err = r.openFolder(func(f *weights.File, old *config.Config) error {
		switch {
		case !sameNetworks(old, c):
			return otherNetworks(f.Path(), old, c)
		case f.Metadata()[checkpoint.CodecKey] != e.fingerprint():
			return fmt.Errorf("%s: was trained for another codec than %s", f.Path(), r.Codec.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.checkFit(model.NewRedecoderTraining(networks).Params()); err != nil {
		return err
	}
	if err := r.scan(ctx); err != nil {
		return err
	}
	src, err := r.initial(model.NewRedecoderTraining(networks).Params())
	if err != nil {
		return err
	}
	o := OptionsOf(c)
	o.Ranks = r.Ranks
	t, err := NewRedecoderTrainer(networks, c.Preprocess.SampleRate, src, o, r.pool)
	if err != nil {
		return err
	}
	r.trainer = t.Trainer
	h := hooks{
		step: t.Step, batch: e.batch, speed: speedPerturbation{speeds: c.Augment.Speeds(), grid: gridOf(c)},
		metadata: map[string]string{checkpoint.CodecKey: e.fingerprint()},
	}
	clips, err := r.heldOut(ctx)
	if err != nil {
		return err
	}
	if len(clips) > 0 {
		v, err := NewRedecoderValidator(e.codec, networks.Redecoder, clips, c.Validation.Samples, r.pool)
		if err != nil {
			return err
		}
		defer v.Close()
		h.validate = v.Run
	}
	return r.train(ctx, h)
}

// A batchEncoder makes batches for a redecoder, with a frozen codec.
type batchEncoder struct {
	codec  *model.Codec
	region *tensor.Region
	// pool is the encoder's own: a pool serves one loop at a time, and the training step
	// that computes meanwhile needs its own all along.
	pool    *parallel.Pool
	workers chan *encoderWorker // one for each thread
}

// newBatchEncoder loads the codec, which must be the one that the experiment
// describes.
func newBatchEncoder(c *config.Config, frozen *FrozenCodec, pool *parallel.Pool) (*batchEncoder, error) {
	if frozen == nil {
		return nil, errors.New("a redecoder is trained for a codec, and none is given")
	}
	if err := checkCodec(c, frozen); err != nil {
		return nil, err
	}
	e := &batchEncoder{
		codec: model.NewCodec(model.CodecConfigOf(frozen.Config)), region: &tensor.Region{}, pool: parallel.New(pool.Threads()),
		workers: make(chan *encoderWorker, pool.Threads()),
	}
	e.codec.LeaveOut("decoder")
	if err := e.codec.Load(frozen.Weights, e.region, pool); err != nil {
		e.close()
		return nil, fmt.Errorf("%s: %w", frozen.Name, err)
	}
	for range cap(e.workers) {
		e.workers <- &encoderWorker{e.codec.Hop(), e.codec.NewEncoderStream(e.pool), e.codec.NewUtteranceCodec(e.pool)}
	}
	return e, nil
}

func (e *batchEncoder) close() {
	e.pool.Close()
	e.region.Free()
}

// fingerprint stands for the codec's encoder, codebooks and timbre.
func (e *batchEncoder) fingerprint() string {
	f := e.codec.TokensFingerprint()
	return hex.EncodeToString(f[:])
}

// batch encodes the utterances with their gain. The codes are those of the whole
// utterance, cut to the crop: conversion encodes whole utterances, so the first frames
// of a crop have the past that they have there.
func (e *batchEncoder) batch(items []dataset.Item, c crops) (*Batch, error) {
	starts, frames := c.starts, c.frames
	hop, latent := e.codec.Hop(), e.codec.CodecConfig.Quantizer.Latent
	b := &Batch{
		Inputs:  model.Inputs{Wave: tensor.New(len(items), frames*hop, 1)},
		Encoded: model.RedecoderInputs{Content: make([][]int32, len(items)), Timbre: tensor.New(len(items), 1, latent)},
	}
	e.pool.For(len(items), func(i int) {
		w := <-e.workers
		defer func() { e.workers <- w }()
		samples, from, to := items[i].Samples, starts[i], starts[i]+frames
		for n, v := range samples[from*hop : to*hop] {
			b.Inputs.Wave.Row(i, n)[0] = v
		}
		b.Encoded.Content[i] = w.content(samples, to)[from:to]
		copy(b.Encoded.Timbre.Row(i, 0), w.Timbre(samples))
	})
	b.Target = b.Inputs.Wave
	return b, nil
}

// An encoderWorker encodes on one thread.
type encoderWorker struct {
	hop     int
	encoder *model.EncoderStream
	*model.UtteranceCodec
}

// pushFrames are how many frames are encoded at a time.
const pushFrames = 64

// content returns the codes of the first content book for at least so many of the
// utterance's first frames, at most len(samples)/hop. What comes after them is not
// encoded.
func (w *encoderWorker) content(samples []float32, frames int) (codes []int32) {
	w.encoder.Reset()
	for len(codes) < frames {
		n := min(len(samples), pushFrames*w.hop)
		if c := w.encoder.Push(samples[:n], n == len(samples)); c.Frames() > 0 {
			codes = append(codes, c[model.Content][0]...)
		}
		samples = samples[n:]
	}
	return codes
}
