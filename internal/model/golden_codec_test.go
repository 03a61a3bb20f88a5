package model

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// channelStep is which channels the golden files hold of wide arrays.
const channelStep = 64

// waveTolerance is what the golden README allows in plain float32.
const waveTolerance = 2e-5

// TestGoldenInference compares the full-size codec with the originals: codes,
// every array on the way, and the waves.
func TestGoldenInference(t *testing.T) {
	files := golden.Files(t, "inference_full_*.npz")
	pool := parallel.New(0)
	defer pool.Close()
	codec := loadRandom(t, CodecConfigOf(config.Default()), golden.Seed(t), pool)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := golden.Load(t, path)
			compareInference(t, codec, pool, g)
			g.Done(nil)
		})
	}
}

// loadRandom returns a codec with the golden recipe's weights.
func loadRandom(t testing.TB, c CodecConfig, seed uint64, pool *parallel.Pool) *Codec {
	t.Helper()
	return loadRandomAt(t, nn.Exact, c, seed, pool)
}

// loadRandomAt is loadRandom at a precision.
func loadRandomAt(t testing.TB, precision nn.Precision, c CodecConfig, seed uint64, pool *parallel.Pool) *Codec {
	t.Helper()
	codec := NewCodec(c)
	nn.SetPrecision(precision, codec.Networks())
	loadParams(t, codec.Params(), "", seed, func(src weights.Source, region *tensor.Region) error {
		return codec.Load(src, region, pool)
	})
	return codec
}

// loadParams makes the weights of names under prefix, which may be empty.
func loadParams(t testing.TB, params []*nn.Param, prefix string, seed uint64, load func(weights.Source, *tensor.Region) error) {
	t.Helper()
	var specs []weights.Spec
	for _, p := range params {
		specs = append(specs, weights.Spec{Name: strings.TrimPrefix(prefix+"."+p.Name, "."), Shape: p.Shape})
	}
	src := weights.NewRandom(seed, specs)
	if prefix != "" {
		src = weights.Below(src, prefix)
	}
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	if err := load(src, region); err != nil {
		t.Fatal(err)
	}
}

// compareInference runs the networks one after the other on the whole utterance.
// The originals keep floor(N/hop) frames, ours ceil: since everything up to the
// decoder's input is causal but for the mel's reflection, the golden arrays are
// the first frames of ours.
func compareInference(t *testing.T, codec *Codec, pool *parallel.Pool, g *golden.Case) {
	wave, _ := g.F32("wave")
	ref, _ := g.F32("ref_wave")
	frames := g.Shape("codes_prosody")[1]
	r := op.NewRun(pool)
	r.Last = true

	z := codec.Encoder.Forward(r, column(wave))
	if want := (len(wave) + codec.Hop() - 1) / codec.Hop(); z.T != want {
		t.Fatalf("%d frames of z, want %d", z.T, want)
	}
	compareChannels(t, g, "z", z, g.Shape("z")[1])

	// The stream is what commands use.
	want := Codes{Prosody: books(g, "codes_prosody"), Content: books(g, "codes_content"), Residual: books(g, "codes_residual")}
	equal := compareCodes(t, codec.NewEncoderStream(pool).Push(wave, true).Slice(0, frames), want)

	q := codec.Quantizer
	parts := q.Quantize(r, q.ProsodyFeatures(r, prosodyMel(codec, wave)).Slice(0, frames), z.Slice(0, frames))
	var quantized [NumParts]tensor.Tensor
	for part, p := range parts {
		quantized[part] = p.Z
	}
	lossTolerance := waveTolerance
	if !equal {
		quantized = q.DecodeParts(r, want)
		lossTolerance = 1e-2
	}
	for part, x := range quantized {
		compareChannels(t, g, "quantized_"+Part(part).String(), x, frames)
	}
	commitment, codebook := q.CommitmentLoss(r, parts, 0), q.CodebookLoss(r, parts, 0)
	golden.Close(t, "commitment_loss", []float64{commitment}, []float64{g.Scalar("commitment_loss")}, lossTolerance)
	golden.Close(t, "codebook_loss", []float64{codebook}, []float64{g.Scalar("codebook_loss")}, lossTolerance)

	wantTimbre, _ := g.F32("timbre")
	golden.Close(t, "timbre", timbreOf(codec, pool, wave), wantTimbre, waveTolerance)

	// From here on the golden codes and timbre are used, so that one near-tie
	// that falls otherwise does not hide what is compared.
	compareChannels(t, g, "decoder_input", codec.Modulation(r, wantTimbre).apply(r, q.Decode(r, want)), frames)
	wave, _ = g.F32("reconstruction")
	golden.Close(t, "reconstruction", codec.NewDecoderStream(wantTimbre, pool).Push(want, true), wave, waveTolerance)
	want[Residual] = nil
	wave, _ = g.F32("conversion")
	golden.Close(t, "conversion", codec.NewDecoderStream(timbreOf(codec, pool, ref), pool).Push(want, true), wave, waveTolerance)
}

