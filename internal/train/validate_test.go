package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// heldOut are clips of half a second to a second, by two voices.
func heldOut(t *testing.T) []Clip {
	t.Helper()
	var clips []Clip
	for i, name := range []string{"anna/en", "anna/fr", "bert/it"} {
		wave := speech(t, filepath.Base(name))
		clips = append(clips, Clip{Name: name + ".flac", Wave: wave[6000 : 18000+i*5001]})
	}
	return clips
}

func newValidator(t *testing.T, clips []Clip, samples, threads int) *Validator {
	t.Helper()
	pool := parallel.New(threads)
	t.Cleanup(pool.Close)
	v, err := NewValidator(smallConfig().Codec, clips, samples, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// learned returns the weights of the small codec by a seed.
func learned(seed uint64) weights.Source {
	return nn.InitialWeights(model.NewCodec(smallConfig().Codec).Params(), seed)
}

func mustRun(t *testing.T, v *Validator, src weights.Source, log *eventlog.Log, step int64) map[string]float64 {
	t.Helper()
	values, err := v.Run(t.Context(), src, log, step)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// hearing is the small codec run as streams, a few frames at a time.
type hearing struct {
	*model.Codec
	pool *parallel.Pool
}

func newHearing(t *testing.T, src weights.Source) hearing {
	t.Helper()
	h := hearing{model.NewCodec(smallConfig().Codec), parallel.New(1)}
	region := &tensor.Region{}
	t.Cleanup(region.Free)
	if err := h.Load(src, region, h.pool); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h hearing) encode(wave []float32) (codes model.Codes, timbre []float32) {
	e, v := h.NewEncoderStream(h.pool), h.NewTimbreStream(h.pool)
	for piece := range slices.Chunk(wave, 1000) {
		codes.Append(e.Push(piece, false))
		v.Push(piece)
	}
	codes.Append(e.Push(nil, true))
	v.EndClip()
	return codes, v.Timbre()
}

func (h hearing) decode(codes model.Codes, timbre []float32, n int) (wave []float32) {
	d := h.NewDecoderStream(timbre, h.pool)
	for from := 0; from < codes.Frames(); from += 7 {
		wave = append(wave, d.Push(codes.Slice(from, min(from+7, codes.Frames())), false)...)
	}
	return append(wave, d.Push(model.Codes{}, true)...)[:n]
}

// TestValidation compares with the streams and the metrics themselves, on one to
// three threads, and after other weights have been validated in between.
func TestValidation(t *testing.T) {
	clips := heldOut(t)
	h := newHearing(t, learned(7))
	speech, err := metric.NewSpeech(24000)
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string][]float64{}
	counts := map[string]map[int32]int{}
	frames := 0
	for _, clip := range clips {
		codes, timbre := h.encode(clip.Wave)
		for name, v := range speech.Compare(clip.Wave, h.decode(codes, timbre, len(clip.Wave))) {
			measured[name] = append(measured[name], v)
		}
		frames += codes.Frames()
		for name, book := range map[string][]int32{
			"prosody_1": codes[model.Prosody][0], "content_1": codes[model.Content][0], "content_2": codes[model.Content][1],
			"residual_1": codes[model.Residual][0], "residual_2": codes[model.Residual][1], "residual_3": codes[model.Residual][2],
		} {
			if counts[name] == nil {
				counts[name] = map[int32]int{}
			}
			for _, code := range book {
				counts[name][code]++
			}
		}
	}
	want := map[string]float64{}
	for tag, name := range map[string]string{
		"mel_loss": "mel", "stft_loss": "stft", "si_sdr": "si_sdr", "stoi": "stoi",
		"f0_corr": "f0_correlation", "f0_cents": "f0_cents", "voicing_error": "f0_voicing_error",
	} {
		s := metric.Summarize(measured[name])
		want["val/"+tag] = s.Mean
		if s.Failed > 0 {
			want["val/failed_"+tag] = float64(s.Failed)
		}
	}
	for name, codes := range counts {
		entropy := 0.0
		for _, n := range codes {
			p := float64(n) / float64(frames)
			entropy -= p * math.Log(p)
		}
		want["val/perplexity_"+name], want["val/use_"+name] = math.Exp(entropy), float64(len(codes))/32
	}
	one, three := newValidator(t, clips, 0, 1), newValidator(t, clips, 0, 3)
	first := mustRun(t, one, learned(7), nil, 0)
	if len(first) != len(want) {
		t.Errorf("values %v, want %v", first, want)
	}
	for tag, x := range want {
		if got, ok := first[tag]; !ok || math.IsNaN(got) != math.IsNaN(x) || math.Abs(got-x) > 1e-9*math.Abs(x) {
			t.Errorf("%s is %v, want %v", tag, got, x)
		}
	}
	equalValues(t, mustRun(t, three, learned(7), nil, 0), first)
	if other := mustRun(t, three, learned(8), nil, 1); other["val/mel_loss"] == first["val/mel_loss"] {
		t.Error("other weights have the same mel distance")
	}
	equalValues(t, mustRun(t, three, learned(7), nil, 2), first)
	if n := three.region.Bytes(); n != 0 {
		t.Errorf("%d bytes of weights are kept", n)
	}
}

// equalValues compares with ==, NaN being equal to itself.
func equalValues(t *testing.T, got, want map[string]float64) {
	t.Helper()
	if !maps.EqualFunc(got, want, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
		t.Errorf("values are %v, want %v", got, want)
	}
}

// TestValidationLeavesOut: a clip on which a metric has no value is counted and
// changes the mean of no other.
func TestValidationLeavesOut(t *testing.T) {
	clips := heldOut(t)[:2]
	want := mustRun(t, newValidator(t, clips, 0, 2), learned(7), nil, 0)
	tooShort := Clip{Name: "c.flac", Wave: clips[0].Wave[:900]}
	got := mustRun(t, newValidator(t, append(clips, tooShort), 0, 2), learned(7), nil, 0)
	for _, tag := range []string{"mel_loss", "stft_loss", "stoi"} {
		if got["val/"+tag] != want["val/"+tag] || got["val/failed_"+tag] != want["val/failed_"+tag]+1 {
			t.Errorf("%s: %v and %v failed, %v and %v without the clip", tag,
				got["val/"+tag], got["val/failed_"+tag], want["val/"+tag], want["val/failed_"+tag])
		}
	}
	if got["val/si_sdr"] == want["val/si_sdr"] || got["val/failed_si_sdr"] != 0 {
		t.Errorf("SI-SDR, which has a value for %d samples: %v, %v without them", len(tooShort.Wave), got["val/si_sdr"], want["val/si_sdr"])
	}

	broken := func(name string) []float32 {
		x, _ := learned(7).Lookup(name)
		v, _ := x.Float32()
		if strings.HasPrefix(name, "decoder.") {
			v[0] = 1e38 // overflows in the next layer
		}
		return v
	}
	shapes := map[string][]int{}
	for _, p := range model.NewCodec(smallConfig().Codec).Params() {
		shapes[p.Name] = p.Shape
	}
	got = mustRun(t, newValidator(t, clips, 1, 2), weights.NewGenerated(shapes, broken), startLog(t, t.TempDir()), 0)
	if !math.IsNaN(got["val/mel_loss"]) || got["val/failed_mel_loss"] != 2 || got["val/perplexity_content_1"] != want["val/perplexity_content_1"] {
		t.Errorf("of a decoder whose output is NaN: %v", got)
	}
}

func TestValidationErrors(t *testing.T) {
	c, pool := smallConfig().Codec, parallel.New(1)
	clips := heldOut(t)[:1]
	if _, err := NewValidator(c, nil, 1, pool); err == nil {
		t.Error("no error without clips")
	}
	if _, err := NewValidator(c, []Clip{{Name: "x.wav"}}, 1, pool); err == nil || !strings.Contains(err.Error(), "x.wav has no samples") {
		t.Errorf("an empty clip: %v", err)
	}
	v := newValidator(t, clips, 1, 2)
	if _, err := v.Run(t.Context(), weights.Below(learned(7), "decoder"), nil, 0); err == nil || !strings.Contains(err.Error(), "encoder") {
		t.Errorf("weights of something else: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if values, err := v.Run(ctx, learned(7), nil, 0); !errors.Is(err, context.Canceled) || values != nil {
		t.Errorf("canceled: %v, %v", values, err)
	}
	want := mustRun(t, newValidator(t, clips, 1, 2), learned(7), nil, 0)
	equalValues(t, mustRun(t, v, learned(7), nil, 0), want)
	log := startLog(t, t.TempDir())
	log.Close()
	if _, err := v.Run(t.Context(), learned(7), log, 0); err == nil {
		t.Error("no error of a log that cannot be written")
	}
}

func TestChooseSamples(t *testing.T) {
	for names, want := range map[string][]int{
		"a":                       {-1},
		"a b":                     {1, 0},
		"x/a x/b":                 {1, 0},
		"x/a x/a":                 {1, 0}, // two clips of one file
		"x/a x/a x/b":             {2, 2, 0},
		"x/a x/b y/a y/b":         {2, 2, 0, 0},
		"x/a y/a y/b x/b":         {1, 3, 3, 1},
		"x/a x/b x/c x/d z/a x/e": {4, 4, 4, 4, 5},
	} {
		var clips []Clip
		for _, name := range strings.Fields(names) {
			clips = append(clips, Clip{Name: name})
		}
		for _, n := range []int{len(want), 1, 0} {
			var got []int
			for i, s := range chooseSamples(clips, n) {
				if got = append(got, s.reference); s.clip != i {
					t.Errorf("%s: sample %d is clip %d", names, i, s.clip)
				}
			}
			if !slices.Equal(got, want[:n]) {
				t.Errorf("%s: voices %v, want %v", names, got, want[:n])
			}
		}
	}
	if n := len(chooseSamples([]Clip{{Name: "a"}, {Name: "b"}}, 9)); n != 2 {
		t.Errorf("%d samples of two clips", n)
	}
}

func startLog(t *testing.T, dir string) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(dir, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// TestSamples reads what TensorBoard will show: everything under its tag, the
// recordings once, each sound the one that the streams give.
func TestSamples(t *testing.T) {
	clips := heldOut(t)
	h := newHearing(t, learned(7))
	dir := t.TempDir()
	log := startLog(t, dir)
	v := newValidator(t, clips, 2, 2)
	mustRun(t, v, learned(7), log, 0)
	mustRun(t, v, learned(8), log, 10)
	sounds, pictures := shown(t, dir)
	want := map[string][]float32{}
	for i, reference := range []int{2, 2} {
		wave := clips[i].Wave
		suffix := []string{"_1", "_2"}[i]
		codes, timbre := h.encode(wave)
		_, other := h.encode(clips[reference].Wave)
		pc := model.Codes{model.Prosody: codes[model.Prosody], model.Content: codes[model.Content]}
		for tag, sound := range map[string][]float32{
			"full/gt_audio": wave, "full/pred_audio": h.decode(codes, timbre, len(wave)),
			"partial/pred_audio_p":  h.decode(model.Codes{model.Prosody: codes[model.Prosody]}, timbre, len(wave)),
			"partial/pred_audio_c":  h.decode(model.Codes{model.Content: codes[model.Content]}, timbre, len(wave)),
			"partial/pred_audio_r":  h.decode(model.Codes{model.Residual: codes[model.Residual]}, timbre, len(wave)),
			"partial/pred_audio_pc": h.decode(pc, timbre, len(wave)),
			"vc/ref_audio":          clips[reference].Wave, "vc/pred_audio": h.decode(pc, other, len(wave)),
		} {
			want[tag+suffix] = sound
		}
		frames := (len(wave) + 299) / 300
		truth, both := pictures[0]["val/spectrogram_gt"+suffix], pictures[0]["val/spectrogram"+suffix]
		if truth == nil || both == nil || pictures[10]["val/spectrogram"+suffix] == nil {
			t.Fatalf("pictures %v", pictures)
		}
		if a, b := truth.Bounds().Size(), both.Bounds().Size(); a != image.Pt(frames, 160) || b != image.Pt(frames, 324) {
			t.Errorf("pictures of %d frames: %v and %v", frames, a, b)
		}
		for y := range 160 {
			for x := range frames {
				if truth.At(x, y) != both.At(x, y) {
					t.Fatalf("the upper half is not the recording's at %d, %d", x, y)
				}
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(sounds[0])), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("sounds %q, want %q", got, want)
	}
	for tag, sound := range want {
		if !nearlyEqual(sounds[0][tag], sound) {
			t.Errorf("%s: %d samples, other than the %d that were to be heard", tag, len(sounds[0][tag]), len(sound))
		}
		again, ok := sounds[10][tag]
		if once := strings.HasPrefix(tag, "full/gt") || strings.HasPrefix(tag, "vc/ref"); once == ok || ok && nearlyEqual(again, sound) {
			t.Errorf("%s: logged again: %v, or the same by other weights", tag, ok)
		}
	}
	if pictures[10]["val/spectrogram_gt_1"] != nil {
		t.Error("the recording's picture is logged again")
	}

	// One sample has no number, and one clip no other voice.
	dir = t.TempDir()
	mustRun(t, newValidator(t, clips[:1], 4, 2), learned(7), startLog(t, dir), 3)
	sounds, _ = shown(t, dir)
	if got := slices.Sorted(maps.Keys(sounds[3])); !slices.Equal(got, []string{"full/gt_audio", "full/pred_audio",
		"partial/pred_audio_c", "partial/pred_audio_p", "partial/pred_audio_pc", "partial/pred_audio_r"}) {
		t.Errorf("of one clip: %q", got)
	}
}

// nearlyEqual compares with what went through 16 bits.
func nearlyEqual(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) <= 1.0/32767 })
}

// shown reads a run's sounds and pictures, by step and tag. What the files are is
// tested where they are written.
func shown(t *testing.T, dir string) (sounds map[int64]map[string][]float32, pictures map[int64]map[string]image.Image) {
	t.Helper()
	sounds, pictures = map[int64]map[string][]float32{}, map[int64]map[string]image.Image{}
	paths, err := filepath.Glob(filepath.Join(dir, eventlog.EventsName, "*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("event files %q, %v", paths, err)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		const head, tail = 12, 4 // length and checksums
		n := int(binary.LittleEndian.Uint64(data))
		event := message(data[head : head+n])
		data = data[head+n+tail:]
		summary := event[5]
		if len(summary) == 0 {
			continue
		}
		step, _ := binary.Uvarint(event[2])
		value := message(message(summary)[1])
		tag := string(value[1])
		if len(value[4]) > 0 {
			img, err := png.Decode(bytes.NewReader(message(value[4])[4]))
			if err != nil {
				t.Fatal(err)
			}
			if pictures[int64(step)] == nil {
				pictures[int64(step)] = map[string]image.Image{}
			}
			pictures[int64(step)][tag] = img
		}
		if len(value[6]) > 0 {
			path := filepath.Join(t.TempDir(), "x.wav")
			if err := os.WriteFile(path, message(value[6])[4], 0o644); err != nil {
				t.Fatal(err)
			}
			wave, err := audio.ReadFile(path, 24000)
			if err != nil {
				t.Fatal(err)
			}
			if sounds[int64(step)] == nil {
				sounds[int64(step)] = map[string][]float32{}
			}
			sounds[int64(step)][tag] = wave
		}
	}
	return sounds, pictures
}

// message returns the fields of a protocol buffer message, varints as they are
// encoded; of a field that is repeated, the last.
func message(data []byte) map[uint64][]byte {
	fields := map[uint64][]byte{}
	for len(data) > 0 {
		key, n := binary.Uvarint(data)
		data = data[n:]
		size := 0
		switch key & 7 {
		case 0:
			_, size = binary.Uvarint(data)
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(data)
			data, size = data[n:], int(length)
		case 5:
			size = 4
		}
		fields[key>>3], data = data[:size], data[size:]
	}
	return fields
}
