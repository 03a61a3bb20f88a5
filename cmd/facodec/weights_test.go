package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/describe"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/weights"
)

// openFile opens a checkpoint and closes it in the end.
func openFile(t *testing.T, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sameTensors compares names, shapes, types and every value.
func sameTensors(t *testing.T, a, b *weights.File) {
	t.Helper()
	if !slices.Equal(a.Names(), b.Names()) || len(a.Names()) == 0 {
		t.Fatalf("%s has %q, %s has %q", a.Path(), a.Names(), b.Path(), b.Names())
	}
	for _, name := range a.Names() {
		x, _ := a.Lookup(name)
		y, _ := b.Lookup(name)
		xs, errX := x.Float64()
		ys, errY := y.Float64()
		if errX != nil || errY != nil || !slices.Equal(x.Shape, y.Shape) || !slices.Equal(xs, ys) {
			t.Errorf("%s: %v %v %v, %v %v %v", name, x.DType, x.Shape, errX, y.DType, y.Shape, errY)
		}
	}
}

// TestRandomWeights: the golden recipe, by the seed, and a redecoder's under the
// names that the recipe has for it.
func TestRandomWeights(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		config, seed, network string
		want                  func(name string, shape []int) []float32
	}{
		{"small.json", "0", "quantizer", func(name string, shape []int) []float32 { return weights.RandomValues(0, name, shape) }},
		{"small.json", "18446744073709551615", "decoder", func(name string, shape []int) []float32 { return weights.RandomValues(math.MaxUint64, name, shape) }},
		{"redecoder.json", "7", "decoder", func(name string, shape []int) []float32 { return weights.RandomValues(7, "redecoder."+name, shape) }},
	} {
		path := filepath.Join(dir, c.seed+".safetensors")
		succeed(t, "weights", "random", "--seed", c.seed, "--config", fixture(c.config), path)
		f := openFile(t, path)
		seen := false
		for _, name := range f.Names() {
			tensor, _ := f.Lookup(name)
			got, err := tensor.Float32()
			if err != nil || !slices.Equal(got, c.want(name, tensor.Shape)) {
				t.Fatalf("%s %s: not the recipe's (%v)", c.config, name, err)
			}
			seen = seen || strings.HasPrefix(name, c.network+".")
		}
		if !seen {
			t.Errorf("%s: no network %s among %q", c.config, c.network, f.Names())
		}
	}
}

// TestConvertThereAndBack: every tensor of a training checkpoint, its
// configuration and its step, through both formats; what runs on the result runs
// the same.
func TestConvertThereAndBack(t *testing.T) {
	dir := t.TempDir()
	training := filepath.Join(dir, "training.pth")
	arrays := weights.ArraysOf(openFile(t, fixture("small.pth")))
	counter := weights.Array{Name: "fa_predictors.bn.num_batches_tracked", DType: weights.I64, Values: func() ([]float32, error) { return []float32{12}, nil }}
	predictor := weights.Array{Name: "discriminator.mpd.weight", Shape: []int{2, 3}, Values: func() ([]float32, error) { return []float32{1, 2, 3, 4, 5, 6}, nil }}
	arrays = append(arrays, counter, predictor)
	err := weights.WriteTorch(training, arrays, weights.Layout{Values: map[string]any{"iters": int64(120000), "epoch": int64(7), "config": smallConfig, "name": "run", "loss": 1.5}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	st, pt := filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "b.PT")
	r := succeed(t, "weights", "convert", training, st)
	if !strings.Contains(r.stderr, "left out: [loss]") {
		t.Errorf("stderr: %s", r.stderr)
	}
	if r := succeed(t, "weights", "convert", "--quiet", st, pt); r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
	a, b, c := openFile(t, training), openFile(t, st), openFile(t, pt)
	sameTensors(t, a, b)
	sameTensors(t, b, c)
	if m := b.Metadata(); b.Format() != "safetensors" || m["iters"] != "120000" || m["epoch"] != "7" || m["name"] != "run" || !json.Valid([]byte(m["config"])) {
		t.Errorf("%s with %v", b.Format(), m)
	}
	if v := c.Values(); c.Format() != "PyTorch zip" || v["iters"] != int64(120000) || v["epoch"] != int64(7) || v["name"] != "run" || v["config"] != b.Metadata()["config"] {
		t.Errorf("%s with %v", c.Format(), v)
	}
	if n, _ := c.Lookup(counter.Name); n.DType != weights.I64 {
		t.Errorf("the counter became %v", n.DType)
	}
	out := t.TempDir()
	for i, path := range []string{training, st, pt} {
		succeed(t, "reconstruct", clip("en.flac"), "--checkpoint-path", path, "--output-dir", filepath.Join(out, string(rune('0'+i))))
	}
	want := read(t, filepath.Join(out, "0", "reconstructed_en.wav"))
	for _, i := range []string{"1", "2"} {
		if !bytes.Equal(want, read(t, filepath.Join(out, i, "reconstructed_en.wav"))) {
			t.Errorf("the converted checkpoint %s sounds otherwise", i)
		}
	}
}

// TestConvertPublished: the published form, without anything but networks, gets
// the configuration that lies beside it, and must fit it.
func TestConvertPublished(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "pytorch_model.bin"), filepath.Join(dir, "x.safetensors")
	write(t, in, bareCheckpoint(t))
	succeed(t, "weights", "convert", in, filepath.Join(dir, "bare.safetensors"))
	if m := openFile(t, filepath.Join(dir, "bare.safetensors")).Metadata(); m["config"] != "" {
		t.Errorf("a configuration from nowhere: %v", m)
	}
	wrong := filepath.Join(dir, "wrong.json")
	write(t, wrong, []byte(`{"model_params": {}}`))
	fail(t, "wrong shape", "weights", "convert", "--config", wrong, in, out)
	write(t, filepath.Join(dir, "config.yml"), []byte(smallConfig))
	succeed(t, "weights", "convert", in, out)
	if err := os.Remove(filepath.Join(dir, "config.yml")); err != nil {
		t.Fatal(err)
	}
	succeed(t, "reconstruct", clip("en.flac"), "--checkpoint-path", out, "--output-dir", dir)
	checkFiles(t, dir, "bare.safetensors", "pytorch_model.bin", "reconstructed_en.wav", "wrong.json", "x.safetensors")
}

