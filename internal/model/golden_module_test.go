package model

import (
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// moduleTolerance is the relative RMS difference that the golden README allows
// in plain float32.
const (
	moduleTolerance = 2e-5
	// fewerTolerance is that of training at its default precision: of a decoder whose gradients
	// cancel.
	fewerTolerance = 1e-4
)

// moduleCase compares one form of module_*.npz.
type moduleCase struct {
	name     *regexp.Regexp
	run      func(m *module, args []string)
	training bool // of no use to inference
}

var moduleCases = []moduleCase{
	{regexp.MustCompile(`^snake$`), (*module).snake, false},
	{regexp.MustCompile(`^sconv_(?:k(\d+)_(?:d(\d+)|s(\d+))|short)_(causal|noncausal)$`), (*module).sconv, false},
	{regexp.MustCompile(`^sconvtr_k(\d+)_s(\d+)_(causal|noncausal)$`), (*module).sconvTranspose, false},
	{regexp.MustCompile(`^slstm$`), (*module).slstm, false},
	{regexp.MustCompile(`^residual_unit$`), (*module).residualUnit, false},
	{regexp.MustCompile(`^rvq$`), (*module).rvq, false},
	{regexp.MustCompile(`^wn(_conditioned)?$`), (*module).wn, false},
	{regexp.MustCompile(`^style_encoder$`), (*module).styleEncoder, false},
	{regexp.MustCompile(`^encoder_small$`), (*module).encoder, false},
	{regexp.MustCompile(`^decoder_small$`), (*module).decoder, false},
	{regexp.MustCompile(`^cnnlstm(_global)?$`), (*module).predictor, true},
	{regexp.MustCompile(`^mpd_(\d+)$`), (*module).periods, true},
	{regexp.MustCompile(`^mrd_(\d+)$`), (*module).resolutions, true},
	{regexp.MustCompile(`^loss_(mel|stft)$`), (*module).spectralLoss, true},
	{regexp.MustCompile(`^loss_focal$`), (*module).focalLoss, true},
	{regexp.MustCompile(`^gradient_reversal$`), (*module).reversal, true},
}

// TestGoldenModules compares the output of every module, and the names of its
// parameters, with the originals', as inference runs it where it does, and as
// training does, with the gradients.
func TestGoldenModules(t *testing.T) {
	for _, path := range golden.Files(t, "module_*.npz") {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "module_"), ".npz")
		i := slices.IndexFunc(moduleCases, func(c moduleCase) bool { return c.name.MatchString(name) })
		if i < 0 {
			t.Errorf("module_%s.npz: no test knows this case", name)
			continue
		}
		for _, mode := range []string{"inference", "training", "training with fewer multiplications"} {
			training := mode != "inference"
			if moduleCases[i].training && !training {
				continue
			}
			t.Run(name+"/"+mode, func(t *testing.T) {
				m := &module{T: t, Case: golden.Load(t, path), name: name, b: nn.NewBuilder(name), training: training,
					inputs: map[string]tensor.Tensor{}, exact: mode == "training", tolerance: moduleTolerance}
				if training && !m.exact {
					m.tolerance = fewerTolerance
				}
				moduleCases[i].run(m, moduleCases[i].name.FindStringSubmatch(name)[1:])
				if training {
					m.gradients()
				}
				m.Done(func(array string) bool {
					return !training && (strings.HasPrefix(array, "grad.") || strings.HasPrefix(array, "gradnorm."))
				})
			})
		}
	}
}

type module struct {
	*testing.T
	*golden.Case
	name     string
	b        *nn.Builder
	pool     *parallel.Pool
	training bool
	run      *op.Run
	inputs   map[string]tensor.Tensor // of a recording
	exact    bool                     // the recording's products
	// relative to the RMS
	tolerance float64
}

// load gives the built network the recipe's weights and returns a run of a whole
// utterance, in training one that records.
func (m *module) load() *op.Run {
	m.Helper()
	net := m.b.Network()
	var specs []weights.Spec
	declared := map[string]bool{}
	for _, p := range net.Params {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
		declared[strings.TrimPrefix(p.Name, m.name+".")] = true
	}
	for _, array := range m.Names() {
		if param, ok := strings.CutPrefix(array, "gradnorm."); ok && !declared[param] {
			m.Errorf("the original has a parameter %s, ours has not", param)
		}
	}
	m.pool = parallel.New(2)
	m.Cleanup(m.pool.Close)
	load := net.Load
	if m.training {
		load = net.LoadForTraining
	}
	if err := load(weights.NewRandom(golden.Seed(m.T), specs), &tensor.Region{}, m.pool); err != nil {
		m.Fatal(err)
	}
	m.run = op.NewRun(m.pool)
	m.run.Last = true
	if m.training {
		m.run.Exact = m.exact
		m.run.Record(op.Random{Off: true})
	}
	return m.run
}

