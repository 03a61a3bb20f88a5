package model

import (
	"math"
	"strconv"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/tensor"
)

func (m *module) predictor(args []string) {
	dim := m.Shape("input.x")[1]
	shape := m.Shape("output.0")
	heads := m.layers(`heads\.\d+\.bias`)
	l := NewPredictor(m.b, dim, shape[len(shape)-1], heads, args[0] != "")
	r := m.load()
	for i, y := range l.Forward(r, m.input("x")) {
		// The originals' heads give [B, T, out], or [B, out].
		m.expectRows(i, y, []int{y.B, y.T, y.C})
	}
}

// expectRows compares a tensor with an output that has its channels last.
func (m *module) expectRows(i int, got tensor.Tensor, order []int) {
	m.Helper()
	name := "output." + strconv.Itoa(i)
	want, _ := m.F32(name)
	golden.Close(m.T, name, rows(got), want, m.tolerance)
	probe := m.run.Zeros(got.B, got.T, got.C)
	u := m.probe(i, len(want))
	for j := range got.B * got.T {
		copy(probe.Row(j/got.T, j%got.T), u[j*got.C:])
	}
	m.run.SeedGrad(got, probe)
}

// rows returns the values of x laid out [B, T, C].
func rows(x tensor.Tensor) []float32 {
	var v []float32
	for j := range x.B * x.T {
		v = append(v, x.Row(j/x.T, j%x.T)...)
	}
	return v
}

// periods has a score [B, 1, T, period], ours is [B·period, T, 1].
func (m *module) periods(args []string) {
	period := atoi(args[0], 0)
	var channels []int
	for i := range m.layers(`convs\.\d+\.0\.bias`) {
		channels = append(channels, m.length("convs."+strconv.Itoa(i)+".0.bias", []int{32, 128, 512, 1024, 1024}[i]))
	}
	l := NewPeriodDiscriminator(m.b, period, channels)
	r := m.load()
	score := l.Forward(r, r.Waveforms(m.input("x"))).Score
	want, shape := m.F32("output.0")
	u := m.probe(0, len(want))
	got, probe := make([]float32, len(want)), r.Zeros(score.B, score.T, 1)
	for b := range shape[0] {
		for t := range shape[2] {
			for p := range period {
				i := (b*shape[2]+t)*period + p
				got[i] = score.Row(b*period+p, t)[0]
				probe.Row(b*period+p, t)[0] = u[i]
			}
		}
	}
	golden.SameShape(m.T, "score", []int{score.B / period, 1, score.T, period}, shape)
	golden.Close(m.T, "score", got, want, m.tolerance)
	r.SeedGrad(score, probe)
}

// resolutions has a score [B, 1, frames, bins], ours is [B·frames, bins, 1].
func (m *module) resolutions(args []string) {
	l := NewResolutionDiscriminator(m.b, atoi(args[0], 0), m.length("band_convs.0.0.0.bias", 32))
	r := m.load()
	score := l.Forward(r, r.Waveforms(m.input("x"))).Score
	shape := m.Shape("output.0")
	golden.SameShape(m.T, "score", []int{score.B / shape[2], 1, shape[2], score.T}, shape)
	m.expectRows(0, score, nil)
}

func (m *module) spectralLoss(args []string) {
	r := m.load()
	x, target := r.Waveforms(m.input("pred")), r.Waveforms(m.input("target"))
	weight := float64(m.probe(0, 1)[0])
	loss := MelLoss
	if args[0] == "stft" {
		loss = STFTLoss
	}
	// The loss is symmetric, so that the target's gradient is that of the other way
	// round.
	want := []float64{m.Scalar("output.0")}
	golden.Close(m.T, "loss", []float64{loss(24000).Value(r, x, r.Detach(target), weight)}, want, m.tolerance)
	golden.Close(m.T, "loss", []float64{loss(24000).Value(r, target, r.Detach(x), weight)}, want, m.tolerance)
}

// focalLoss has logits [B, classes, T] and labels [B, T].
func (m *module) focalLoss([]string) {
	r := m.load()
	logits := m.input("logits")
	v, shape := m.Ints("target")
	labels := make([][]int32, shape[0])
	for i, label := range v {
		labels[i/shape[1]] = append(labels[i/shape[1]], int32(label))
	}
	got := r.Focal(logits, labels, math.NaN(), float64(m.probe(0, 1)[0]))
	golden.Close(m.T, "loss", []float64{got}, []float64{m.Scalar("output.0")}, m.tolerance)
}

// reversal is the gradient reversal of x, times 2.
func (m *module) reversal([]string) {
	r := m.load()
	y := r.ReverseGradient(m.input("x"), 1)
	m.expect(0, r.Scale(y, []float32{2, 2, 2}[:y.B]))
}