// TestConvertGolden: real files of torch.save, with views, halves, doubles and
// state that is no tensor, and a flat one without networks.
func TestConvertGolden(t *testing.T) {
	golden := filepath.Join("..", "..", "testdata", "golden")
	for _, name := range []string{"checkpoint_zip.pth", "checkpoint_legacy.pth", "checkpoint_bare.bin"} {
		t.Run(name, func(t *testing.T) {
			st := filepath.Join(t.TempDir(), "a.safetensors")
			pt := filepath.Join(t.TempDir(), "b.pth")
			succeed(t, "weights", "convert", filepath.Join(golden, name), st)
			succeed(t, "weights", "convert", st, pt)
			a := openFile(t, st)
			sameTensors(t, a, openFile(t, pt))
			original := openFile(t, filepath.Join(golden, name))
			if !slices.Equal(a.Names(), original.Names()) {
				t.Errorf("%q became %q", original.Names(), a.Names())
			}
		})
	}
	dir := t.TempDir()
	var flat []weights.Array
	for _, p := range model.NewJDC().Params() {
		flat = append(flat, weights.Array{Name: strings.TrimPrefix(p.Name, "jdc."), Shape: p.Shape, Values: func() ([]float32, error) {
			return make([]float32, p.Len()), nil
		}})
	}
	slices.SortFunc(flat, func(a, b weights.Array) int { return strings.Compare(a.Name, b.Name) })
	in, st, pt := filepath.Join(dir, "bst.pt"), filepath.Join(dir, "bst.safetensors"), filepath.Join(dir, "again.pth")
	if err := weights.WriteTorch(in, flat, weights.Layout{Flat: true}, nil); err != nil {
		t.Fatal(err)
	}
	succeed(t, "weights", "convert", in, st)
	succeed(t, "weights", "convert", st, pt)
	sameTensors(t, openFile(t, in), openFile(t, pt))
	if !bytes.Equal(read(t, in), read(t, pt)) {
		t.Error("a flat file does not come back as it was")
	}
}

func TestWeightsErrors(t *testing.T) {
	dir := t.TempDir()
	in := fixture("small.pth")
	out := filepath.Join(dir, "x.safetensors")
	poison := filepath.Join(dir, "poisoned.pth")
	write(t, poison, poisoned(t))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"the file extension sets the format", []string{"convert", in, filepath.Join(dir, "x.onnx")}},
		{"the file extension sets the format", []string{"synthesize", dir}},
		{"no such file", []string{"convert", filepath.Join(dir, "missing.pth"), out}},
		{"posix.system", []string{"convert", poison, out}},
		{"no such file or directory", []string{"synthesize", "--config", fixture("small.json"), filepath.Join(dir, "missing", "x.pth")}},
		{"is a directory", []string{"synthesize", "--config", fixture("small.json"), folder(t, filepath.Join(dir, "folder.pth"))}},
		{"give a redecoder's", []string{"synthesize", "--redecoder", "--config", fixture("small.json"), out}},
		{"see facodec weights convert --help", []string{"convert", in}},
		{"see facodec weights random --help", []string{"synthesize", "--seed", "-1", out}},
	} {
		fail(t, c.want, append([]string{"weights"}, c.args...)...)
		absent(t, out)
	}
	fail(t, "is the input", "weights", "convert", "--force", fixture("small.pth"), filepath.Join(fixtures, ".", "small.pth"))
}