func (m *module) input(name string) tensor.Tensor {
	v, shape := m.F32("input." + name)
	for len(shape) < 3 { // [B, C] is one row of each sequence
		shape = append(shape, 1)
	}
	x := tensor.FromBCT(v, shape[0], shape[1], shape[2])
	if m.training {
		x = m.run.RequireGrad(x)
		m.inputs[name] = x
	}
	return x
}

func (m *module) expect(i int, got tensor.Tensor) {
	m.Helper()
	name := "output." + strconv.Itoa(i)
	want, shape := m.F32(name)
	for len(shape) < 3 {
		shape = append(shape, 1)
	}
	golden.SameShape(m.T, name, []int{got.B, got.C, got.T}, shape)
	golden.Close(m.T, name, got.ToBCT(), want, m.tolerance)
	if m.training {
		m.run.SeedGrad(got, tensor.FromBCT(m.probe(i, len(want)), got.B, got.C, got.T))
	}
}

// probe returns what output i is multiplied by in the loss.
func (m *module) probe(i, n int) []float32 {
	u := weights.Uniform(golden.Seed(m.T), "probe."+m.name+"."+strconv.Itoa(i), n)
	probe := make([]float32, n)
	for i, v := range u {
		probe[i] = float32(v)
	}
	return probe
}

// gradients goes back from the probes and compares the gradients of inputs and
// parameters: of these the file has the norm and the first 64 values.
func (m *module) gradients() {
	m.run.Backward()
	largest := 0.0
	for _, p := range m.b.Network().Params {
		for _, v := range p.Grad {
			largest = max(largest, math.Abs(float64(v)))
		}
	}
	for name, x := range m.inputs {
		if !m.Has("grad.input." + name) { // a target
			continue
		}
		want, _ := m.F32("grad.input." + name)
		m.closeGradient("input "+name, m.run.Grad(x).ToBCT(), want, largest)
	}
	for _, p := range m.b.Network().Params {
		name := strings.TrimPrefix(p.Name, m.name+".")
		if !m.Has("gradnorm." + name) {
			m.Errorf("the original has no gradient of %s", name)
			continue
		}
		m.closeGradient("norm "+name, []float32{norm(p.Grad)}, []float32{float32(m.Scalar("gradnorm." + name))}, largest)
		want, _ := m.F32("grad." + name)
		m.closeGradient(name, p.Grad[:min(64, len(p.Grad))], want, largest)
	}
}

// norm sums in eight chains of float32, as the originals' library does: over
// millions of values it loses some ten-thousandths, which would hide an error of
// ours of that size.
func norm(v []float32) float32 {
	var sums [8]float32
	for i, x := range v {
		sums[i%8] += float32(x * x)
	}
	var square float32
	for _, s := range sums {
		square += s
	}
	return float32(math.Sqrt(float64(square)))
}

// closeGradient compares with the tolerance of the golden README: relative, or
// 1e-6 of the case's largest gradient for one that is zero in exact arithmetic.
func (m *module) closeGradient(what string, got, want []float32, largest float64) {
	m.Helper()
	if len(got) != len(want) {
		m.Errorf("gradient of %s: %d values, want %d", what, len(got), len(want))
		return
	}
	tolerance := m.tolerance
	if m.name == "loss_stft" {
		// Where a bin is nearly empty the direction of its gradient, which 1/|X|
		// makes large, is what is left of rounding: against float64 the originals are
		// off by 7e-4.
		tolerance = 5e-3
	}
	if rel := golden.RelRMS(got, want); rel <= tolerance {
		return
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i]-v)) <= 1e-6*largest) {
			golden.Close(m.T, "gradient of "+what, got, want, tolerance)
			return
		}
	}
}

// channels returns the channels of the input and of output 0.
func (m *module) channels(input string) (in, out int) {
	return m.Shape("input." + input)[1], m.Shape("output.0")[1]
}

// layers counts the parameters that match, of one for each layer.
func (m *module) layers(pattern string) int {
	re := regexp.MustCompile("^gradnorm." + pattern + "$")
	n := 0
	for _, array := range m.Names() {
		if re.MatchString(array) {
			n++
		}
	}
	return n
}

// length returns the length of a parameter of one dimension, of which the file
// holds the gradient's first 64 values; otherwise where it is longer, or holds none.
func (m *module) length(param string, otherwise int) int {
	if name := "grad." + param; m.Has(name) {
		if n := m.Shape(name)[0]; n < 64 {
			return n
		}
	}
	return otherwise
}

func (m *module) snake([]string) {
	c, _ := m.channels("x")
	l := nn.NewSnake(m.b, c)
	r := m.load()
	m.expect(0, r.Activate(l, m.input("x")))
}

func atoi(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return otherwise
}

