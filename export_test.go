package facodec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/weights"
)

// trainingCheckpoint writes a checkpoint as training does around the networks of
// another one.
func trainingCheckpoint(t *testing.T, networks string) string {
	t.Helper()
	f := opened(t, networks)
	var arrays []weights.Array
	add := func(name string, shape []int, values []float32) {
		arrays = append(arrays, weights.Array{Name: name, Shape: shape, Values: func() ([]float32, error) { return values, nil }})
	}
	for _, name := range f.Names() {
		tensor, _ := f.Lookup(name)
		values, err := tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		add(name, tensor.Shape, values)
		for _, prefix := range []string{"train.", "adamw.m.", "adamw.v."} {
			add(prefix+name, tensor.Shape, make([]float32, len(values)))
		}
	}
	for _, name := range []string{"fa_predictors.f0.weight", "discriminator.mpd.bias"} {
		for _, prefix := range []string{"", "adamw.m.", "adamw.v."} {
			add(prefix+name, []int{2}, []float32{1, 2})
		}
	}
	notes := map[string]string{
		"config": f.Metadata()["config"], "iters": "1200", "epoch": "3",
		"train_state": "{}", "train_position": `{"epoch":3}`, "note": "mine",
	}
	path := filepath.Join(t.TempDir(), "training.safetensors")
	if err := weights.WriteSafetensors(path, arrays, notes, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t *testing.T, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sameTensors compares names and values.
func sameTensors(t *testing.T, got, want string) {
	t.Helper()
	a, b := opened(t, got), opened(t, want)
	if !slices.Equal(a.Names(), b.Names()) || len(a.Names()) == 0 {
		t.Fatalf("%s holds %q, want %q", got, a.Names(), b.Names())
	}
	for _, name := range a.Names() {
		x, _ := a.Lookup(name)
		y, _ := b.Lookup(name)
		xs, errX := x.Float32()
		ys, errY := y.Float32()
		if errX != nil || errY != nil || !slices.Equal(x.Shape, y.Shape) || !slices.Equal(xs, ys) {
			t.Errorf("%s: %s is %v %v, want %v %v", got, name, x.Shape, errX, y.Shape, errY)
		}
	}
}

// TestExportWeights: of a training checkpoint only what runs is left, in both
// formats and of both kinds of models.
func TestExportWeights(t *testing.T) {
	for kind, config := range map[string]string{"codec": smallConfig, "redecoder": smallRedecoder} {
		small := smallCheckpoint(t, "small.safetensors", config, kind == "redecoder")
		training := trainingCheckpoint(t, small)
		for _, ending := range []string{".safetensors", ".pth"} {
			output := filepath.Join(t.TempDir(), "out"+ending)
			r, err := ExportWeights(context.Background(), training, output, WeightsOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sameTensors(t, output, small)
			if want := []string{"adamw", "discriminator", "fa_predictors", "train", "train_*"}; !slices.Equal(r.LeftOut, want) {
				t.Errorf("left out %q, want %q", r.LeftOut, want)
			}
			if f := opened(t, small); r.Tensors != len(f.Names()) || !r.Config {
				t.Errorf("report %+v", r)
			}
			f := opened(t, output)
			step, _ := number(f, stepKey)
			epoch, _ := number(f, epochKey)
			mine, _ := checkpoint.Note(f, "note")
			_, state := checkpoint.Note(f, "train_state")
			if _, carried := checkpoint.Note(f, checkpoint.ConfigKey); step != 1200 || epoch != 3 || mine != "mine" || state || !carried {
				t.Errorf("%s: notes %v %v", output, f.Metadata(), f.Values())
			}

			// What is small already is written as it is.
			again := filepath.Join(t.TempDir(), "again.safetensors")
			if r, err = ExportWeights(context.Background(), output, again, WeightsOptions{}); err != nil || r.LeftOut != nil {
				t.Errorf("exported again: %+v, %v", r, err)
			}
			sameTensors(t, again, small)
		}
	}
}

// TestExportSoundsTheSame: training checkpoint and export are one codec.
func TestExportSoundsTheSame(t *testing.T) {
	training := trainingCheckpoint(t, smallCheckpoint(t, "small.safetensors", smallConfig, false))
	small := filepath.Join(t.TempDir(), "small.pth")
	if _, err := ExportWeights(context.Background(), training, small, WeightsOptions{}); err != nil {
		t.Fatal(err)
	}
	var waves [][]float32
	for _, path := range []string{training, small} {
		c, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		wave, err := c.Reconstruct(vowel(5000, 24000))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		waves = append(waves, wave)
	}
	if !slices.Equal(waves[0], waves[1]) {
		t.Error("the export sounds otherwise")
	}
}

// TestExportOriginals: a training checkpoint as the originals write it, its
// configuration beside it.
func TestExportOriginals(t *testing.T) {
	small := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	arrays := append(weights.ArraysOf(opened(t, small)),
		weights.Array{Name: "discriminator.x", Shape: []int{1}, Values: func() ([]float32, error) { return []float32{1}, nil }})
	dir := t.TempDir()
	input, output := filepath.Join(dir, "FAcodec_00100.pth"), filepath.Join(dir, "out.safetensors")
	if err := weights.WriteTorch(input, arrays, weights.Layout{Values: map[string]any{"iters": int64(100), "epoch": int64(1), "loss": 0.5}}, nil); err != nil {
		t.Fatal(err)
	}
	// Without any configuration the networks are told by their names.
	r, err := ExportWeights(context.Background(), input, output, WeightsOptions{})
	if err != nil || r.Config || !slices.Equal(r.LeftOut, []string{"discriminator", "loss"}) {
		t.Errorf("report %+v, %v", r, err)
	}
	sameTensors(t, output, small)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(smallConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err = ExportWeights(context.Background(), input, output, WeightsOptions{}); err != nil || !r.Config {
		t.Errorf("report %+v, %v", r, err)
	}
	c, err := Open(output)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestExportErrors(t *testing.T) {
	dir := t.TempDir()
	small := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	training := trainingCheckpoint(t, small)
	file := func(name string, arrays []weights.Array, notes map[string]string) string {
		path := filepath.Join(dir, name)
		if err := weights.WriteSafetensors(path, arrays, notes, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	arrays := weights.ArraysOf(opened(t, small))
	half := arrays[:len(arrays)/2]
	for input, c := range map[string]struct {
		output string
		want   string
		is     error
	}{
		training:                          {training, "is the input", nil},
		filepath.Join(dir, "missing.pth"): {"out.pth", "no such file", nil},
		small:                             {"out.zip", "the ending says the format", nil},
		file("half.safetensors", half, opened(t, small).Metadata()): {"out.pth", "half.safetensors: ", ErrTensors},
		file("bare.safetensors", half, nil):                         {"out.pth", "give one with --config", ErrNoConfig},
	} {
		output := c.output
		if output != input {
			output = filepath.Join(dir, output)
		}
		_, err := ExportWeights(context.Background(), input, output, WeightsOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: error %v, want %q", input, err, c.want)
		}
		if _, err := os.Stat(output); output != input && err == nil {
			t.Errorf("%s: an output was written", input)
		}
	}
}

// TestDescribeTraining: networks are one thing, the state of a run another.
func TestDescribeTraining(t *testing.T) {
	small := smallCheckpoint(t, "small.safetensors", smallConfig, false)
	d, err := Describe(trainingCheckpoint(t, small))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Describe(small)
	if err != nil {
		t.Fatal(err)
	}
	names := func(networks []NetworkDescription) (names []string) {
		for _, n := range networks {
			names = append(names, n.Name)
		}
		return names
	}
	if got := names(d.Networks); !slices.Equal(got, []string{"encoder", "quantizer", "decoder", "discriminator", "fa_predictors"}) {
		t.Errorf("networks %q", got)
	}
	if d.Parameters != want.Parameters+4 || d.Tensors != want.Tensors+2 || d.Problem != "" || d.Step == nil || *d.Step != 1200 {
		t.Errorf("%d parameters in %d tensors, step %v, %q", d.Parameters, d.Tensors, d.Step, d.Problem)
	}
	if got := names(d.State); !slices.Equal(got, []string{"adamw", "train"}) || d.State[0].Parameters != 2*want.Parameters+8 || d.State[1].Parameters != want.Parameters {
		t.Errorf("state %+v", d.State)
	}
	if want.State != nil {
		t.Errorf("a small checkpoint has the state %+v", want.State)
	}
}
