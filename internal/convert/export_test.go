package convert_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/weights"
)

func sameTensors(t *testing.T, got, want string) {
	t.Helper()
	a, b := codectest.Open(t, got), codectest.Open(t, want)
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

// TestExport: of a training checkpoint only what runs is left, in both
// formats and of both kinds of models.
func TestExport(t *testing.T) {
	for _, config := range []string{codectest.Config, codectest.RedecoderConfig} {
		small := codectest.Checkpoint(t, "small.safetensors", config)
		training := codectest.TrainingCheckpoint(t, small)
		for _, ending := range []string{".safetensors", ".pth"} {
			output := filepath.Join(t.TempDir(), "out"+ending)
			r, err := convert.Export(context.Background(), training, output, convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sameTensors(t, output, small)
			if want := []string{"adamw", "discriminator", "fa_predictors", "train", "train_*"}; !slices.Equal(r.LeftOut, want) {
				t.Errorf("left out %q, want %q", r.LeftOut, want)
			}
			if f := codectest.Open(t, small); r.Tensors != len(f.Names()) || !r.Config {
				t.Errorf("report %+v", r)
			}
			f := codectest.Open(t, output)
			step, _ := checkpoint.Number(f, checkpoint.StepKey)
			epoch, _ := checkpoint.Number(f, checkpoint.EpochKey)
			mine, _ := checkpoint.Metadata(f, "note")
			_, state := checkpoint.Metadata(f, "train_state")
			if _, carried := checkpoint.Metadata(f, checkpoint.ConfigKey); step != 1200 || epoch != 3 || mine != "mine" || state || !carried {
				t.Errorf("%s: metadata %v %v", output, f.Metadata(), f.Values())
			}

			// In memory it is the same, and what is to be said of it stands in the output.
			data, err := os.ReadFile(training)
			if err != nil {
				t.Fatal(err)
			}
			memory := filepath.Join(t.TempDir(), "memory"+ending)
			if _, err := convert.Export(t.Context(), "a model", memory, convert.Options{Data: data, Metadata: map[string]string{checkpoint.NameKey: "x v1", checkpoint.EpochKey: ""}}); err != nil {
				t.Fatal(err)
			}
			sameTensors(t, memory, small)
			if name, _ := checkpoint.Metadata(codectest.Open(t, memory), checkpoint.NameKey); name != "x v1" {
				t.Errorf("%s is called %q", memory, name)
			}
			if epoch, ok := codectest.Open(t, memory).Metadata()[checkpoint.EpochKey]; ok {
				t.Errorf("%s: epoch %s", memory, epoch)
			}

			// What is small already is written as it is.
			again := filepath.Join(t.TempDir(), "again.safetensors")
			if r, err = convert.Export(context.Background(), output, again, convert.Options{}); err != nil || r.LeftOut != nil {
				t.Errorf("exported again: %+v, %v", r, err)
			}
			sameTensors(t, again, small)
		}
	}
}

// TestExportSoundsTheSame: training checkpoint and export are one codec.
func TestExportSoundsTheSame(t *testing.T) {
	training := codectest.TrainingCheckpoint(t, codectest.Checkpoint(t, "small.safetensors", codectest.Config))
	small := filepath.Join(t.TempDir(), "small.pth")
	if _, err := convert.Export(context.Background(), training, small, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	var waves [][]float32
	for _, path := range []string{training, small} {
		c, err := facodec.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		wave, err := c.Reconstruct(codectest.Vowel(5000, 24000))
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
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	arrays := append(weights.ArraysOf(codectest.Open(t, small)),
		weights.Array{Name: "discriminator.x", Shape: []int{1}, Values: func() ([]float32, error) { return []float32{1}, nil }})
	dir := t.TempDir()
	input, output := filepath.Join(dir, "FAcodec_00100.pth"), filepath.Join(dir, "out.safetensors")
	if err := weights.WriteTorch(input, arrays, weights.Layout{Values: map[string]any{"iters": int64(100), "epoch": int64(1), "loss": 0.5}}, nil); err != nil {
		t.Fatal(err)
	}
	// Without any configuration the networks are told by their names.
	r, err := convert.Export(context.Background(), input, output, convert.Options{})
	if err != nil || r.Config || !slices.Equal(r.LeftOut, []string{"discriminator", "loss"}) {
		t.Errorf("report %+v, %v", r, err)
	}
	sameTensors(t, output, small)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(codectest.Config), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err = convert.Export(context.Background(), input, output, convert.Options{}); err != nil || !r.Config {
		t.Errorf("report %+v, %v", r, err)
	}
	c, err := facodec.Open(output)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestExportErrors(t *testing.T) {
	dir := t.TempDir()
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	training := codectest.TrainingCheckpoint(t, small)
	file := func(name string, arrays []weights.Array, notes map[string]string) string {
		path := filepath.Join(dir, name)
		if err := weights.WriteSafetensors(path, arrays, notes, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	arrays := weights.ArraysOf(codectest.Open(t, small))
	half := arrays[:len(arrays)/2]
	for input, c := range map[string]struct {
		output string
		want   string
		is     error
	}{
		training:                          {training, "is the input", nil},
		filepath.Join(dir, "missing.pth"): {"out.pth", "no such file", nil},
		small:                             {"out.zip", "the file extension sets the format", nil},
		file("half.safetensors", half, codectest.Open(t, small).Metadata()): {"out.pth", "half.safetensors: ", facodec.ErrTensors},
		file("bare.safetensors", half, nil):                                 {"out.pth", "give one", facodec.ErrNoConfig},
	} {
		output := c.output
		if output != input {
			output = filepath.Join(dir, output)
		}
		_, err := convert.Export(context.Background(), input, output, convert.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: error %v, want %q", input, err, c.want)
		}
		if _, err := os.Stat(output); output != input && err == nil {
			t.Errorf("%s: an output was written", input)
		}
	}
}

// TestExportDType: 16 bits for filters and matrices, float32 for codebooks and vectors,
// in both formats; the values are the nearest, and it is another codec that opens.
func TestExportDType(t *testing.T) {
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	original := codectest.Open(t, small)
	quantizer := func(path string) facodec.Fingerprint {
		c, err := facodec.Open(path, facodec.WithThreads(1))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		q, _, err := c.Fingerprints()
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	seen := map[facodec.Fingerprint]string{quantizer(small): "float32"}
	for _, c := range []struct {
		dtype     weights.DType
		precision float64 // of a rounded value, relative
		floor     float64 // of the smallest steps
	}{{weights.F16, 0x1p-11, 0x1p-25}, {weights.BF16, 0x1p-8, 0}} {
		var first facodec.Fingerprint
		for _, ending := range []string{".safetensors", ".pth"} {
			output := filepath.Join(t.TempDir(), "out"+ending)
			if _, err := convert.Export(t.Context(), small, output, convert.Options{DType: c.dtype}); err != nil {
				t.Fatal(err)
			}
			narrow := 0
			f := codectest.Open(t, output)
			for _, name := range f.Names() {
				x, _ := f.Lookup(name)
				y, _ := original.Lookup(name)
				if stays := strings.Contains(name, "codebook") || strings.Contains(name, "bias") || strings.HasSuffix(name, "weight_g") || strings.HasSuffix(name, "alpha"); stays != (x.DType == weights.F32) {
					t.Errorf("%s: %s is %s", output, name, x.DType)
				}
				if x.DType == c.dtype {
					narrow++
				}
				xs, errX := x.Float32()
				ys, errY := y.Float32()
				if errX != nil || errY != nil || len(xs) != len(ys) {
					t.Fatal(name, errX, errY)
				}
				for i := range xs {
					if d := math.Abs(float64(xs[i]) - float64(ys[i])); d > c.precision*math.Abs(float64(ys[i]))+c.floor {
						t.Fatalf("%s: %s: %g became %g", output, name, ys[i], xs[i])
					}
				}
			}
			if narrow < 20 {
				t.Errorf("%s: %d tensors of %s", output, narrow, c.dtype)
			}
			q := quantizer(output)
			if ending == ".safetensors" {
				first = q
			}
			if other, taken := seen[q]; taken || q != first {
				t.Errorf("%s has the fingerprint of %s, or another than in the other format", output, other)
			}
		}
		seen[first] = c.dtype.String()
	}
}

// TestExportInt8: large matrices in 8 bits with scales for their rows, small ones in 16, the
// rest in float32; it opens, it counts the same parameters, and it may be exported again. A
// PyTorch file has no place for scales.
func TestExportInt8(t *testing.T) {
	in := codectest.Checkpoint(t, "in.safetensors", strings.Replace(codectest.Config, `"timbre_hidden_dim": 16`, `"timbre_hidden_dim": 96`, 1))
	original := codectest.Open(t, in)
	dir := t.TempDir()
	output, again := filepath.Join(dir, "out.safetensors"), filepath.Join(dir, "again.pth")
	r, err := convert.Export(t.Context(), in, output, convert.Options{DType: weights.I8})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := convert.Export(t.Context(), output, again, convert.Options{})
	if err != nil || plain.Parameters != r.Parameters || plain.Tensors != r.Tensors {
		t.Errorf("%+v, then %+v, %v", r, plain, err)
	}
	same := filepath.Join(dir, "same.safetensors")
	if _, err := convert.Export(t.Context(), output, same, convert.Options{DType: weights.I8}); err != nil {
		t.Fatal(err)
	}
	once, errOnce := os.ReadFile(output)
	twice, errTwice := os.ReadFile(same)
	if errOnce != nil || errTwice != nil || !bytes.Equal(once, twice) {
		t.Error("exported twice, the file is another", errOnce, errTwice)
	}
	types := map[weights.DType]int{}
	f, back := codectest.Open(t, output), codectest.Open(t, again)
	for _, name := range f.Names() {
		x, _ := f.Lookup(name)
		y, _ := original.Lookup(name)
		z, _ := back.Lookup(name)
		types[x.DType]++
		if large := y.Elements() >= 1<<16 && !strings.Contains(name, "codebook"); large != (x.DType == weights.I8) {
			t.Errorf("%s of %v is %s", name, y.Shape, x.DType)
		}
		xs, errX := x.Float32()
		ys, errY := y.Float32()
		zs, errZ := z.Float32()
		if errX != nil || errY != nil || errZ != nil || len(xs) != len(ys) || !slices.Equal(xs, zs) {
			t.Fatal(name, errX, errY, errZ)
		}
		largest := 0.0
		for _, v := range ys {
			largest = max(largest, math.Abs(float64(v)))
		}
		for i, v := range ys {
			if d := math.Abs(float64(xs[i] - v)); d > largest/250 {
				t.Fatalf("%s: %g became %g", name, v, xs[i])
			}
		}
	}
	if types[weights.I8] < 2 || types[weights.F16] < 3 || types[weights.F32] < 3 {
		t.Error(types)
	}
	if _, err := facodec.Open(output, facodec.WithThreads(1)); err != nil {
		t.Error(err)
	}
	torch := filepath.Join(dir, "out.pth")
	if _, err := convert.Export(t.Context(), in, torch, convert.Options{DType: weights.I8}); err == nil || !strings.Contains(err.Error(), ".safetensors") {
		t.Error(err)
	}
	if _, err := os.Stat(torch); err == nil {
		t.Error("a file was written")
	}
}

// TestExportPaths: what an experiment knows of the machine that it was run on is not
// given away.
func TestExportPaths(t *testing.T) {
	small := codectest.Checkpoint(t, "small.safetensors", `{"exp_name": "mine", "log_dir": "/home/me/runs", "dataset": "/home/me/speech", "augment": {"voice": 0.5, "parallel": "/home/me/voices"}, "pretrained_model": "/home/me/a.pth",`+codectest.Config[1:])
	output := filepath.Join(t.TempDir(), "out.safetensors")
	if _, err := convert.Export(t.Context(), small, output, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	config := codectest.Open(t, output).Metadata()[checkpoint.ConfigKey]
	if strings.Contains(config, "/home/me") || !strings.Contains(config, `"exp_name":"mine"`) {
		t.Errorf("configuration %s", config)
	}
}
