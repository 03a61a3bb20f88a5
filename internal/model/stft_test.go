package model

import (
	"fmt"
	"math"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// frameRate returns small with networks at the frame rate, of odd sizes.
func frameRate(causal bool, encoder, decoder string) *config.Config {
	c := small(causal, 0)
	c.Model.EncoderType, c.Model.DecoderType = encoder, decoder
	c.Model.ConvNeXt = config.ConvNeXt{Window: 1200, PhaseBins: 40, Dim: 18, HiddenDim: 22, EncoderBlocks: 2, DecoderBlocks: 2}
	return c
}

// TestFrameNetworksInChunks is TestChunksAreExact for networks at the frame rate.
func TestFrameNetworksInChunks(t *testing.T) {
	for _, c := range []struct {
		causal           bool
		encoder, decoder string
		timbre           bool // in the decoder's blocks
	}{
		{true, config.EncoderSTFT, config.DecoderISTFT, false},
		{false, config.EncoderSTFT, config.DecoderISTFT, false},
		{true, config.EncoderSTFT, config.DecoderDAC, false},
		{true, config.EncoderSTFT, config.DecoderHarmonic, false},
		{false, config.EncoderSTFT, config.DecoderHarmonic, true},
		{true, config.EncoderSTFT, config.DecoderSourceFilter, false},
		{true, config.EncoderSTFT, config.DecoderSourceFilter, true},
	} {
		t.Run(fmt.Sprintf("causal=%v %s %s timbre=%v", c.causal, c.encoder, c.decoder, c.timbre), func(t *testing.T) {
			experiment := frameRate(c.causal, c.encoder, c.decoder)
			experiment.Model.ConvNeXt.DecoderTimbre = c.timbre
			for _, n := range []int{1, 299, 300, 301, 601, 1199, 3001, 7000 + 17} {
				checkContract(t, experiment, nn.Exact, n, []int{1, 2, 3})
			}
		})
	}
}

// TestGoldenFrameNetworks compares encoder and decoder with numpy's numbers
// (testdata/frames.py).
func TestGoldenFrameNetworks(t *testing.T) {
	f, err := npz.Open("testdata/frames.npz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pool := parallel.New(2)
	defer pool.Close()
	c := FrameConfig{Window: 120, Hop: 30, Phases: 20, Dim: 18, Hidden: 24, Latent: 10, Causal: true}
	for _, tc := range []struct {
		name   string
		blocks int
		make   func(b *nn.Builder, c FrameConfig) func(r *op.Run, x tensor.Tensor) tensor.Tensor
		input  tensor.Tensor
	}{
		{"encoder", 2, func(b *nn.Builder, c FrameConfig) func(r *op.Run, x tensor.Tensor) tensor.Tensor {
			return NewSTFTEncoder(b, c).Forward
		},
			column(floatsOf(weights.Uniform(0, "wave", 475)))},
		{"decoder", 3, func(b *nn.Builder, c FrameConfig) func(r *op.Run, x tensor.Tensor) tensor.Tensor {
			return unconditioned(NewISTFTDecoder(b, c))
		},
			rowsOf(floatsOf(weights.Uniform(0, "latent", 13*10)), 10)},
		{"harmonic", 3, func(b *nn.Builder, c FrameConfig) func(r *op.Run, x tensor.Tensor) tensor.Tensor {
			return unconditioned(NewHarmonicDecoder(b, c))
		},
			rowsOf(floatsOf(weights.Uniform(0, "latent", 13*10)), 10)},
		{"source_filter", 3, func(b *nn.Builder, c FrameConfig) func(r *op.Run, x tensor.Tensor) tensor.Tensor {
			return unconditioned(NewSourceFilterDecoder(b, c))
		},
			rowsOf(floatsOf(weights.Uniform(0, "latent", 13*10)), 10)},
		{"styled", 3, func(b *nn.Builder, c FrameConfig) func(r *op.Run, x tensor.Tensor) tensor.Tensor {
			c.Timbre = true
			l, timbre := NewISTFTDecoder(b, c), rowsOf(floatsOf(weights.Uniform(0, "timbre", 10)), 10)
			return func(r *op.Run, x tensor.Tensor) tensor.Tensor {
				return l.Forward(r, x, l.Modulations(r, timbre))
			}
		}, rowsOf(floatsOf(weights.Uniform(0, "latent", 13*10)), 10)},
	} {
		b := nn.NewBuilder(tc.name)
		c.Blocks = tc.blocks
		l := tc.make(b, c)
		loadParams(t, b.Network().Params, "", 0, func(src weights.Source, region *tensor.Region) error {
			return b.Network().Load(src, region, pool)
		})
		r := op.NewRun(pool)
		r.Last = true
		y := l(r, tc.input)
		want, err := f.Read(map[string]string{"encoder": "latent", "decoder": "wave", "harmonic": "harmonic", "source_filter": "source_filter", "styled": "styled"}[tc.name])
		if err != nil {
			t.Fatal(err)
		}
		if y.T*y.C != want.Len() {
			t.Fatalf("%s: %d values, want %d", tc.name, y.T*y.C, want.Len())
		}
		var difference, energy float64
		for i := range y.T {
			for j, v := range y.Row(0, i) {
				w := float64(want.F32[i*y.C+j])
				difference += (float64(v) - w) * (float64(v) - w)
				energy += w * w
			}
		}
		tolerance := moduleTolerance
		if tc.name == "source_filter" {
			tolerance = 4e-5 // the phase of a high harmonic has that of float32's pitch many times
		}
		if rms := math.Sqrt(difference / energy); !(rms < tolerance) {
			t.Errorf("%s: relative difference %.2g", tc.name, rms)
		}
	}
}

// unconditioned returns a decoder's Forward, whose blocks do not depend on the timbre.
func unconditioned(l WaveDecoder) func(r *op.Run, x tensor.Tensor) tensor.Tensor {
	return func(r *op.Run, x tensor.Tensor) tensor.Tensor { return l.Forward(r, x, nil) }
}

func floatsOf(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// rowsOf lays values out as rows of c channels.
func rowsOf(v []float32, c int) tensor.Tensor {
	x := tensor.New(1, len(v)/c, c)
	for t := range x.T {
		copy(x.Row(0, t), v[t*c:])
	}
	return x
}
