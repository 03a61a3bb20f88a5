package ns3

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

const (
	// channelStep is which channels the golden files hold of wide arrays.
	channelStep = 16
	// waveTolerance is what the golden README calls a fair bound in plain float32.
	waveTolerance = 1e-4
)

// forms are the patterns of the golden files, each with its test below.
var forms = []string{"ns3_encoder_decoder_*.npz", "ns3_v2_*.npz", "ns3_redecoder_*.npz"}

// TestGoldenNS3Forms: a file of a form that no test knows is a failure.
func TestGoldenNS3Forms(t *testing.T) {
	for _, path := range golden.NS3Files(t, "*.npz") {
		known := slices.ContainsFunc(forms, func(form string) bool {
			ok, err := filepath.Match(form, filepath.Base(path))
			return ok && err == nil
		})
		if !known {
			t.Errorf("%s: no test of this form", path)
		}
	}
}

// TestGoldenNS3EncoderDecoder compares version 1 with upstream.
func TestGoldenNS3EncoderDecoder(t *testing.T) { compareForm(t, forms[0], Published(false)) }

// TestGoldenNS3V2 compares version 2 with upstream.
func TestGoldenNS3V2(t *testing.T) { compareForm(t, forms[1], Published(true)) }

func compareForm(t *testing.T, form string, c Config) {
	files := golden.NS3Files(t, form)
	pool := parallel.New(0)
	defer pool.Close()
	codec := loadRandom(t, c, golden.Seed(t), pool)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := golden.Load(t, path)
			(&comparison{t, codec, pool, g, wholeRun(pool)}).run()
			g.Done(nil)
		})
	}
}

// loadRandom returns a codec with the golden recipe's weights.
func loadRandom(t testing.TB, c Config, seed uint64, pool *parallel.Pool) *Codec {
	t.Helper()
	codec := NewCodec(c)
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	if err := codec.Load(random(codec.Params(), seed), region, pool); err != nil {
		t.Fatal(err)
	}
	return codec
}

// random makes parameters by the golden recipe.
func random(params []*nn.Param, seed uint64) weights.Source {
	var specs []weights.Spec
	for _, p := range params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	return weights.NewRandom(seed, specs)
}

func wholeRun(pool *parallel.Pool) *op.Run {
	r := op.NewRun(pool)
	r.Last = true
	return r
}

type comparison struct {
	*testing.T
	codec *Codec
	pool  *parallel.Pool
	g     *golden.Case
	r     *op.Run
}

// run compares one file: every network on the whole utterance, and the streams that
// programs use.
func (c *comparison) run() {
	wave, _ := c.g.F32("wave")
	ref, _ := c.g.F32("ref_wave")
	z := c.encode(padded(wave))
	frames := (len(wave) + Hop - 1) / Hop
	if z.T != frames {
		c.Fatalf("%d frames of z, want %d", z.T, frames)
	}
	c.channels("z", z)

	prosody := c.r.Borrow(z)
	if c.codec.V2 {
		prosody = c.prosody(wave)
	}
	parts := c.codec.Quantizer.Quantize(c.r, prosody, z)
	want := model.Codes{c.books("codes_prosody"), c.books("codes_content"), c.books("codes_residual")}
	if c.codes("codes", parts.Codes(), want) {
		for part, name := range []string{"quantized_prosody", "quantized_content", "quantized_residual"} {
			c.channels(name, parts[part].Z)
		}
	} else {
		for part, name := range []string{"quantized_prosody", "quantized_content", "quantized_residual"} {
			c.channels(name, c.codec.Quantizer.Decode(c.r, want.Only(model.Part(part))))
		}
	}
	c.streams(wave, ref, want)

	// From here on the golden codes and timbre are used, so that one near-tie that
	// falls otherwise does not hide what is compared.
	timbre, _ := c.g.F32("timbre")
	c.channels("embedding", c.codec.Quantizer.Decode(c.r, want))
	c.decode("decoder_input", "reconstruction", want, timbre, c.rms("decoder_rms"))
	if c.codec.V2 {
		converted := want.Only(model.Prosody, model.Content)
		timbre, _ = c.g.F32("timbre_ref")
		c.channels("embedding_no_residual", c.codec.Quantizer.Decode(c.r, converted))
		c.decode("decoder_input_conversion", "conversion", converted, timbre, nil)
	}
	if !c.codec.V2 && c.g.Has("z_unpadded") {
		c.unpadded(wave)
	}
}

