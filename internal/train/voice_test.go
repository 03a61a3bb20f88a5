package train

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/teacher"
)

// TestVoicePerturbation makes batches of which half is encoded in another voice: input
// and prosody change, targets and labels do not, and each step draws other voices.
func TestVoicePerturbation(t *testing.T) {
	c := smallConfig()
	us := utterances(t, "en", "fr", "it", "ru")
	var items []dataset.Item
	for _, u := range us {
		items = append(items, dataset.Item{Samples: u.Wave, Label: teacher.Labels{F0: u.F0, Phones: u.Phones, Speaker: int(u.Speaker)}})
	}
	const frames = 24
	l := &labeler{collator: NewCollator(c.Codec, true), teachers: teacher.Set{Grid: teacher.Own}}
	batch := func(share float64, utterances, first, step int) *Batch {
		l.voice = voicePerturbation{share: share, utterances: utterances, sampleRate: teacher.Own.SampleRate, hop: teacher.Own.Hop}
		b, err := l.batch(items, crops{starts: []int{10, 20, 30, 40}, frames: frames, first: first, random: op.Random{Seed: 1, Step: uint64(step)}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	row := func(b *Batch, i int) (in, target []float32) {
		for n := range b.Target.T {
			in, target = append(in, b.Inputs.Wave.Row(i, n)[0]), append(target, b.Target.Row(i, n)[0])
		}
		return in, target
	}
	plain := batch(0, 4, 0, 0)
	half, next := batch(0.5, 4, 0, 0), batch(0.5, 4, 0, 1)
	if !slices.Equal(half.Perturbed, []bool{false, false, true, true}) {
		t.Fatalf("perturbed: %v", half.Perturbed)
	}
	for i := range items {
		recording, _ := row(plain, i)
		in, target := row(half, i)
		other, _ := row(next, i)
		if !slices.Equal(target, recording) {
			t.Errorf("utterance %d: the target is not the recording", i)
		}
		if changed := !slices.Equal(in, recording); changed != half.Perturbed[i] {
			t.Errorf("utterance %d: another input: %v", i, changed)
		}
		if changed := !slices.Equal(in, other); changed != half.Perturbed[i] {
			t.Errorf("utterance %d: another input in the next step: %v", i, changed)
		}
		changed := false
		for n := range frames {
			changed = changed || !slices.Equal(plain.Inputs.Prosody.Row(i, n), half.Inputs.Prosody.Row(i, n))
			if plain.F0.Row(i, n)[0] != half.F0.Row(i, n)[0] || plain.Energy.Row(i, n)[0] != half.Energy.Row(i, n)[0] {
				t.Fatalf("utterance %d: labels changed", i)
			}
		}
		if changed != half.Perturbed[i] {
			t.Errorf("utterance %d: other prosody: %v", i, changed)
		}
		if !slices.Equal(plain.Inputs.Timbre[i].Data, half.Inputs.Timbre[i].Data) {
			t.Errorf("utterance %d: the timbre's input changed", i)
		}
	}
	// The second piece of a step of two is its second half.
	if b := batch(0.5, 8, 4, 0); slices.Contains(b.Perturbed, false) {
		t.Errorf("second piece of two: perturbed %v", b.Perturbed)
	}
	if b := batch(0.5, 8, 0, 0); slices.Contains(b.Perturbed, true) {
		t.Errorf("first piece of two: perturbed %v", b.Perturbed)
	}
}

// TestPerturbedWaveforms: utterances in another voice count as 0 in the waveform loss.
func TestPerturbedWaveforms(t *testing.T) {
	c := smallConfig()
	b := batchOf(t, c, utterances(t, "en", "fr"), 4)
	pool := parallel.New(1)
	defer pool.Close()
	r := op.NewRun(pool)
	output := r.Waveforms(b.Inputs.Wave)
	for i := range output.Data {
		output.Data[i] += float32(1 + i*2/len(output.Data)) // 1 in the first row, 2 in the second
	}
	target := r.Waveforms(batchOf(t, c, utterances(t, "en", "fr"), 4).Target)
	w := waveforms{output: output, target: target}
	row := func(i int) float64 { return r.L1(r.SliceBatch(output, i, i+1), r.SliceBatch(target, i, i+1), 0) }
	for _, test := range []struct {
		perturbed []bool
		want      float64
	}{
		{nil, (row(0) + row(1)) / 2}, {[]bool{false, false}, (row(0) + row(1)) / 2},
		{[]bool{false, true}, row(0) / 2}, {[]bool{true, false}, row(1) / 2}, {[]bool{true, true}, 0},
	} {
		w.perturbed = test.perturbed
		if got := w.l1(r, output, 0); math.Abs(got-test.want) > 1e-6 {
			t.Errorf("perturbed %v: %g, want %g", test.perturbed, got, test.want)
		}
	}
}

// TestPerturbedResidual: what is encoded in another voice is decoded without its residual,
// whatever is drawn.
func TestPerturbedResidual(t *testing.T) {
	o := upstreamCodecOptions()
	o.ResidualMask = 0
	c := smallConfig()
	trainer := newCodecTrainer(t, c, o, 1)
	piece := batchOf(t, c, utterances(t, "en", "fr", "it"), 4)
	piece.Perturbed = []bool{false, true, false}
	s := &step{Trainer: trainer.Trainer, plan: pieces{utterances: 3}}
	if got := trainer.dropout(s, op.Random{Seed: 1}, piece).Residual; !slices.Equal(got, []float32{1, 0, 1}) {
		t.Errorf("residuals kept: %v", got)
	}
}

// TestParallelRecordings: where a clip was recorded in another voice, too, that is
// encoded, from the same place on and at the same speed, and what is decoded is the clip.
func TestParallelRecordings(t *testing.T) {
	c := smallExperiment(t.TempDir())
	c.Augment.Voice, c.Augment.Parallel = 1, t.TempDir()
	if _, err := runSmall(t, c, 1, nil); err == nil || !strings.Contains(err.Error(), "augment.parallel: ") {
		t.Errorf("an empty folder: error %v", err)
	}
	// Half as loud is, at peak 1, the recording itself.
	for _, name := range []string{"en", "es", "fr", "it", "ru"} {
		samples := speech(t, name)
		for i := range samples {
			samples[i] /= 2
		}
		file := filepath.Join(c.Augment.Parallel, "half", name+".flac")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		w, err := audio.Create(file, 24000, audio.S24)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		if err := errors.Join(w.Write(samples), w.Commit()); err != nil {
			t.Fatal(err)
		}
	}
	batches := func(parallel string) (all []*Batch) {
		c.Augment.Parallel = parallel
		r := &run{RunOptions: RunOptions{Config: c, Report: t.Logf, Progress: func(Progress) {}}, dir: RunDir(c), pool: parallelPool(t)}
		if err := r.prepareRanks(); err != nil {
			t.Fatal(err)
		}
		if err := r.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := r.newLabeler(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.hooks = hooks{label: l.label, batch: l.batch, speed: l.speed, voice: l.voice}
		loader, err := r.set.NewLoader(dataset.LoaderOptions{BatchSize: c.BatchSize, Label: l.label})
		if err != nil {
			t.Fatal(err)
		}
		defer loader.Close()
		for step := range 3 {
			data := r.prepare(r.load(t.Context(), loader, step))
			if data.err != nil {
				t.Fatal(data.err)
			}
			all = append(all, data.pieces...)
		}
		return all
	}
	all := c.Augment.Parallel
	recorded, made := batches(all), batches("")
	for i, b := range recorded {
		if slices.Contains(b.Perturbed, false) || slices.Contains(made[i].Perturbed, false) {
			t.Errorf("batch %d: not all are in another voice", i)
		}
		if !slices.Equal(b.Target.Data, made[i].Target.Data) || slices.Equal(made[i].Inputs.Wave.Data, made[i].Target.Data) {
			t.Errorf("batch %d: other targets, or no other voices", i)
		}
		for n, x := range b.Target.Data {
			if math.Abs(float64(b.Inputs.Wave.Data[n]-x)) > 1e-4 { // of 16 bits at half the level
				t.Fatalf("batch %d: sample %d is %g, %g in the other voice", i, n, x, b.Inputs.Wave.Data[n])
			}
		}
	}
	// What has none is encoded as it is.
	if err := errors.Join(os.Remove(filepath.Join(all, "half", "en.flac")), os.Remove(filepath.Join(all, "half", "fr.flac"))); err != nil {
		t.Fatal(err)
	}
	count := map[bool]int{}
	for i, b := range batches(all) {
		for u, perturbed := range b.Perturbed {
			count[perturbed]++
			for n := range b.Target.T {
				if x, y := b.Target.Row(u, n)[0], b.Inputs.Wave.Row(u, n)[0]; !perturbed && x != y {
					t.Fatalf("batch %d, utterance %d: sample %d is %g, %g is encoded", i, u, n, x, y)
				}
			}
		}
	}
	if count[true] == 0 || count[false] == 0 {
		t.Errorf("with recordings of some in another voice, %d of %d are encoded in it", count[true], count[true]+count[false])
	}
}

func parallelPool(t *testing.T) *parallel.Pool {
	pool := parallel.New(2)
	t.Cleanup(pool.Close)
	return pool
}
