// Command embed-model puts the weights of a training run into package defaultmodel: the
// checkpoint in 8 bits under a name with its version, the card, and the table of known
// models. It is run in the module's root:
//
//	go run ./scripts/embed-model -steps 9000 -training "9,000 steps in 2 hours on 2 cores" runs/base/checkpoints/best.safetensors
//	go run ./scripts/embed-model -judged judged.json -row base -recordings "40 Asterisk prompts" -table judged.md
//
// Without a checkpoint it updates the card alone, and what docs/model.md has of it.
package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/weights"
)

const (
	folder   = "defaultmodel"
	cardPath = folder + "/card.json"
	docPath  = "docs/model.md"
	most     = 12e6 // bytes of the weights
	// margin is how far below what is measured now the test's floor lies: other
	// processors round differently, and codes change where two entries are as close.
	margin = 0.01
)

// A card has the keys of defaultmodel.Card in their order. That package cannot be
// imported: it does not build before it has its weights.
type card struct {
	Name         string   `json:"name"`
	Version      string   `json:"version"`
	License      string   `json:"license"`
	Architecture string   `json:"architecture"`
	Parameters   int64    `json:"parameters"`
	Data         string   `json:"data"`
	Training     string   `json:"training"`
	Quality      *quality `json:"quality,omitempty"`
	STOI         float64  `json:"stoi"`
	STOIFloor    float64  `json:"stoi_floor"`
	Quantizer    string   `json:"quantizer"`
	Decoder      string   `json:"decoder"`
}

type quality struct {
	Recordings string             `json:"recordings"`
	Clips      int                `json:"clips"`
	Means      map[string]float64 `json:"means"`
}

func main() {
	version := flag.String("version", "", "version of the model, v1 say (default: the card's)")
	steps := flag.String("steps", "", "steps of all runs that led to the checkpoint (default: those that it counted itself)")
	training := flag.String("training", "", "steps, time and machine of the run, for the card")
	judged := flag.String("judged", "", "report of scripts/judge --json, for the card")
	row := flag.String("row", "", "the model's row in it")
	recordings := flag.String("recordings", "", "what was judged, in words")
	table := flag.String("table", "", "report of scripts/judge --markdown, for "+docPath)
	flag.Parse()
	if err := run(*version, *steps, *training, *judged, *row, *recordings, *table, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "embed-model:", err)
		os.Exit(1)
	}
}

func run(version, steps, training, judged, row, recordings, table string, args []string) error {
	var c card
	text, err := os.ReadFile(cardPath)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; run this in the module's root", cardPath, err)
	}
	if version != "" {
		c.Version = version
	}
	if training != "" {
		c.Training = training
	}
	switch len(args) {
	case 0:
	case 1:
		c.Quality = nil // of other weights
		if err := embed(&c, args[0], steps); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%d checkpoints, want one", len(args))
	}
	if judged != "" {
		if c.Quality, err = readQuality(judged, row, recordings); err != nil {
			return err
		}
	}
	if c.Training == "" {
		return fmt.Errorf("%s: nothing of the training; give -training", cardPath)
	}
	if err := writeCard(c); err != nil {
		return err
	}
	return updateDoc(c, table)
}