// encode runs the encoder block by block, for the size of what each makes.
func (c *comparison) encode(wave []float32) tensor.Tensor {
	sizes := c.rms("encoder_rms")
	if len(sizes) != len(c.codec.Encoder.blocks) {
		c.Fatalf("encoder_rms has %d values for %d blocks", len(sizes), len(c.codec.Encoder.blocks))
	}
	return c.layers("encoder_rms", c.codec.Encoder.blocks, column(wave), sizes)
}

// layers runs layers one after the other and compares the sizes of their results,
// sizes being nil for none to compare with.
func (c *comparison) layers(name string, l layers, x tensor.Tensor, sizes []float32) tensor.Tensor {
	var got []float64
	for _, layer := range l {
		x = layer.Forward(c.r, x)
		var square float64
		for t := range x.T {
			for _, v := range x.Row(0, t) {
				square += float64(v) * float64(v)
			}
		}
		got = append(got, math.Sqrt(square/float64(x.T*x.C)))
	}
	if sizes != nil {
		golden.Close(c.T, name, got, sizes, waveTolerance)
	}
	return x
}

func (c *comparison) rms(name string) []float32 {
	v, _ := c.g.F32(name)
	return v
}

func (c *comparison) prosody(wave []float32) tensor.Tensor {
	rows := c.codec.Mel.stream().Push(padded(wave), true)
	bands := c.codec.ProsodyMels
	mel := make([]float32, len(rows))
	for i, v := range rows {
		mel[i%bands*(len(rows)/bands)+i/bands] = v
	}
	want, shape := c.g.F32("prosody_feature")
	golden.SameShape(c.T, "prosody_feature", []int{bands, len(rows) / bands}, shape)
	golden.Close(c.T, "prosody_feature", mel, want, waveTolerance)
	x := c.codec.Prosody.Forward(c.r, c.codec.ProsodyFeatures(c.r, rows), nil)
	c.channels("prosody_encoded", x)
	return x
}

// streams compares what programs use: codes and both timbres.
func (c *comparison) streams(wave, ref []float32, want model.Codes) {
	s := c.codec.NewAnalysisStream(c.pool)
	c.codes("codes of the stream", s.Push(wave, true), want)
	timbre, _ := c.g.F32("timbre")
	golden.Close(c.T, "timbre of the stream", s.Timbre(), timbre, waveTolerance)
	golden.Close(c.T, "timbre", timbreOf(c.codec, c.pool, wave), timbre, waveTolerance)
	timbre, _ = c.g.F32("timbre_ref")
	golden.Close(c.T, "timbre_ref", timbreOf(c.codec, c.pool, ref), timbre, waveTolerance)
}

// decode compares the decoder's input and the wave, as a whole and as a stream.
func (c *comparison) decode(inputName, waveName string, codes model.Codes, timbre, sizes []float32) {
	d := c.codec.Decoder
	x := d.Modulate(c.r, c.codec.Quantizer.Decode(c.r, codes), d.Modulation(c.r, timbre))
	c.channels(inputName, x)
	y := c.layers("decoder_rms", d.blocks, x, sizes)
	want, _ := c.g.F32(waveName)
	golden.Close(c.T, waveName, y.ToBCT(), want, waveTolerance)
	golden.Close(c.T, waveName+" of the stream", c.codec.NewDecoderStream(timbre, c.pool).Push(codes, true), want, waveTolerance)
	c.Logf("%s: relative RMS error %.2g", waveName, golden.RelRMS(y.ToBCT(), want))
}

// unpadded compares what version 1's networks make of a wave that is no whole number
// of frames.
func (c *comparison) unpadded(wave []float32) {
	z := c.codec.Encoder.Forward(c.r, column(wave))
	c.channels("z_unpadded", z)
	timbre := op.Mean(c.codec.Timbre.Forward(c.r, c.r.Borrow(z), nil))[0]
	want, _ := c.g.F32("timbre_unpadded")
	golden.Close(c.T, "timbre_unpadded", timbre, want, waveTolerance)
	parts := c.codec.Quantizer.Quantize(c.r, c.r.Borrow(z), z)
	books := c.books("codes_unpadded")
	got := parts.Codes().Books()
	if len(got) != len(books) {
		c.Fatalf("%d books, want %d", len(got), len(books))
	}
	c.codes("codes_unpadded", model.Codes{got}, model.Codes{books})
}

