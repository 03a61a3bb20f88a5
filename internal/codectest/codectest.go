// Package codectest has what tests of several packages need: small checkpoints of
// random weights, and sound. Only tests import it.
package codectest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/bench"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// Config is a codec of every layer that takes milliseconds, at 24 kHz and hop 300,
// and RedecoderConfig a redecoder for it.
const (
	Config = `{"model_params": {"latent_dim": 24, "codebook_size": 32, "codebook_dim": 4, "prosody_hidden_dim": 16,
	"prosody_layers": 2, "timbre_hidden_dim": 16, "DAC": {"encoder_dim": 2, "decoder_dim": 32}}}`
	RedecoderConfig = `{"model_type": "redecoder", "model_params": {"latent_dim": 24, "codebook_size": 32, "wavenet_embed_dim": 12,
	"wavenet_layers": 3, "DAC": {"encoder_dim": 2, "decoder_dim": 32}}}`
)

// WriteFile writes a file of its own folder and returns its path.
func WriteFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Checkpoint writes a checkpoint of random weights, in the format that the extension
// of name sets.
func Checkpoint(t testing.TB, name, config string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	o := convert.Options{Config: WriteFile(t, "c.json", config)}
	if _, err := convert.Random(t.Context(), path, 5, config == RedecoderConfig, o); err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens a checkpoint's file until the test ends.
func Open(t testing.TB, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TrainingCheckpoint writes a checkpoint as training does around the networks of
// another one.
func TrainingCheckpoint(t testing.TB, networks string) string {
	t.Helper()
	f := Open(t, networks)
	var arrays []weights.Array
	add := func(name string, shape []int, values []float32) {
		arrays = append(arrays, weights.Array{Name: name, Shape: shape, Values: func() ([]float32, error) { return values, nil }})
	}
	moments := []string{checkpoint.MeanPrefix, checkpoint.SquarePrefix}
	for _, name := range f.Names() {
		tensor, _ := f.Lookup(name)
		values, err := tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		add(name, tensor.Shape, values)
		for _, prefix := range append(moments, checkpoint.RawPrefix) {
			add(prefix+name, tensor.Shape, make([]float32, len(values)))
		}
	}
	for _, name := range []string{"fa_predictors.f0.weight", "discriminator.mpd.bias"} {
		for _, prefix := range append(moments, "") {
			add(prefix+name, []int{2}, []float32{1, 2})
		}
	}
	metadata := map[string]string{
		"config": f.Metadata()["config"], "iters": "1200", "epoch": "3",
		"train_state": "{}", "train_position": `{"epoch":3}`, "note": "mine",
	}
	path := filepath.Join(t.TempDir(), "training.safetensors")
	if err := weights.WriteSafetensors(path, arrays, metadata, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// Vowel returns a gliding harmonic tone.
func Vowel(n, rate int) []float32 { return bench.Vowel(n, rate) }

// WAV writes samples as a float WAV of 24 kHz, which it returns too.
func WAV(t testing.TB, name string, samples []float32) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	w, err := audio.Create(path, 24000, audio.F32)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(samples); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return path, data
}

// DecoderInput returns what a codec of Checkpoint and Config decodes codes from,
// before its norm: [latent][frames], by the networks themselves.
func DecoderInput(t testing.TB, codes model.Codes) []float32 {
	t.Helper()
	c, err := config.Parse("config", []byte(Config))
	if err != nil {
		t.Fatal(err)
	}
	m := model.NewCodec(model.CodecConfigOf(c))
	pool, region := parallel.New(1), &tensor.Region{}
	defer pool.Close()
	defer region.Free()
	if err := m.Load(Open(t, Checkpoint(t, "c.safetensors", Config)), region, pool); err != nil {
		t.Fatal(err)
	}
	return m.Quantizer.Decode(op.NewRun(pool), codes).ToBCT()
}

// NS3 writes the five checkpoints of the NaturalSpeech 3 family into a folder, of small
// networks with random weights, as they are published: plain state dicts.
func NS3(t testing.TB) (folder string) { return writeNS3(t, nil) }

// NS3Collapsed is NS3 with codebooks of one entry, many times.
func NS3Collapsed(t testing.TB) (folder string) {
	return writeNS3(t, func(key string, v []float32) {
		if strings.HasSuffix(key, "_codebook.weight") {
			for i := range v {
				v[i] = 1
			}
		}
	})
}

// writeNS3 writes networks whose values change alters, nil for none.
func writeNS3(t testing.TB, change func(key string, v []float32)) (folder string) {
	t.Helper()
	folder = t.TempDir()
	transformer := ns3.TransformerConfig{Hidden: 24, Kernel: 5, Layers: 2}
	c := ns3.Config{
		Encoder:   ns3.EncoderConfig{Dim: 4, Rates: []int{2, 4, 5, 5}, Latent: 16},
		Quantizer: ns3.QuantizerConfig{Latent: 16, CodebookSize: 64, CodebookDim: 5, Books: [model.NumParts]int{1, 2, 3}},
		Decoder:   ns3.DecoderConfig{Latent: 16, Dim: 32, Rates: []int{5, 5, 4, 2}},
		Timbre:    transformer, ProsodyMels: 20, Prosody: transformer,
	}
	v2 := c
	v2.V2 = true
	redecoder := ns3.NewRedecoder(ns3.RedecoderConfig{
		CodebookSize: 64, Books: [model.NumParts]int{1, 2, 3}, Prosody: transformer, Decoder: c.Decoder,
	})
	params := append(append(ns3.NewCodec(c).Params(), ns3.NewCodec(v2).Params()...), redecoder.Params()...)
	for _, kind := range ns3.Kinds {
		var arrays []weights.Array
		src := ns3.Random(kind, params, 5)
		for _, name := range src.Names() {
			x, _ := src.Lookup(name)
			a := weights.ArrayOf(x)
			a.Values = func() ([]float32, error) {
				v, err := x.Float32()
				if change != nil {
					change(name, v)
				}
				return v, err
			}
			arrays = append(arrays, a)
		}
		if kind == ns3.KindDecoder || kind == ns3.KindDecoderV2 {
			arrays = append(arrays, weights.Array{Name: "phone_predictor.heads.0.bias", Shape: []int{7},
				Values: func() ([]float32, error) { return make([]float32, 7), nil }})
		}
		if err := weights.WriteTorch(filepath.Join(folder, kind.Published()), arrays, weights.Layout{Bare: true}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
