package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/weights"
)

// The tolerances of the golden README.
const (
	lossTolerance = 1e-3
	normTolerance = 1e-2
)

// TestGoldenTrainStep runs one whole training step at full size and compares
// every loss, the norms of the gradients, gradients and updated parameters with
// upstream's.
func TestGoldenTrainStep(t *testing.T) {
	if os.Getenv("FACODEC_HEAVY") == "" {
		t.Skip("takes a minute and 9 GB; FACODEC_HEAVY=1 runs it")
	}
	for _, path := range golden.Files(t, "train_step_*.npz") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".npz"), func(t *testing.T) { goldenStep(t, path) })
	}
}

func goldenStep(t *testing.T, path string) {
	g := golden.Load(t, path)
	text, err := os.ReadFile(strings.TrimSuffix(path, ".npz") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]float64
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	c := CodecTrainingConfigOf(config.Default())
	mask, _ := g.Ints("residual_mask")
	o := upstreamCodecOptions()
	o.Deterministic, o.Residual = true, make([]float32, len(mask))
	for i, m := range mask {
		o.Residual[i] = float32(m)
	}
	pool := parallel.New(0)
	defer pool.Close()
	trainer, err := NewCodecTrainer(c, synthetic(golden.Seed(t), c), o, pool)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	batch := goldenBatch(t, g, c)
	out := forwardOf(trainer, batch)
	wave, _ := g.F32("pred_wave")
	golden.Close(t, "output", out.Wave.ToBCT(), wave, lossTolerance)
	timbre, shape := g.F32("timbre")
	var got []float32
	for b := range shape[0] {
		for i := range shape[1] {
			got = append(got, out.Timbre.Row(b, 0)[i*out.Timbre.C/shape[1]])
		}
	}
	golden.Close(t, "timbre", got, timbre, lossTolerance)
	trainer.generatorRun.Reset()
	keepGradients(trainer.Trainer)
	losses, err := trainer.Step(batch)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		got, ok := losses[name]
		tolerance := lossTolerance
		if strings.HasPrefix(name, "grad_norm.") {
			tolerance = normTolerance
		}
		if !ok || !(math.Abs(got-value) <= tolerance*math.Abs(value)) {
			t.Errorf("%s: %v, want %v", name, got, value)
		}
	}
	for name := range losses {
		if _, ok := want[name]; !ok {
			t.Errorf("the golden step has no %s", name)
		}
	}
	for _, n := range trainer.Networks() {
		for _, p := range n.Params {
			for prefix, values := range map[string][]float32{"grad.": p.Grad, "after_step.": p.Value} {
				if g.Has(prefix + p.Name) {
					want, _ := g.F32(prefix + p.Name)
					golden.Close(t, prefix+p.Name, values[:min(64, len(values))], want, normTolerance)
				}
			}
		}
	}
	g.Done(nil)
}

// synthetic are weights by the golden recipe.
func synthetic(seed uint64, c model.CodecTrainingConfig) weights.Source {
	var specs []weights.Spec
	for _, n := range model.NewCodecTraining(c).Networks() {
		for _, p := range n.Params {
			specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
		}
	}
	return weights.NewRandom(seed, specs)
}

// goldenBatch makes the batch from whole utterances, whose pitch and phones the
// file has for the crops alone, and compares what is made with the file.
func goldenBatch(t *testing.T, g *golden.Case, c model.CodecTrainingConfig) *Batch {
	waves, shape := g.F32("full_waves")
	starts, _ := g.Ints("starts")
	f0, cropped := g.F32("f0")
	phones, _ := g.Ints("phones")
	speakers, _ := g.Ints("speaker")
	frames := cropped[1]
	f := NewCollator(c.Codec, true)
	var us []Utterance
	var from []int
	for b := range shape[0] {
		u := Utterance{Wave: waves[b*shape[1] : (b+1)*shape[1]], Speaker: int32(speakers[b])}
		u.F0, u.Phones = make([]float32, f.Frames(len(u.Wave))), make([]int32, f.Frames(len(u.Wave)))
		from = append(from, int(starts[b]))
		for i := range frames {
			u.F0[from[b]+i], u.Phones[from[b]+i] = f0[b*frames+i], int32(phones[b*frames+i])
		}
		us = append(us, u)
	}
	batch, err := f.Batch(us, from, frames)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]float32{"f0_target": batch.F0.ToBCT(), "energy_target": batch.Energy.ToBCT()} {
		want, _ := g.F32(name)
		golden.Close(t, name, got, want, 1e-4)
	}
	return batch
}