// embed writes the weights, what Go needs to find them, and the table of known models.
func embed(c *card, path, steps string) error {
	name := "facodec-" + c.Name + "-" + c.Version + ".safetensors"
	old, err := filepath.Glob(filepath.Join(folder, "*.safetensors"))
	if err != nil {
		return err
	}
	output := filepath.Join(folder, name)
	experiment, err := renamed(path, "facodec_"+c.Name)
	if err != nil {
		return err
	}
	defer os.Remove(experiment)
	metadata := map[string]string{checkpoint.NameKey: "facodec " + c.Name + " " + c.Version, "license": c.License}
	if steps != "" {
		metadata[checkpoint.StepKey], metadata[checkpoint.EpochKey] = steps, ""
	}
	r, err := convert.Export(context.Background(), path, output, convert.Options{
		Config: experiment, DType: weights.I8, Metadata: metadata,
	})
	if err != nil {
		return err
	}
	for _, o := range old {
		if o != output {
			if err := os.Remove(o); err != nil {
				return err
			}
		}
	}
	info, err := os.Stat(output)
	if err != nil {
		return err
	}
	if info.Size() > most {
		os.Remove(output)
		return fmt.Errorf("%s: %d bytes, more than %.0f", output, info.Size(), most)
	}
	m, err := codec.Open(codec.OnDisk(output), codec.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	hexed := func(f [16]byte) string { return hex.EncodeToString(f[:]) }
	q, d := m.Fingerprints()
	entry := known.Model{
		Name: c.Name + " " + c.Version, Quantizer: hexed(q), Decoder: hexed(d),
		Timbre: hexed(m.TimbreFingerprint()), Tokens: hexed(m.TokensFingerprint()),
	}
	c.Parameters, c.Quantizer, c.Decoder = r.Parameters, entry.Quantizer, entry.Decoder
	if c.STOI, err = stoiOf(output); err != nil {
		return err
	}
	c.STOIFloor = math.Floor(100*(c.STOI-margin)) / 100
	if err := updateReadme(output); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %d parameters, STOI of testdata/speech %.3f\n", output, info.Size(), r.Parameters, c.STOI)
	if err := writeGo(filepath.Join(folder, "model.go"), fmt.Sprintf(`package defaultmodel

import _ "embed"

// The model that is embedded.
const (
	Name     = %q
	Version  = %q
	License  = %q // of the weights
	FileName = %q
)

//go:embed %s
var checkpoint []byte
`, c.Name, c.Version, c.License, name, name)); err != nil {
		return err
	}
	return writeKnown(entry)
}

// renamed writes the experiment of a checkpoint under another name to a file, and returns
// its path.
func renamed(path, name string) (string, error) {
	file, err := weights.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	c, err := checkpoint.Config(file, path, checkpoint.Beside(path))
	if err != nil {
		return "", err
	}
	c.ExpName = name
	text, err := c.Indented()
	if err != nil {
		return "", err
	}
	out, err := os.CreateTemp("", "embed-model-*.json")
	if err != nil {
		return "", err
	}
	_, err = out.Write(text)
	return out.Name(), errors.Join(err, out.Close())
}

// writeKnown puts a model into the table, in place of one with its name.
func writeKnown(entry known.Model) error {
	models := slices.Clone(known.Models)
	if i := slices.IndexFunc(models, func(m known.Model) bool { return m.Name == entry.Name }); i >= 0 {
		models[i] = entry
	} else {
		models = append(models, entry)
	}
	var b bytes.Buffer
	b.WriteString("package known\n\n// Models are all that were published, the oldest first.\nvar Models = []Model{\n")
	for _, m := range models {
		fmt.Fprintf(&b, "{Name: %q,\nQuantizer: %q,\nDecoder: %q,\nTimbre: %q,\nTokens: %q},\n", m.Name, m.Quantizer, m.Decoder, m.Timbre, m.Tokens)
	}
	b.WriteString("}\n")
	return writeGo("internal/known/models.go", b.String())
}

func writeGo(path, source string) error {
	text, err := format.Source([]byte("// Code generated by scripts/embed-model. DO NOT EDIT.\n\n" + source))
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// stoiOf returns the mean STOI of the reconstructions of testdata/speech.
func stoiOf(path string) (float64, error) {
	c, err := facodec.Open(path)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	s, err := metric.NewSTOI(c.SampleRate())
	if err != nil {
		return 0, err
	}
	clips, err := filepath.Glob("testdata/speech/*.flac")
	if err != nil || len(clips) == 0 {
		return 0, fmt.Errorf("testdata/speech: no clips: %w", err)
	}
	sum := 0.0
	for _, clip := range clips {
		x, err := audio.ReadFile(clip, c.SampleRate())
		if err != nil {
			return 0, err
		}
		y, err := c.Reconstruct(x)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", clip, err)
		}
		sum += s.Measure(x, y)
	}
	return math.Round(1e4*sum/float64(len(clips))) / 1e4, nil
}

// updateReadme puts the model's numbers into the README's examples.
func updateReadme(path string) error {
	c, err := facodec.Open(path, facodec.WithoutEncoder(), facodec.WithoutDecoder())
	if err != nil {
		return err
	}
	defer c.Close()
	var voices []*facodec.Voice
	for _, clip := range []string{"it.flac", "fr.flac"} {
		v, err := c.EnrollFiles(context.Background(), []string{"testdata/speech/" + clip}, facodec.EnrollOptions{})
		if err != nil {
			return err
		}
		voices = append(voices, v)
	}
	cosine, err := voices[0].Cosine(voices[1])
	if err != nil {
		return err
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	example := regexp.MustCompile(`(?m)^(\$ facodec voice compare it\.voice testdata/speech/fr\.flac --quiet\n).*$`)
	if !example.Match(text) {
		return errors.New("README.md: no example of facodec voice compare")
	}
	return os.WriteFile("README.md", example.ReplaceAll(text, fmt.Appendf(nil, "${1}%.4f", cosine)), 0o644)
}

// readQuality reads a row of scripts/judge's report.
func readQuality(path, row, recordings string) (*quality, error) {
	if row == "" || recordings == "" {
		return nil, fmt.Errorf("%s: give -row and -recordings", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var report struct {
		Systems map[string]struct {
			Clips   map[string]json.RawMessage
			Metrics map[string]struct{ Mean *float64 }
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s, ok := report.Systems[row]
	if !ok {
		return nil, fmt.Errorf("%s: no row %q", path, row)
	}
	q := &quality{Recordings: recordings, Clips: len(s.Clips), Means: map[string]float64{}}
	for name, m := range s.Metrics {
		if m.Mean != nil {
			q.Means[name] = math.Round(1e3**m.Mean) / 1e3
		}
	}
	return q, nil
}

func writeCard(c card) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return err
	}
	return os.WriteFile(cardPath, b.Bytes(), 0o644)
}

// updateDoc puts into the card for readers what the marks in it are for.
func updateDoc(c card, table string) error {
	text, err := os.ReadFile(docPath)
	if err != nil {
		return err
	}
	facts := fmt.Sprintf("| | |\n|---|---|\n| model | %s %s |\n| parameters | %.2f million in encoder, quantizer and decoder |\n| training | %s |\n| quantizer, decoder | `%s`, `%s` |\n| our STOI on `testdata/speech` | %.3f |\n",
		c.Name, c.Version, float64(c.Parameters)/1e6, c.Training, c.Quantizer, c.Decoder, c.STOI)
	if text, err = between(text, "facts", facts); err != nil {
		return err
	}
	if table != "" {
		judged, err := os.ReadFile(table)
		if err != nil {
			return err
		}
		if text, err = between(text, "judged", strings.TrimSpace(string(judged))+"\n"); err != nil {
			return err
		}
	}
	return os.WriteFile(docPath, text, 0o644)
}

// between replaces what stands between the marks of a name.
func between(text []byte, name, content string) ([]byte, error) {
	marks := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- end of ` + name + ` -->)`)
	if !marks.Match(text) {
		return nil, fmt.Errorf("%s: no <!-- %s --> … <!-- end of %[2]s -->", docPath, name)
	}
	return marks.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(content, "$", "$$")+"${2}")), nil
}