func (m *module) sconv(args []string) {
	in, out := m.channels("x")
	short := args[0] == ""
	c := nn.ConvConfig{In: in, Out: out, K: atoi(args[0], 7), Dilation: atoi(args[1], 1), Stride: atoi(args[2], 1), Causal: args[3] == "causal"}
	if short {
		c.Dilation = 9
	}
	l := nn.NewSConv(m.b, c)
	m.expect(0, l.Forward(m.load(), nil, m.input("x")))
}

func (m *module) sconvTranspose(args []string) {
	in, out := m.channels("x")
	stride := atoi(args[1], 0)
	if k := atoi(args[0], 0); k != 2*stride {
		m.Fatalf("kernel %d for stride %d", k, stride)
	}
	l := nn.NewSConvTranspose(m.b, in, out, stride, args[2] == "causal")
	m.expect(0, l.Forward(m.load(), nil, m.input("x")))
}

func (m *module) slstm([]string) {
	c, _ := m.channels("x")
	l := nn.NewSLSTM(m.b, c, m.layers(`lstm\.weight_hh_l\d+`))
	m.expect(0, l.Forward(m.load(), m.input("x")))
}

func (m *module) residualUnit([]string) {
	c, _ := m.channels("x")
	l := nn.NewResidualUnit(m.b, c, 9, true, 0)
	m.expect(0, l.Forward(m.load(), m.input("x")))
}

func (m *module) rvq([]string) {
	c, _ := m.channels("z")
	const size = 64
	books := m.Shape("output.1")[1]
	l := nn.NewResidualVQ(m.b, c, books, size, m.Shape("output.2")[1]/books)
	r := m.load()
	q := l.Forward(r, m.input("z"))
	m.expect(0, q.Z)

	wantCodes, _ := m.Ints("output.1") // [B, books, T]
	var codes []int64
	for b := range q.Z.B {
		for _, book := range q.Codes {
			for _, c := range book[b] {
				codes = append(codes, int64(c))
			}
		}
	}
	golden.Equal(m.T, "codes", codes, wantCodes)

	wantLatents, _ := m.F32("output.2") // [B, books·dim, T]
	var latents []float32
	for b := range q.Z.B {
		for _, e := range q.Latents {
			latents = append(latents, e.Sample(b).ToBCT()...)
		}
	}
	golden.Close(m.T, "latents", latents, wantLatents, m.tolerance)
	var weights [2]float64
	if m.training {
		weights = [2]float64{float64(m.probe(3, 1)[0]), float64(m.probe(4, 1)[0])}
		probe := tensor.FromBCT(m.probe(2, len(wantLatents)), q.Z.B, len(wantLatents)/q.Z.B/q.Z.T, q.Z.T)
		for i, e := range q.Latents {
			r.SeedGrad(e, r.SliceChannels(probe, i*e.C, (i+1)*e.C))
		}
	}
	loss := l.Loss(r, q, weights[0], weights[1])
	for _, name := range []string{"output.3", "output.4"} {
		golden.Close(m.T, name, []float64{loss}, []float64{m.Scalar(name)}, m.tolerance)
	}

	// What the codes are decoded to is the same sum, bit for bit.
	golden.Equal(m.T, "decoded codes", l.Decode(r, q.Codes).ToBCT(), q.Z.ToBCT())
}

func (m *module) wn(args []string) {
	hidden, _ := m.channels("x")
	c := nn.WNConfig{Hidden: hidden, Layers: m.layers(`in_layers\.\d+\.conv\.conv\.bias`), Causal: args[0] == ""}
	if !c.Causal {
		c.Condition = m.Shape("input.g")[1]
	}
	l := nn.NewWN(m.b, c)
	r := m.load()
	if c.Causal {
		m.expect(0, l.Forward(r, m.input("x"), nil))
		return
	}
	m.expect(0, l.Forward(r, m.input("x"), l.Condition(r, m.input("g"))))
}

func (m *module) styleEncoder([]string) {
	mels, out := m.channels("x")
	hidden := m.length("spectral.0.bias", 32)
	l := NewTimbreEncoder(m.b, TimbreConfig{Mels: mels, Hidden: hidden, Out: out})
	r := m.load()
	m.expect(0, r.Mean(l.Forward(r, m.input("x"))))
}

func (m *module) encoder([]string) {
	_, latent := m.channels("x")
	l := NewEncoder(m.b, EncoderConfig{
		Dim: m.length("block.0.conv.conv.bias", 8), Rates: []int{2, 5, 5, 6}, Latent: latent,
		LSTM: m.layers(`block\.5\.lstm\.weight_hh_l\d+`), Causal: true})
	m.expect(0, l.Forward(m.load(), m.input("x")))
}

func (m *module) decoder([]string) {
	latent, _ := m.channels("z")
	l := NewDecoder(m.b, DecoderConfig{
		Latent: latent, Dim: 96, Rates: []int{6, 5, 5, 2},
		LSTM: m.layers(`model\.1\.lstm\.weight_hh_l\d+`), Causal: true})
	m.expect(0, l.Forward(m.load(), m.input("z"), nil))
}