// padded appends zeros to a whole number of frames.
func padded(wave []float32) []float32 {
	return append(slices.Clone(wave), make([]float32, (Hop-len(wave)%Hop)%Hop)...)
}

// column returns a waveform as a tensor [1, N, 1].
func column(wave []float32) tensor.Tensor { return tensor.FromBCT(wave, 1, 1, len(wave)) }

func timbreOf(codec *Codec, pool *parallel.Pool, wave []float32) []float32 {
	s := codec.NewTimbreStream(pool)
	s.Push(wave)
	s.EndClip()
	return s.Timbre()
}

// channels compares x with an array of every channelStep-th channel.
func (c *comparison) channels(name string, x tensor.Tensor) {
	c.Helper()
	want, shape := c.g.F32(name)
	golden.SameShape(c.T, name, []int{(x.C + channelStep - 1) / channelStep, x.T}, shape)
	var got []float32
	for channel := 0; channel < x.C; channel += channelStep {
		for t := range x.T {
			got = append(got, x.Row(0, t)[channel])
		}
	}
	golden.Close(c.T, name, got, want, waveTolerance)
}

// codes says whether all codes are equal. A near-tie between two entries may fall
// otherwise where sums are rounded otherwise: 99.9 % must be equal.
func (c *comparison) codes(name string, got, want model.Codes) bool {
	c.Helper()
	g, w := slices.Concat(got.Books()...), slices.Concat(want.Books()...)
	if len(g) != len(w) {
		c.Fatalf("%s: %d, want %d", name, len(g), len(w))
	}
	differ := 0
	for i, code := range w {
		if g[i] != code {
			differ++
		}
	}
	if float64(differ) > 0.001*float64(len(w)) {
		c.Errorf("%s: %d of %d differ", name, differ, len(w))
	}
	return differ == 0
}

// books returns an array of codes [books, T].
func (c *comparison) books(name string) (codes [][]int32) {
	v, shape := c.g.Ints(name)
	for i := range shape[0] {
		row := make([]int32, shape[1])
		for j := range row {
			row[j] = int32(v[i*shape[1]+j])
		}
		codes = append(codes, row)
	}
	return codes
}

// TestGoldenNS3Redecoder compares the voice conversion model with upstream.
func TestGoldenNS3Redecoder(t *testing.T) {
	files := golden.NS3Files(t, forms[2])
	pool := parallel.New(0)
	defer pool.Close()
	redecoder := loadRandomRedecoder(t, PublishedRedecoder(), golden.Seed(t), pool)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := golden.Load(t, path)
			c := &comparison{t, nil, pool, g, wholeRun(pool)}
			timbre, _ := g.F32("timbre")
			codes := model.Codes{c.books("codes_prosody"), c.books("codes_content"), c.books("codes_residual")}
			r, d := c.r, redecoder.Decoder
			x := redecoder.Prosody(r, redecoder.Embed(r, model.Prosody, codes[model.Prosody]), redecoder.Condition(r, timbre))
			c.channels("prosody_encoded", x)
			z := r.Add(x, redecoder.Embed(r, model.Content, codes[model.Content]))
			c.channels("z", z)
			c.channels("z_all_codes", r.Add(z, redecoder.Embed(r, model.Residual, codes[model.Residual])))
			x = d.Modulate(r, z, d.Modulation(r, timbre))
			c.channels("decoder_input", x)
			y := c.layers("decoder_rms", d.blocks, x, c.rms("decoder_rms"))
			want, _ := g.F32("wave")
			golden.Close(t, "wave", y.ToBCT(), want, waveTolerance)
			golden.Close(t, "wave of the stream", redecoder.NewStream(timbre, pool).Push(codes, true), want, waveTolerance)
			t.Logf("wave: relative RMS error %.2g", golden.RelRMS(y.ToBCT(), want))
			g.Done(nil)
		})
	}
}

func loadRandomRedecoder(t testing.TB, c RedecoderConfig, seed uint64, pool *parallel.Pool) *Redecoder {
	t.Helper()
	redecoder := NewRedecoder(c)
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	if err := redecoder.Load(random(redecoder.Params(), seed), region, pool); err != nil {
		t.Fatal(err)
	}
	return redecoder
}
