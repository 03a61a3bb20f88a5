package teacher

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// networkArrays are the tensors of upstream's file with made-up values, but
// for a last layer that gives frequencies as speech has them, some below 5 Hz.
func networkArrays(t *testing.T) []weights.Array {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(golden.Dir(t), "state_dict_jdc.json"))
	if err != nil {
		t.Fatal(err)
	}
	var shapes map[string][]int
	if err := json.Unmarshal(data, &shapes); err != nil {
		t.Fatal(err)
	}
	var arrays []weights.Array
	for key, shape := range shapes {
		a := weights.Array{Name: key, Shape: shape, Values: func() ([]float32, error) {
			v := weights.RandomValues(golden.Seed(t), "jdc."+key, shape)
			if key == "classifier.weight" {
				for i := range v {
					v[i] *= 100
				}
			}
			return v, nil
		}}
		if strings.HasSuffix(key, "num_batches_tracked") {
			a.DType = weights.I64
		}
		arrays = append(arrays, a)
	}
	slices.SortFunc(arrays, func(a, b weights.Array) int { return strings.Compare(a.Name, b.Name) })
	return arrays
}

// add changes the last value of an array.
func add(t *testing.T, arrays []weights.Array, key string, value float32) []weights.Array {
	t.Helper()
	arrays = slices.Clone(arrays)
	i := slices.IndexFunc(arrays, func(a weights.Array) bool { return a.Name == key })
	values := arrays[i].Values
	arrays[i].Values = func() ([]float32, error) {
		v, err := values()
		v[len(v)-1] += value
		return v, err
	}
	return arrays
}

func without(arrays []weights.Array, part string) []weights.Array {
	return slices.DeleteFunc(slices.Clone(arrays), func(a weights.Array) bool { return strings.Contains(a.Name, part) })
}

// writeNetwork writes a file like upstream's bst.t7.
func writeNetwork(t *testing.T, arrays []weights.Array) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bst.t7")
	if err := weights.WriteTorch(path, arrays, weights.Layout{Flat: true}, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func openPitch(t *testing.T, path string) Pitch {
	t.Helper()
	p, err := OpenPitch(path, func(text string) { t.Errorf("told %q", text) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// networkSays runs the network of a file on samples that have a peak of 1.
func networkSays(t *testing.T, path string, samples []float32) []float32 {
	t.Helper()
	file, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pool, net, region := parallel.New(2), model.NewJDC(), &tensor.Region{}
	defer pool.Close()
	defer region.Free()
	if err := net.Load(file, region, pool); err != nil {
		t.Fatal(err)
	}
	mel := tensor.New(1, Frames(len(samples)), 80)
	at := 0
	dsp.NewMel(dsp.MelConfig{FFT: 2048, Window: 1200, Hop: 300, Mels: 80, FilterRate: 16000}).Stream().Push(samples, true, func(row []float32) {
		copy(mel.Row(0, at), row)
		at++
	})
	return net.Forward(op.NewRun(pool), mel)
}

// speech returns part of a recording, with a peak of 1.
func speech(t *testing.T, seconds float64) []float32 {
	t.Helper()
	x := slices.Clone(people(t)[0].samples)
	x = x[:min(len(x), int(seconds*sampleRate)+7)]
	peak := max(slices.Max(x), -slices.Min(x))
	for i := range x {
		x[i] /= peak
	}
	return x
}

func TestPitchNetwork(t *testing.T) {
	path := writeNetwork(t, networkArrays(t))
	p := openPitch(t, path)
	x := speech(t, 1.5)
	want := networkSays(t, path, x)
	silent := 0
	for i, v := range want {
		if v <= 5 {
			want[i] = 0
			silent++
		}
	}
	if silent == 0 || silent == len(want) {
		t.Fatalf("%d of %d frames without a voice", silent, len(want))
	}
	golden.Equal(t, "f0", p.Pitch(&Utterance{Samples: x}), want)

	quiet := slices.Clone(x)
	for i := range quiet {
		quiet[i] /= 1024
	}
	var wg sync.WaitGroup
	for range 3 { // as training does
		wg.Go(func() { golden.Equal(t, "f0 of the same, quiet", p.Pitch(&Utterance{Samples: quiet}), want) })
	}
	wg.Wait()

	odd, even := slices.Clone(x[:5000]), slices.Clone(x[:5000])
	for i, v := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		odd[1000+i], even[1000+i] = v, 0
	}
	golden.Equal(t, "f0 of what is no number", p.Pitch(&Utterance{Samples: odd}), p.Pitch(&Utterance{Samples: even}))
	for _, n := range []int{0, 1, 300, 301} {
		f0 := p.Pitch(&Utterance{Samples: x[2000 : 2000+n]})
		if len(f0) != Frames(n) || !frequencies(convert(f0, math.Float32bits)) {
			t.Errorf("%d samples: %v", n, f0)
		}
	}
	golden.Equal(t, "f0 of silence", p.Pitch(&Utterance{Samples: make([]float32, 900)}), make([]float32, 3))
}

func TestFrequency(t *testing.T) {
	inf := float32(math.Inf(1))
	for v, want := range map[float32]float32{0: 0, 4: 0, 5: 0, 5.0625: 5.0625, 200: 200, math.MaxFloat32: math.MaxFloat32, inf: 0} {
		if got := frequency(v); got != want {
			t.Errorf("%v Hz as %v", v, got)
		}
	}
	if got := frequency(inf - inf); got != 0 {
		t.Errorf("what is no number as %v", got)
	}
}

func TestPitchFingerprints(t *testing.T) {
	arrays := networkArrays(t)
	p := openPitch(t, writeNetwork(t, arrays))
	for _, key := range []string{"conv_block.0.weight", "res_block3.conv.1.running_var", "bilstm_classifier.bias_hh_l0_reverse", "classifier.bias"} {
		if q := openPitch(t, writeNetwork(t, add(t, arrays, key, 1))); q.Fingerprint() == p.Fingerprint() {
			t.Errorf("other %s, the same fingerprint", key)
		}
	}
	other := filepath.Join(t.TempDir(), "jdc.safetensors")
	if err := weights.WriteSafetensors(other, add(t, arrays, "detector.bias", 1), nil, nil); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"the same in another file":   other,
		"without what takes no part": writeNetwork(t, without(without(arrays, "detector"), "num_batches")),
	} {
		if q := openPitch(t, path); q.Fingerprint() != p.Fingerprint() {
			t.Errorf("%s: another fingerprint", what)
		}
	}
	b := openPitch(t, "")
	if b.Fingerprint() == p.Fingerprint() || b.Fingerprint() != openPitch(t, "").Fingerprint() {
		t.Error("the tracker's fingerprint is not its own")
	}
	if a := (&tracker{dsp.NewPitch(dsp.PitchConfig{SampleRate: 24000, Hop: 300, Min: 50, Max: 500})}); a.Fingerprint() == b.Fingerprint() {
		t.Error("another range, the same fingerprint")
	}
}

func TestPitchMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "JDC", "bst.t7")
	var told []string
	p, err := OpenPitch(path, func(text string) { told = append(told, text) })
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || !strings.Contains(told[0], path) || !strings.Contains(told[0], "built-in pitch tracker") {
		t.Errorf("told %q", told)
	}
	x := speech(t, 1)
	golden.Equal(t, "f0", p.Pitch(&Utterance{Samples: x}), dsp.NewPitch(dsp.StandardPitch).F0(x))
	if q, err := OpenPitch(path, nil); err != nil || q.Fingerprint() != p.Fingerprint() || q.Fingerprint() != openPitch(t, "").Fingerprint() {
		t.Errorf("without anybody to tell: %v", err)
	}
}