// column returns a waveform as a tensor [1, N, 1].
func column(wave []float32) tensor.Tensor { return tensor.FromBCT(wave, 1, 1, len(wave)) }

// prosodyMel returns the bins of the log-mel that the prosody branch sees.
func prosodyMel(codec *Codec, wave []float32) tensor.Tensor {
	bins := codec.CodecConfig.Quantizer.ProsodyMels
	var rows []float32
	dsp.NewMel(codec.Mel).Stream().Push(wave, true, func(frame []float32) { rows = append(rows, frame[:bins]...) })
	mel := tensor.New(1, len(rows)/bins, bins)
	for t := range mel.T {
		copy(mel.Row(0, t), rows[t*bins:])
	}
	return mel
}

func timbreOf(codec *Codec, pool *parallel.Pool, wave []float32) []float32 {
	s := codec.NewTimbreStream(pool)
	s.Push(wave)
	s.EndClip()
	return s.Timbre()
}

// compareChannels compares the first frames of x with an array of every
// channelStep-th channel.
func compareChannels(t *testing.T, g *golden.Case, name string, x tensor.Tensor, frames int) {
	t.Helper()
	want, shape := g.F32(name)
	golden.SameShape(t, name, []int{(x.C + channelStep - 1) / channelStep, frames}, shape)
	var got []float32
	for c := 0; c < x.C; c += channelStep {
		for i := range frames {
			got = append(got, x.Row(0, i)[c])
		}
	}
	golden.Close(t, name, got, want, waveTolerance)
}

// compareCodes says whether all codes are equal. A near-tie between two entries
// may fall otherwise where sums are rounded otherwise: 99.9 % must be equal.
func compareCodes(t *testing.T, got, want Codes) bool {
	t.Helper()
	g, w := flatten(got), flatten(want)
	if len(g) != len(w) {
		t.Fatalf("%d codes, want %d", len(g), len(w))
	}
	differ := 0
	for i, code := range w {
		if g[i] != code {
			differ++
		}
	}
	if float64(differ) > 0.001*float64(len(w)) {
		t.Errorf("%d of %d codes differ", differ, len(w))
	}
	return differ == 0
}

func flatten(c Codes) []int32 {
	return slices.Concat(c.Books()...)
}

// books returns an array of codes [books, T].
func books(g *golden.Case, name string) (codes [][]int32) {
	v, shape := g.Ints(name)
	for i := range shape[0] {
		row := make([]int32, shape[1])
		for j := range row {
			row[j] = int32(v[i*shape[1]+j])
		}
		codes = append(codes, row)
	}
	return codes
}

// TestGoldenRedecoder compares the voice conversion model with the original.
func TestGoldenRedecoder(t *testing.T) {
	pool := parallel.New(0)
	defer pool.Close()
	redecoder := NewRedecoder(RedecoderConfigOf(config.DefaultRedecoder()))
	loadParams(t, redecoder.Params(), "redecoder", golden.Seed(t), func(src weights.Source, region *tensor.Region) error {
		return redecoder.Load(src, region, pool)
	})
	for _, path := range golden.Files(t, "redecoder_*.npz") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := golden.Load(t, path)
			timbre, _ := g.F32("timbre")
			prosody, content := books(g, "codes_prosody"), books(g, "codes_content")
			frames := len(content[0])
			r := op.NewRun(pool)
			r.Last = true
			condition := redecoder.Condition(r, timbre)
			compareChannels(t, g, "z_all_codes", redecoder.Latents(r, single(r, prosody), single(r, content), frames, condition), frames)
			z := redecoder.Latents(r, nil, single(r, content[:1]), frames, condition)
			compareChannels(t, g, "z", z, frames)
			want, _ := g.F32("wave")
			golden.Close(t, "wave", redecoder.Decode(r, z).ToBCT(), want, waveTolerance)
			g.Done(nil)
		})
	}
}
