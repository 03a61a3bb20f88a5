package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/describe"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// builtin is the name of the built-in model wherever a command takes a checkpoint; a
// file of that name is ./default.
const builtin = "default"

// conversionNotices returns what a command that converts voices has to say of the codec whose
// decoder does it.
func (f *modelFlags) conversionNotices() []string {
	if f.checkpoint != builtin {
		return nil
	}
	return []string{builtinConverts}
}

// builtinConverts is what conversions say of the built-in model; docs/model.md has the figures.
const builtinConverts = "the built-in model " + defaultmodel.Title + " keeps some of the source's voice; see docs/model.md"

// builtinNotice says which model works where none was named.
const builtinNotice = "the built-in model " + defaultmodel.Title + "; --checkpoint-path names another"

// openWeights opens the file of a checkpoint: the built-in one, one that is downloaded,
// or the one at a path.
func openWeights(cmd *cobra.Command, name string) (*weights.File, error) {
	if name == builtin {
		return weights.OpenBytes(defaultmodel.FileName, defaultmodel.Checkpoint())
	}
	path, err := localCheckpoint(cmd, name)
	if err != nil {
		return nil, err
	}
	return weights.Open(path)
}

// inMemory returns the built-in model's file, if that is what name says, or where another
// checkpoint lies.
func inMemory(cmd *cobra.Command, name string) (path string, data []byte, err error) {
	if name == builtin {
		return defaultmodel.FileName, defaultmodel.Checkpoint(), nil
	}
	path, err = localCheckpoint(cmd, name)
	return path, nil, err
}

// cureModel adds to an error of a .fac file or a voice that another model made which
// checkpoint cures it.
func (f *modelFlags) cureModel(err error, path string, codec *facodec.Codec) error {
	if !errors.Is(err, facodec.ErrTokens) && !errors.Is(err, facodec.ErrVoice) {
		return err
	}
	made, other := modelOf(path, codec)
	switch {
	case !other, made == defaultmodel.Title && f.checkpoint == builtin: // it is damaged
		return err
	case made == defaultmodel.Title:
		return fmt.Errorf("%w; --checkpoint-path %s is that model", err, builtin)
	case f.checkpoint == builtin && made != "":
		return fmt.Errorf("%w; this is the built-in model %s: docs/model.md says where %s is kept, and --checkpoint-path names it",
			err, defaultmodel.Title, made)
	case f.checkpoint == builtin:
		return fmt.Errorf("%w; this is the built-in model %s, and --checkpoint-path names another", err, defaultmodel.Title)
	}
	return err
}

// cureVoices is cureModel for the files of a voice.
func (f *modelFlags) cureVoices(err error, files []string, codec *facodec.Codec) error {
	for _, path := range files {
		if _, other := modelOf(path, codec); other {
			return f.cureModel(err, path, codec)
		}
	}
	return err
}

// modelOf returns the name of the known model, if it is one, that a .fac file or a voice is
// of, and whether that is another than codec.
func modelOf(path string, codec *facodec.Codec) (name string, other bool) {
	if fac.IsFile(path) {
		file, err := os.Open(path)
		if err != nil {
			return "", false
		}
		defer file.Close()
		r, err := fac.NewReader(file)
		if err != nil {
			return "", false
		}
		_, err = r.Header().Check(codec)
		return known.NameOf(r.Header().Quantizer.String()), err != nil
	}
	if !facodec.IsVoiceFile(path) {
		return "", false
	}
	v, err := facodec.LoadVoice(path)
	if err != nil {
		return "", false
	}
	return known.NameOf(v.Model.String()), codec.CheckVoice(v) != nil
}

// judges are the names of the measures that info prints of the built-in model's card, in
// its order.
var judges = []struct{ key, name string }{
	{"pesq", "PESQ-WB"}, {"stoi", "STOI"}, {"estoi", "ESTOI"}, {"dnsmos", "DNSMOS"},
	{"f0_correlation", "f0 correlation"}, {"similarity", "speaker similarity"},
}

// describeBuiltin describes the built-in model.
func describeBuiltin(out io.Writer, tensors, asJSON bool) error {
	d, err := describe.InMemory(defaultmodel.FileName, defaultmodel.Checkpoint())
	if err != nil {
		return err
	}
	card := defaultmodel.ReadCard()
	if asJSON {
		return printJSON(out, struct {
			Card        defaultmodel.Card `json:"card"`
			Description any               `json:"description"`
		}{card, jsonDescription(d, tensors)})
	}
	return printed(out, func(w io.Writer) {
		printDescription(w, d, false)
		printCard(w, card)
		if tensors {
			printTensors(w, d)
		}
	})
}

// printCard prints what the built-in model's card says.
func printCard(out io.Writer, c defaultmodel.Card) {
	line := func(name, text string) { fmt.Fprintf(out, "  %-14s %s\n", name, oneLine(text)) }
	line("architecture", c.Architecture)
	line("data", c.Data)
	line("trained", c.Training)
	line("licence", c.License)
	if q := c.Quality; q != nil {
		var means []string
		for _, j := range judges {
			if x, ok := q.Means[j.key]; ok {
				means = append(means, j.name+" "+trim(x))
			}
		}
		line("quality", strings.Join(slices.Clip(means), ", ")+fmt.Sprintf(" (means of %s: %s)", plural.Of(q.Clips, "recording"), q.Recordings))
	}
	line("card", "docs/model.md")
}