func folder(t *testing.T, path string) string {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWeightsKept: without --force what exists is kept if it is what would be written,
// and an error otherwise.
func TestWeightsKept(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.safetensors")
	write(t, out, []byte("old"))
	args := []string{"weights", "random", "--config", fixture("small.json"), "--json", out}
	fail(t, "x.safetensors: exists and is not what would be written; --force", args...)
	if string(read(t, out)) != "old" {
		t.Fatal("overwritten without --force")
	}
	for _, force := range []bool{true, false} {
		all := args
		if force {
			all = append(all, "--force")
		}
		r := succeed(t, all...)
		var report weightsReport
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
			t.Fatal(err)
		}
		if report.Kept == force || report.Output != out || report.Bytes != int64(len(read(t, out))) {
			t.Errorf("force %v: %+v", force, report)
		}
		if report.Tensors == 0 || report.Parameters < 1000 || report.Format != "safetensors" || !report.Config {
			t.Errorf("%+v", report)
		}
	}
	fail(t, "is not what would be written", append(args, "--seed", "7")...)
	onlyFile(t, out)
}

// onlyFile fails if there is another file or folder beside path.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside %s: %v, %v", path, entries, err)
	}
}

// TestInfo compares with what is known of the small codec.
func TestInfo(t *testing.T) {
	text := succeed(t, "info", fixture("small.pth")).stdout
	for _, want := range []string{"PyTorch zip checkpoint", "24000 Hz", "80 a second, 300 samples", "1 prosody, 2 content, 3 residual, of 50 entries with 5 values",
		"2.88 kbit/s", "40 values", "random weights (seed 0)", "quantizer", "runs"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	f := openFile(t, fixture("small.safetensors"))
	var sum int64
	for _, name := range f.Names() {
		tensor, _ := f.Lookup(name)
		sum += int64(tensor.Elements())
	}
	var d describe.Description
	for _, path := range []string{fixture("small.safetensors"), fixture("small.json")} {
		if err := json.Unmarshal([]byte(succeed(t, "info", "--json", path).stdout), &d); err != nil {
			t.Fatal(err)
		}
		if d.Parameters != sum || d.Tensors != len(f.Names()) || len(d.Networks) != 3 || d.Networks[1].Name != "quantizer" || !d.Networks[1].Inference ||
			d.Model.Bitrate != 2880 || d.Model.FrameRate != 80 || d.Model.LatentDim != 40 || d.Problem != "" {
			t.Errorf("%s: %+v %+v", path, d, d.Model)
		}
	}
	if want := []string{"loss_params.base_lr"}; !slices.Equal(d.Model.UnusedKeys, want) {
		t.Errorf("unused keys %q", d.Model.UnusedKeys)
	}
	list := succeed(t, "info", "--tensors", fixture("small.safetensors")).stdout
	for _, name := range f.Names() {
		if strings.Count(list, name+" ") != 1 {
			t.Errorf("%s is not listed once", name)
		}
	}
}

// TestInfoOfOthers: what is no codec's is described as far as can be told.
func TestInfoOfOthers(t *testing.T) {
	golden := filepath.Join("..", "..", "testdata", "golden", "checkpoint_zip.pth")
	if text := succeed(t, "info", golden).stdout; !strings.Contains(text, "configuration  none") {
		t.Errorf("info:\n%s", text)
	}
	if text := succeed(t, "info", fixture("redecoder.pth")).stdout; !strings.Contains(text, "with lookahead") || strings.Contains(text, "does not fit") {
		t.Errorf("info:\n%s", text)
	}
	if text := succeed(t, "info", "--config", fixture("small.json"), fixture("redecoder.pth")).stdout; !strings.Contains(text, "does not fit its configuration: ") {
		t.Errorf("info:\n%s", text)
	}
	dir := t.TempDir()
	poison, binary := filepath.Join(dir, "poisoned.pth"), filepath.Join(dir, "x.bin")
	write(t, poison, poisoned(t))
	write(t, binary, []byte{1, 2, 0, 4})
	fail(t, "posix.system", "info", poison)
	fail(t, "not a checkpoint", "info", binary)
	fail(t, "no such file", "info", filepath.Join(dir, "missing.pth"))
	fail(t, "is a folder with 2 checkpoints", "info", dir)
	fail(t, "want FILE", "info")
	write(t, binary, []byte("model_params:\n  latent: 3\n"))
	fail(t, "model_params.latent", "info", binary)
}
