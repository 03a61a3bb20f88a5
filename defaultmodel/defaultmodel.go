// Package defaultmodel is a trained codec for programs to carry with them: its weights,
// some 12 MB, are embedded into every program that imports it. The root package does not,
// so that programs with a checkpoint of their own stay small.
//
//	codec, err := defaultmodel.Open()
//	if err != nil {
//		return err
//	}
//	defer codec.Close()
//	again, err := codec.Reconstruct(samples) // mono, 24 kHz
//
// docs/model.md is the model's card. A later version of this module may carry a better
// model, whose codes and timbres are others: files name the model that made them by its
// fingerprints, and [Checkpoint] is the file to keep for opening them later.
package defaultmodel

import (
	"bytes"
	_ "embed" // the weights and the card

	facodec "github.com/facodec-go/facodec"
)

// Title names the model and its version, "base v1" say.
const Title = Name + " " + Version

// Open opens the model. Options are those of facodec.Open; it carries its configuration.
func Open(opts ...facodec.Option) (*facodec.Codec, error) {
	return facodec.OpenBytes(FileName, checkpoint, opts...)
}

// Checkpoint returns a copy of the model's file, safetensors, which facodec.Open and
// facodec.OpenBytes read.
func Checkpoint() []byte { return bytes.Clone(checkpoint) }
