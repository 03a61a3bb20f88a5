package train

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/weights"
)

const dataRate = dataset.DefaultSampleRate

// The environment of TestTrainedRun. Paths that are not absolute are below the
// module's root.
const (
	evaluatedRun      = "FACODEC_RUN"      // a run's folder
	evaluatedSpeech   = "FACODEC_SPEECH"   // what it was trained on; "" for where its config has it
	evaluatedPictures = "FACODEC_PICTURES" // where pictures go; "" for none
)

// What a run of an hour aims at. A run that does not reach it is short and no
// failure: this is a measurement.
const (
	aimOfMean       = 0.60 // of the baseline's mel distance, at most
	aimOfStart      = 0.30 // of that before the first step, at most
	aimShuffled     = 2.0  // times the mel distance, at least
	aimPerplexity   = 20.0 // of every book, at least
	aimConverted    = 0.60 // of the conversions, at least
	conversionPairs = 20
	evaluationSeed  = 1 // of shuffling, pairs and noise
)

// TestTrainedRun evaluates the best checkpoint of a run, or the newest where there is
// no best one, on the clips that were held out of the training, and prints a table:
//
//	FACODEC_RUN=runs/facodec_tiny go test -run TestTrainedRun -v ./internal/train
//
// Two runs of it print the same.
func TestTrainedRun(t *testing.T) {
	dir := underRoot(t, os.Getenv(evaluatedRun))
	if dir == "" {
		t.Skipf("no run: %s=runs/facodec_tiny %s=DIR %s=DIR go test -run TestTrainedRun -v ./internal/train evaluates one",
			evaluatedRun, evaluatedSpeech, evaluatedPictures)
	}
	j := openEvaluation(t, dir)
	j.start()
	j.reconstruct()
	j.baselines()
	j.shuffle()
	j.books()
	j.convert()
	j.pictures(underRoot(t, os.Getenv(evaluatedPictures)))
	j.report.print(t)
}