func TestPitchUnreadable(t *testing.T) {
	arrays := networkArrays(t)
	whole, err := os.ReadFile(writeNetwork(t, arrays))
	if err != nil {
		t.Fatal(err)
	}
	bytes := func(b []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "bst.t7")
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	tensors := func(arrays []weights.Array) func(*testing.T) string {
		return func(t *testing.T) string { return writeNetwork(t, arrays) }
	}
	wide := slices.Clone(without(arrays, "classifier.weight"))
	wide = append(wide, weights.Array{Name: "classifier.weight", Shape: []int{2, 256}, Values: func() ([]float32, error) { return make([]float32, 512), nil }})
	for name, c := range map[string]struct {
		make  func(*testing.T) string
		fault string
	}{
		"empty":      {bytes(nil), "empty"},
		"text":       {bytes([]byte("pitch")), "not a checkpoint"},
		"half":       {bytes(whole[:len(whole)/2]), ""},
		"no end":     {bytes(whole[:len(whole)-30]), ""},
		"folder":     {func(t *testing.T) string { return t.TempDir() }, "folder"},
		"incomplete": {tensors(without(arrays, "res_block2.conv1by1")), "missing: jdc.res_block2.conv1by1.weight"},
		"shape":      {tensors(wide), "jdc.classifier.weight is [2 256]"},
		"other":      {tensors([]weights.Array{{Name: "encoder.weight", Shape: []int{1}, Values: func() ([]float32, error) { return []float32{1}, nil }}}), "not a pitch network"},
		"NaN":        {tensors(add(t, arrays, "conv_block.1.bias", float32(math.NaN()))), "conv_block.1.bias"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.make(t)
			_, err := OpenPitch(path, func(text string) { t.Errorf("told %q", text) })
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); strings.Count(text, path) != 1 || !strings.Contains(text, c.fault) || strings.Contains(text, "\n") {
				t.Error(text)
			}
		})
	}
}

// TestTrackerVersion: kept labels are those of a tracker that gives these values.
// Who changes them raises trackerVersion.
func TestTrackerVersion(t *testing.T) {
	const version, voiced, sum = 2, 2597, 19756.788335
	n, got := 0, 0.0
	p := newTracker()
	for _, c := range people(t)[:10] {
		for _, f := range p.Pitch(&Utterance{Samples: c.samples}) {
			if f > 0 {
				n++
				got += math.Log2(float64(f))
			}
		}
	}
	if trackerVersion != version || n != voiced || math.Abs(got-sum) > 1e-6*sum {
		t.Errorf("version %d: %d voiced frames, log2 of their pitch sums to %.6f; version %d: %d, %.6f", trackerVersion, n, got, version, voiced, sum)
	}
}
