package train

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/teacher"
	"github.com/facodec-go/facodec/internal/weights"
)

const corpora = "../collection/testdata"

// corpusExperiment trains on the clips of 0.4 s that the fixtures of corpora hold.
func corpusExperiment(dir, name string) *config.Config {
	c := smallExperiment(dir)
	c.Dataset, c.Preprocess.DurationRange, c.Validation.Interval = name, [2]float64{0.1, 25}, 2
	return c
}

// copyTo copies files into a folder.
func copyTo(t *testing.T, dir string, files ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSameRun: the same speech makes the same run, batch by batch and so weight by weight,
// whether it lies in loose files, in shards, in a table or in a manifest.
func TestSameRun(t *testing.T) {
	wav := corpora + "/wav/"
	loose := copyTo(t, t.TempDir(), wav+"en_0.flac", wav+"en_1.flac", wav+"es_0.flac", wav+"es_1.flac", wav+"fr_0.flac", wav+"fr_1.flac")
	nested := t.TempDir() // as the keys of the shards are
	for _, who := range []string{"en", "es", "fr"} {
		copyTo(t, filepath.Join(nested, who), wav+who+"_0.flac", wav+who+"_1.flac")
	}
	for _, of := range []struct {
		folder string
		names  []string
	}{
		{loose, []string{corpora + "/audio.parquet", corpora + "/recordings.jsonl.gz"}},
		{nested, []string{corpora + "/shard-{000000..000001}.tar"}},
	} {
		want := corpusExperiment(t.TempDir(), of.folder)
		if _, err := runSmall(t, want, 2, nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range of.names {
			got := corpusExperiment(t.TempDir(), name)
			if _, err := runSmall(t, got, 2, nil); err != nil {
				t.Fatal(name, err)
			}
			sameRuns(t, RunDir(got), RunDir(want), 2)
		}
	}
}

// TestSpeakerField: the labels of a corpus are classes in the order of their names, kept in
// the checkpoint; a run that goes on keeps to them.
func TestSpeakerField(t *testing.T) {
	dir := t.TempDir()
	experiment := func(name, field string) *config.Config {
		c := corpusExperiment(dir, name)
		c.Teachers.SpeakerField, c.Model.SpeakerClasses = field, 0
		return c
	}
	shards := corpora + "/shard-*.tar"
	c := experiment(shards, "speaker")
	l, err := runSmall(t, c, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.has(t, "3 speakers named by the corpus")
	if n := 3 * len(c.Augment.Speeds()); c.Model.SpeakerClasses != n {
		t.Errorf("%d speaker classes, want %d", c.Model.SpeakerClasses, n)
	}
	f, err := weights.Open(filepath.Join(RunDir(c), checkpointDir, "step_00000001.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Metadata()[checkpoint.SpeakersKey]; got != `["en","es","fr"]` {
		t.Errorf("the checkpoint has %s", got)
	}
	// What each clip is labeled with.
	r := &run{RunOptions: RunOptions{Config: experiment(shards, "speaker"), Threads: 1, Report: l.add, Progress: func(Progress) {}}, dir: t.TempDir()}
	if err := r.prepareRanks(); err != nil {
		t.Fatal(err)
	}
	if err := r.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	labels, err := r.speakers(nil)
	if err != nil {
		t.Fatal(err)
	}
	labeler, err := r.newLabeler(t.Context(), nil, labels)
	if err != nil {
		t.Fatal(err)
	}
	for item, err := range r.set.Pass(t.Context(), r.set.Train, 1, labeler.label) {
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"en": 0, "es": 1, "fr": 2}[item.Clip.Path[:2]]
		if got := item.Label.(teacher.Labels).Speaker; got != want {
			t.Errorf("%s: speaker %d, want %d", item.Clip.Path, got, want)
		}
	}
	if l, err = runSmall(t, experiment(shards, "speaker"), 2, nil); err != nil {
		t.Fatal(err)
	}
	l.has(t, "resuming from")
	relabeled := relabel(t, corpora+"/shard-000000.tar", `"speaker": "en"`, `"speaker": "xx"`)
	for _, test := range []struct{ name, field, want string }{
		{shards, "", "the run was begun with the corpus' labels"},
		{relabeled, "speaker", `speaker "xx" is not one of the 3`},
		{corpora + "/wav", "speaker", "teachers.speaker_field: dataset ../collection/testdata/wav: no speaker labels: it is a folder"},
		{corpora + "/audio.parquet", "who", `has no column "who"`},
	} {
		l, err := runSmall(t, experiment(test.name, test.field), 3, nil)
		if err == nil || !strings.Contains(strings.Join(append(l.all, err.Error()), "\n"), test.want) {
			t.Errorf("%s, %q: %v, %q, want %s", test.name, test.field, err, l.all, test.want)
		}
	}
}

// relabel copies a shard with another text in its members.
func relabel(t *testing.T, shard, old, new string) string {
	t.Helper()
	data, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	in, w := tar.NewReader(bytes.NewReader(data)), tar.NewWriter(&out)
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		member, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		member = bytes.ReplaceAll(member, []byte(old), []byte(new))
		h.Size = int64(len(member))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(member); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "relabeled.tar")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestMaxBad: more bad items than are allowed end a run before it begins.
func TestMaxBad(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.txt")
	wav, err := filepath.Abs(corpora + "/wav")
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.flac")
	if err := os.WriteFile(broken, []byte("no sound"), 0o666); err != nil {
		t.Fatal(err)
	}
	text := "gone.flac\n" + broken + "\n"
	for _, name := range []string{"en_0", "en_1", "es_0", "fr_0"} {
		text += wav + "/" + name + ".flac\n"
	}
	if err := os.WriteFile(list, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	c := corpusExperiment(t.TempDir(), "@"+list)
	l, err := runSmall(t, c, 1, func(o *RunOptions) { o.MaxBad = 0.3 })
	if bad, ok := errors.AsType[*dataset.TooManyBadError](err); !ok || bad.Bad != 2 || bad.Total != 6 {
		t.Errorf("%v, want 2 of 6 items", err)
	}
	l.has(t, "line 1, gone.flac: left out: no such file")
	if _, err := os.Stat(RunDir(c)); !os.IsNotExist(err) {
		t.Errorf("the folder of a run that did not begin: %v", err)
	}
	if _, err := runSmall(t, c, 1, func(o *RunOptions) { o.MaxBad = 0.35 }); err != nil {
		t.Error(err)
	}
}
