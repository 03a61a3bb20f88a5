package model

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// poolStep is which channels the golden files hold of the pooled image.
const poolStep = 16

// jdcShapes returns the keys of the original's state dict with their shapes.
func jdcShapes(t testing.TB) map[string][]int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(golden.Dir(t), "state_dict_jdc.json"))
	if err != nil {
		t.Fatal(err)
	}
	var shapes map[string][]int
	if err := json.Unmarshal(data, &shapes); err != nil {
		t.Fatal(err)
	}
	return shapes
}

// jdcSource makes weights by the golden recipe under the keys of a file.
func jdcSource(seed uint64, shapes map[string][]int) weights.Source {
	return weights.NewGenerated(shapes, func(key string) []float32 {
		return weights.RandomValues(seed, jdcName+"."+key, shapes[key])
	})
}

func loadJDC(t testing.TB, pool *parallel.Pool) *JDC {
	t.Helper()
	l, region := NewJDC(), &tensor.Region{}
	t.Cleanup(region.Free)
	if err := l.Load(jdcSource(golden.Seed(t), jdcShapes(t)), region, pool); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestGoldenJDC compares the pitch network with the original.
func TestGoldenJDC(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	l := loadJDC(t, pool)
	for _, path := range golden.Files(t, "jdc*.npz") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := golden.Load(t, path)
			v, shape := g.F32("mel")
			mel := tensor.FromBCT(v, 1, shape[0], shape[1])
			r := op.NewRun(pool)

			want, shape := g.F32("pool")
			x := l.features(r, mel)
			golden.SameShape(t, "pool", []int{jdcChannels / poolStep, x.T, jdcPooled}, shape)
			var got []float32
			for c := 0; c < jdcChannels; c += poolStep {
				for i := range x.T {
					got = append(got, x.Row(0, i)[c*jdcPooled:][:jdcPooled]...)
				}
			}
			golden.Close(t, "pool", got, want, waveTolerance)
			t.Logf("pool: relative RMS error %.2g", golden.RelRMS(got, want))

			want, _ = g.F32("f0")
			f0 := l.Forward(r, mel)
			golden.Close(t, "f0", f0, want, waveTolerance)
			t.Logf("f0: relative RMS error %.2g", golden.RelRMS(f0, want))
			g.Done(nil)
		})
	}
}

// TestGoldenJDCKeys: the original's keys are what a file must have, but for those
// that take no part.
func TestGoldenJDCKeys(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	load := func(change func(shapes map[string][]int)) error {
		shapes := maps.Clone(jdcShapes(t))
		change(shapes)
		region := &tensor.Region{}
		defer region.Free()
		return NewJDC().Load(jdcSource(0, shapes), region, pool)
	}
	if err := load(func(shapes map[string][]int) {
		maps.DeleteFunc(shapes, func(key string, _ []int) bool {
			return strings.Contains(key, "detector") || strings.HasSuffix(key, "num_batches_tracked")
		})
	}); err != nil {
		t.Errorf("without what takes no part: %v", err)
	}
	l := NewJDC()
	for _, p := range l.Params() {
		key := strings.TrimPrefix(p.Name, jdcName+".")
		if !slices.Equal(jdcShapes(t)[key], p.Shape) {
			t.Errorf("%s is %v, want %v", key, p.Shape, jdcShapes(t)[key])
		}
		err := load(func(shapes map[string][]int) { delete(shapes, key) })
		if !errors.Is(err, nn.ErrTensors) || !strings.Contains(err.Error(), key) {
			t.Errorf("without %s: %v", key, err)
		}
	}
	for fault, change := range map[string]func(shapes map[string][]int){
		"jdc.classifier.weight is [722 512] and should be [1 512]": func(s map[string][]int) { s["classifier.weight"] = []int{722, 512} },
		"jdc.third_block.weight":                                   func(s map[string][]int) { s["third_block.weight"] = []int{3} },
		"not a pitch network":                                      func(s map[string][]int) { clear(s); s["encoder.block.0.alpha"] = []int{1, 64, 1} },
	} {
		if err := load(change); !errors.Is(err, nn.ErrTensors) || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v, want %q", err, fault)
		}
	}
}

// TestJDCValues: weights that nobody can compute with are refused.
func TestJDCValues(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	shapes := jdcShapes(t)
	for key, value := range map[string]float64{
		"res_block2.conv.3.weight": math.NaN(), "classifier.bias": math.Inf(-1), "pool_block.0.running_var": -1,
	} {
		src := weights.NewGenerated(shapes, func(name string) []float32 {
			v := weights.RandomValues(0, jdcName+"."+name, shapes[name])
			if name == key {
				v[len(v)-1] = float32(value)
			}
			return v
		})
		region := &tensor.Region{}
		if err := NewJDC().Load(src, region, pool); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s of %v: %v", key, value, err)
		}
		region.Free()
	}
}

// noise is a log-mel of values that are not of any speech.
func noise(frames int) tensor.Tensor {
	x := tensor.New(1, frames, JDCMel.Mels)
	u := weights.Uniform(0, "noise", frames*x.C)
	for t := range frames {
		for i, v := range u[t*x.C : (t+1)*x.C] {
			x.Row(0, t)[i] = float32(v)
		}
	}
	return x
}

// TestJDCBlocks: every number of frames from one on works, and neither the blocks
// that the convolutions are computed in nor the threads change a bit.
func TestJDCBlocks(t *testing.T) {
	one, two := parallel.New(1), parallel.New(3)
	defer one.Close()
	defer two.Close()
	l := loadJDC(t, two)
	for _, frames := range []int{1, 2, jdcBlock + 1, jdcBlock + 2*jdcContext} {
		mel := noise(frames)
		a, b := op.NewRun(one), op.NewRun(two)
		whole := l.convolutions(a, image(a, mel)) // [frames, 2, 256]
		features := l.features(b, mel)
		for i := range frames {
			for bin := range jdcPooled {
				for c, v := range whole.Row(i, bin) {
					if got := features.Row(0, i)[c*jdcPooled+bin]; got != v {
						t.Fatalf("%d frames, frame %d, channel %d, bin %d: %v by blocks, %v of the whole", frames, i, c, bin, got, v)
					}
				}
			}
		}
		golden.Equal(t, "f0", l.Forward(b, mel), l.Forward(a, mel))
	}
}

// BenchmarkJDC reports seconds of speech for each second of one thread.
func BenchmarkJDC(b *testing.B) {
	pool := parallel.New(1)
	defer pool.Close()
	l := loadJDC(b, pool)
	const frames = 800 // 10 s
	mel := noise(frames)
	r := op.NewRun(pool)
	r.Profiler = op.NewProfiler()
	r.Profiler.Start("all")
	for b.Loop() {
		r.Reset()
		l.Forward(r, mel)
	}
	r.Profiler.Start("")
	all := r.Profiler.Sections[0]
	b.ReportMetric(float64(all.MACs)/1e9/all.Elapsed.Seconds(), "GMAC/s")
	b.ReportMetric(10/b.Elapsed().Seconds()*float64(b.N), "xrealtime")
	b.ReportMetric(float64(r.Memory())/1e6, "MB")
}