// underRoot returns a path below the module's root, where go test was called.
func underRoot(t *testing.T, path string) string {
	t.Helper()
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	path, err := filepath.Abs(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// An evaluation has a checkpoint and the speech that it is evaluated on.
type evaluation struct {
	t         *testing.T
	dir       string
	file      *weights.File
	config    *config.Config
	set       *dataset.Set
	networks  model.CodecTrainingConfig
	pool      *parallel.Pool
	validator *Validator
	report    report

	first   float64  // mel distance before the first step
	mel     float64  // and of the checkpoint
	results []result // of the held-out clips
	pairs   []conversion
}

// openEvaluation opens the checkpoint and makes the set that the run had.
func openEvaluation(t *testing.T, dir string) *evaluation {
	t.Helper()
	j := &evaluation{t: t, dir: dir}
	path := filepath.Join(dir, checkpointDir, bestName)
	if _, err := os.Stat(path); err != nil {
		all, err := checkpoints(dir)
		if err != nil || len(all) == 0 {
			t.Fatalf("%s: has no checkpoint (%v)", dir, err)
		}
		path = all[len(all)-1]
	}
	f, err := weights.Open(path)
	j.must(err)
	t.Cleanup(func() { f.Close() })
	j.file = f
	j.config, err = config.Parse(path, []byte(f.Metadata()[checkpoint.ConfigKey]))
	j.must(err)
	root := underRoot(t, os.Getenv(evaluatedSpeech))
	if root == "" {
		root = underRoot(t, j.config.Dataset)
	}
	j.set, err = dataset.Scan(t.Context(), dataset.Options{
		Root: root, Duration: j.config.Preprocess.DurationRange, CacheBytes: decodedBytes,
		HeldOut: dataset.HeldOut{Share: j.config.Validation.Share, Files: j.config.Validation.Files},
		Report:  func(path, reason string) { t.Logf("%s: left out: %s", path, reason) },
	})
	j.must(err)
	if was := f.Metadata()[checkpoint.DatasetKey]; was != j.set.Fingerprint() {
		t.Fatalf("%s: is not what %s was trained on, or has changed since: what was held out is unknown", root, path)
	}
	if len(j.set.Valid) == 0 || len(j.set.Train) == 0 {
		t.Fatalf("%s: %d clips to train on, %d held out", root, len(j.set.Train), len(j.set.Valid))
	}
	j.networks = CodecTrainingConfigOf(j.config)
	j.pool = parallel.New(0)
	t.Cleanup(j.pool.Close)
	var clips []Clip
	for _, c := range dataset.Sample(j.set.Valid, j.config.Validation.Seconds) {
		clips = append(clips, Clip{Name: c.Path, Wave: j.load(c)})
	}
	j.validator, err = NewValidator(j.networks.Codec, clips, 0, j.pool)
	j.must(err)
	t.Cleanup(j.validator.Close)
	return j
}

func (j *evaluation) must(err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
}

func (j *evaluation) load(c dataset.Clip) []float32 {
	wave, err := j.set.Load(j.t.Context(), c)
	if err != nil {
		panic(err) // on a thread of the pool, where a test cannot end
	}
	return wave
}

// start evaluates the weights that the run began with.
func (j *evaluation) start() {
	src := nn.InitialWeights(model.NewCodecTraining(j.networks).Params(), uint64(j.config.Train.RandomSeed))
	values, err := j.validator.Run(j.t.Context(), src, nil, 0)
	j.must(err)
	j.first = values[eventlog.ValidationMel]
	j.report.heading("Run")
	j.report.row("checkpoint", fmt.Sprintf("%s, step %s, epoch %s", filepath.Base(j.file.Path()), j.file.Metadata()[checkpoint.StepKey], j.file.Metadata()[checkpoint.EpochKey]))
	voices := map[string]int{}
	for _, c := range j.validator.clips {
		voices[voiceOf(c.Name)]++
	}
	var each []string
	for _, v := range slices.Sorted(maps.Keys(voices)) {
		each = append(each, fmt.Sprintf("%s %d", v, voices[v]))
	}
	j.report.row("clips", fmt.Sprintf("%d to train on, %d held out (%s)", len(j.set.Train), len(j.set.Valid), strings.Join(each, ", ")))
	if from := j.config.PretrainedModel; from != "" {
		j.report.row("note", "the run started from "+from+"; step 0 below is of random weights")
	}
}

// voiceOf is a clip's top folder.
func voiceOf(path string) string {
	folder, _, nested := strings.Cut(path, "/")
	if !nested {
		return ""
	}
	return folder
}

// reconstruct evaluates the checkpoint as validation does, and compares with what the
// run logged of it.
func (j *evaluation) reconstruct() {
	v := j.validator
	j.must(v.codec.Load(j.file, v.region, j.pool))
	j.results = make([]result, len(v.clips))
	j.each(len(v.clips), func(b *evaluationWorker, i int) { j.results[i] = v.evaluate(b, i) })
	values, err := v.values(j.results)
	j.must(err)
	j.mel = values[eventlog.ValidationMel]
	j.report.heading("Reconstruction of held-out clips")
	for _, m := range validationMetrics {
		all := make([]float64, len(j.results))
		for i, d := range j.results {
			all[i] = d.metrics[m.name]
		}
		s := metric.Summarize(all)
		if s.Mean != values[m.tag] && s.N > 0 {
			j.t.Errorf("%s: mean %v, by validation %v", m.name, s.Mean, values[m.tag])
		}
		j.report.row(m.name, summary(s))
		if m.name == metric.NameMel && s.Failed > 0 {
			j.t.Errorf("the mel distance of %d clips has no value", s.Failed)
		}
	}
	j.compareLog(values)
}

// compareLog finds what the run logged at the checkpoint's step. It must be what was
// measured now, in every number.
func (j *evaluation) compareLog(values map[string]float64) {
	step, err := strconv.ParseInt(j.file.Metadata()[checkpoint.StepKey], 10, 64)
	j.must(err)
	logged := map[string]float64{}
	var began, reached time.Time
	j.must(eventlog.ReadFile(filepath.Join(j.dir, eventlog.FileName), func(e eventlog.Entry) error {
		if began.IsZero() {
			began = e.Time
		}
		if e.Step == step {
			reached = e.Time
			for _, s := range e.Scalars {
				if strings.HasPrefix(s.Tag, "val/") {
					logged[s.Tag] = s.Value
				}
			}
		}
		return nil
	}))
	if !reached.IsZero() {
		j.report.row("time from the first logged step", reached.Sub(began).Round(time.Second).String())
	}
	if len(logged) == 0 {
		j.report.row("mel by the run's log", "no validation at this step")
		if filepath.Base(j.file.Path()) == bestName {
			j.t.Errorf("the log has no validation at step %d, of which %s is", step, bestName)
		}
		return
	}
	j.report.row("mel by the run's log", fmt.Sprintf("%.4g", logged[eventlog.ValidationMel]))
	for _, tag := range differing(values, logged) {
		j.t.Errorf("step %d: %s is %v, and the log has %v", step, tag, values[tag], logged[tag])
	}
}

// differing names the values that two measurements of one thing do not share; what
// has no value in the one has none in the other.
func differing(a, b map[string]float64) (tags []string) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, tag := range sortedKeys(all) {
		x, in := a[tag]
		y, also := b[tag]
		if in != also || x != y && (finite(x) || finite(y)) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// each is the validator's, with the loaded codec.
func (j *evaluation) each(n int, do func(b *evaluationWorker, i int)) {
	j.must(j.validator.each(j.t.Context(), n, do))
}

// baselines compares with what is no codec.
func (j *evaluation) baselines() {
	b := newBaseline(len(j.set.Train), j.pool.For, func(i int) []float32 { return j.load(j.set.Train[i]) })
	clips := j.validator.clips
	mean, median, noise := make([]float64, len(clips)), make([]float64, len(clips)), make([]float64, len(clips))
	j.pool.For(len(clips), func(i int) {
		wave := clips[i].Wave
		a := newMelAnalysis()
		mean[i], median[i] = a.distance(wave, b.mean), a.distance(wave, b.median)
		sound := b.noise(len(wave), rmsOf(wave), rand.New(rand.NewPCG(evaluationSeed, uint64(i))))
		noise[i] = metric.NewMelDistance(dataRate).Distance(wave, sound)
	})
	j.report.heading("Mel distance beside baselines")
	j.report.row("step 0: the initial weights", fmt.Sprintf("%.4g", j.first))
	j.atMost("of step 0", j.number("mel distance at step 0", j.mel/j.first), aimOfStart)
	of := func(name string, all []float64) float64 {
		d := j.number(name, metric.Summarize(all).Mean)
		j.report.row(name, fmt.Sprintf("%.4g", d))
		return j.mel / d
	}
	share := of("mean spectrum: mean log-mel of the training clips", mean)
	j.atMost("of the mean spectrum", share, aimOfMean)
	j.report.row("of the median log-mel, the best constant", percent(of("median spectrum", median)))
	j.report.row("of the noise", percent(of("noise of the mean spectrum at each clip's RMS", noise)))
}

// number is v, which fails the test where it is not finite.
func (j *evaluation) number(name string, v float64) float64 {
	j.t.Helper()
	if !finite(v) {
		j.t.Errorf("%s: is %v", name, v)
	}
	return v
}

func (j *evaluation) atMost(name string, share, aim float64) {
	j.report.aim(name, percent(share), "at most "+percent(aim), share <= aim)
}

// shuffled returns codes whose frames are in another order, the same in all books;
// only names a part whose books alone are shuffled, "" for all.
func shuffled(c model.Codes, only string, random *rand.Rand) model.Codes {
	order := random.Perm(c.Frames())
	for part, books := range c {
		if only != "" && only != model.Part(part).String() {
			continue
		}
		var all [][]int32
		for _, book := range books {
			moved := make([]int32, len(book))
			for to, from := range order {
				moved[to] = book[from]
			}
			all = append(all, moved)
		}
		c[part] = all
	}
	return c
}

// shuffle asks what the codes' order, and each part of them, is for.
func (j *evaluation) shuffle() {
	type change struct {
		name string
		of   func(c model.Codes, random *rand.Rand) model.Codes
	}
	changes := []change{{"all codes shuffled in time", func(c model.Codes, r *rand.Rand) model.Codes { return shuffled(c, "", r) }}}
	for p := range model.NumParts {
		changes = append(changes, change{p.String() + " alone shuffled", func(c model.Codes, r *rand.Rand) model.Codes { return shuffled(c, p.String(), r) }})
	}
	for p := range model.NumParts {
		changes = append(changes, change{p.String() + " left out", func(c model.Codes, _ *rand.Rand) model.Codes { c[p] = nil; return c }})
	}
	clips := j.validator.clips
	distances := make([][]float64, len(clips)) // [clip][change]
	j.each(len(clips), func(b *evaluationWorker, i int) {
		d, wave := j.results[i], clips[i].Wave
		distance := metric.NewMelDistance(dataRate)
		for _, c := range changes {
			spoken := b.Decode(c.of(d.codes, rand.New(rand.NewPCG(evaluationSeed, uint64(i)))), d.timbre, len(wave))
			distances[i] = append(distances[i], distance.Distance(wave, spoken))
		}
	})
	j.report.heading("Codes changed before decoding")
	for k, c := range changes {
		all := make([]float64, len(clips))
		for i := range all {
			all[i] = distances[i][k]
		}
		d := j.number(c.name, metric.Summarize(all).Mean)
		ratio := d / j.mel
		value := fmt.Sprintf("%.4g, %.2f times", d, ratio)
		if k == 0 {
			j.report.aim(c.name, value, fmt.Sprintf("at least %.0f times", aimShuffled), ratio >= aimShuffled)
		} else {
			j.report.row(c.name, value)
		}
	}
}

// books measures how much of every codebook is used.
func (j *evaluation) books() {
	codes := make([]model.Codes, len(j.set.Train))
	j.each(len(codes), func(b *evaluationWorker, i int) { codes[i] = b.Encode(j.load(j.set.Train[i])) })
	held := make([]model.Codes, len(j.results))
	for i, d := range j.results {
		held[i] = d.codes
	}
	quantizer := j.networks.Codec.Quantizer
	j.report.heading("Codebooks: perplexity held out, and of the training clips")
	for book, name := range quantizer.BookNames() {
		usage := func(all []model.Codes) metric.Usage {
			use := metric.NewCodebookUse(quantizer.CodebookSize)
			for _, c := range all {
				j.must(use.Add(c.Books()[book]))
			}
			u := use.Usage()
			j.number(name, u.Perplexity)
			return u
		}
		v, a := usage(held), usage(codes)
		j.report.aim(name, fmt.Sprintf("%.1f and %.1f; %s and %s of %d entries used", v.Perplexity, a.Perplexity, percent(v.Share), percent(a.Share), v.Entries),
			fmt.Sprintf("at least %.0f", aimPerplexity), min(v.Perplexity, a.Perplexity) >= aimPerplexity)
	}
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func summary(s metric.Summary) string {
	text := fmt.Sprintf("%.4g (95 %%: %.4g to %.4g, n = %d)", s.Mean, s.Low, s.High, s.N)
	if s.Failed > 0 {
		text += fmt.Sprintf(", undefined on %d", s.Failed)
	}
	return text
}

// A report is a Markdown table in the making.
type report struct{ lines []string }

func (r *report) heading(text string) { r.lines = append(r.lines, "| **"+text+"** | | | |") }

func (r *report) row(name, value string) {
	r.lines = append(r.lines, fmt.Sprintf("| %s | %s | | |", name, value))
}

func (r *report) aim(name, value, aim string, reached bool) {
	r.lines = append(r.lines, fmt.Sprintf("| %s | %s | %s | %s |", name, value, aim, map[bool]string{true: "ok", false: "short"}[reached]))
}

func (r *report) print(t *testing.T) {
	fmt.Fprintf(t.Output(), "| | measured | aim | |\n|---|---|---|---|\n%s\n", strings.Join(r.lines, "\n"))
}

func TestShuffled(t *testing.T) {
	book := func(k int32) (b []int32) {
		for i := range int32(50) {
			b = append(b, 100*k+i)
		}
		return b
	}
	codes := model.Codes{{book(0)}, {book(1), book(2)}, {book(3)}}
	all := shuffled(codes, "", rand.New(rand.NewPCG(1, 1))).Books()
	content := shuffled(codes, "content", rand.New(rand.NewPCG(1, 1))).Books()
	for k, b := range codes.Books() {
		if !slices.Equal(b, book(int32(k))) {
			t.Fatalf("book %d was changed", k)
		}
		for i, code := range all[k] {
			if code-int32(100*k) != all[0][i] {
				t.Fatalf("book %d is in an order of its own", k)
			}
		}
		if slices.Equal(all[k], b) || !slices.Equal(slices.Sorted(slices.Values(all[k])), b) {
			t.Errorf("book %d: %v", k, all[k])
		}
		if want := map[bool][]int32{true: all[k], false: b}[k == 1 || k == 2]; !slices.Equal(content[k], want) {
			t.Errorf("content alone: book %d is %v", k, content[k])
		}
	}
}

func TestDiffering(t *testing.T) {
	nan := math.NaN()
	a := map[string]float64{"same": 1, "none": nan, "other": 2, "lost": 3, "gone": nan}
	b := map[string]float64{"same": 1, "none": nan, "other": math.Nextafter(2, 3), "gone": 4, "new": 5}
	if got := strings.Join(differing(a, b), " "); got != "gone lost new other" {
		t.Errorf("differing: %s", got)
	}
}
