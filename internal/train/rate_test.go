package train

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/teacher"
)

// atRate changes an experiment's sample rate and hop.
func atRate(c *config.Config, rate, hop int, strides []int) *config.Config {
	p := &c.Preprocess
	p.SampleRate, p.Spect.HopLength, p.Spect.WinLength = rate, hop, 4*hop
	p.FrameRate = c.FrameRate()
	c.Model.DAC.SampleRate, c.Model.DAC.EncoderRates = rate, strides
	reversed := make([]int, len(strides))
	for i, s := range strides {
		reversed[len(strides)-1-i] = s
	}
	c.Model.DAC.DecoderRates = reversed
	c.MaxLen = 12
	return c
}

// TestSampleRates: clips come at the codec's rate, and labels at its hop say what is
// heard there, whatever they are.
func TestSampleRates(t *testing.T) {
	for _, k := range []struct {
		rate, hop int
		strides   []int
	}{
		{24000, 300, []int{2, 5, 5, 6}},
		{16000, 200, []int{2, 4, 5, 5}},
		{22050, 256, []int{4, 4, 4, 4}},
		{48000, 480, []int{4, 5, 4, 6}},
	} {
		c := atRate(smallExperiment(t.TempDir()), k.rate, k.hop, k.strides)
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		r := &run{RunOptions: RunOptions{Config: c, Report: t.Logf, Progress: func(Progress) {}}, dir: RunDir(c), pool: parallel.New(2)}
		if err := r.prepareRanks(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.pool.Close)
		if err := r.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := r.newLabeler(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		grid := teacher.Grid{SampleRate: k.rate, Hop: k.hop}
		pitch := dsp.NewPitch(dsp.PitchConfig{SampleRate: k.rate, Hop: k.hop, Min: 50, Max: 600})
		for item, err := range r.set.Pass(t.Context(), r.set.Train[:2], 1, l.label) {
			if err != nil {
				t.Fatal(err)
			}
			want, err := audio.ReadFile(filepath.Join(c.Dataset, item.Clip.Path), k.rate)
			if err != nil {
				t.Fatal(err)
			}
			if len(item.Samples) != len(want) {
				t.Fatalf("%d Hz: %s has %d samples, want %d", k.rate, item.Clip.Path, len(item.Samples), len(want))
			}
			labels := item.Label.(teacher.Labels)
			if n := grid.Frames(len(item.Samples)); len(labels.F0) < n || len(labels.F0) > n+1 || len(labels.Phones) != len(labels.F0) {
				t.Errorf("%d Hz, hop %d: %d frames of pitch, %d of phones, want %d", k.rate, k.hop, len(labels.F0), len(labels.Phones), n)
			}
			voiced, near := 0, 0
			for i, f := range pitch.F0(item.Samples) {
				if f > 0 && labels.F0[min(i, len(labels.F0)-1)] > 0 {
					voiced++
					if math.Abs(math.Log2(float64(f/labels.F0[i]))) < 0.05 {
						near++
					}
				}
			}
			if voiced < len(labels.F0)/4 || near < voiced*9/10 {
				t.Errorf("%d Hz, hop %d: the pitch of %d of %d voiced frames is what is heard", k.rate, k.hop, near, voiced)
			}
		}
	}
}

// TestTrainsAtOtherRates: a codec and its redecoder of 16 kHz and hop 200 train,
// validate and resume.
func TestTrainsAtOtherRates(t *testing.T) {
	c := atRate(smallExperiment(t.TempDir()), 16000, 200, []int{2, 4, 5, 5})
	c.Loss.Conversion = 1
	for _, steps := range []int{2, 4} {
		if _, err := runSmall(t, c, steps, nil); err != nil {
			t.Fatal(err)
		}
	}
	redecoder := RedecoderFor(c)
	redecoder.LogDir, redecoder.Redecoder.WavenetEmbedDim, redecoder.Redecoder.WavenetLayers = t.TempDir(), 16, 3
	f := frozenOf(c, 7)
	o := RunOptions{Config: redecoder, Codec: f, Resume: ResumeAuto, Steps: 2, Threads: 2, Report: t.Logf, Progress: func(Progress) {}}
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}
