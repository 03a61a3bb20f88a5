package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/bench"
	"github.com/facodec-go/facodec/internal/describe"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/plural"
)

func newInfo() *cobra.Command {
	var config string
	var tensors, asJSON bool
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Describe a checkpoint, an experiment file, a .fac file, codes or a voice",
		Long: `Info describes a checkpoint (safetensors, PyTorch) or an experiment file (JSON, YAML):
its networks with their tensors and parameters, sample rate, frame rate, codebooks and
bitrate, how far it was trained, and which keys of the configuration have no effect.
Checkpoints of other networks are listed, too. A checkpoint on the Hugging Face hub,
hf://ORG/NAME or hf://ORG/NAME/FILE, is downloaded. For the built-in model, default, it
also prints the card: data, training, licence, measured quality.

Of a .fac file it says length, books and bitrate, and which quantizer and decoder
it is for, having read it to its end: damage is an error. Of codes in .npz or .safetensors,
those of extract or of a language model, it says how many frames, books and entries there
are. Of a voice it says from how much speech it was enrolled, and which model it is for.`,
		Example: `  facodec weights random try.safetensors
  facodec info try.safetensors
  facodec info default
  facodec info --tensors try.safetensors
  facodec info --json try.safetensors
  facodec encode testdata/speech/en.flac -o en.fac
  facodec info en.fac`,
		Args: wantArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if d, err := describeOutput(args[0]); d != nil || err != nil {
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(out, d)
				}
				return printed(out, d.print)
			}
			if args[0] == builtin {
				return describeBuiltin(out, tensors, asJSON)
			}
			if _, err := os.Stat(args[0]); err != nil && isRandom(args[0]) {
				return fmt.Errorf("%s is no file, but the name of a codec of random weights; facodec weights random FILE writes such a one, which info describes", args[0])
			}
			path, err := localCheckpoint(cmd, args[0])
			if err != nil {
				return err
			}
			d, err := describe.Describe(path, config)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(out, jsonDescription(d, tensors))
			}
			uses := probe(d)
			return printed(out, func(w io.Writer) {
				printDescription(w, d, tensors)
				if uses != nil {
					printUses(func(format string, args ...any) { fmt.Fprintln(w, oneLine(fmt.Sprintf(format, args...))) },
						", of an artificial voice of 2 s", uses)
				}
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&config, "config", "", "experiment `file` of a checkpoint that carries none and has none beside it")
	flags.BoolVar(&tensors, "tensors", false, "list every tensor, too")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// probe encodes an artificial voice with a codec of the NaturalSpeech 3 family, whose
// codes are known to collapse where its files are not what they were trained to be; nil
// where the files are no codec.
func probe(d *describe.Description) []bookUse {
	if d.Family != string(facodec.NaturalSpeech3) || d.Problem != "" {
		return nil
	}
	c, err := facodec.Open(d.File, facodec.WithoutDecoder())
	if err != nil {
		return nil
	}
	defer c.Close()
	tokens, err := c.Encode(bench.Vowel(2*c.SampleRate(), c.SampleRate()))
	if err != nil {
		return nil
	}
	uses := newBookUses(c.Books(), c.CodebookSize())
	if uses.add(tokens.Codes) != nil {
		return nil
	}
	return uses.list()
}

// printed has f print and returns the first error of it.
func printed(out io.Writer, f func(io.Writer)) error {
	w := &stickyWriter{w: out}
	f(w)
	if w.err != nil {
		return fileerr.Write("stdout", w.err)
	}
	return nil
}

// jsonDescription is a description with or without every tensor.
func jsonDescription(d *describe.Description, tensors bool) any {
	if !tensors {
		return d
	}
	list := []describe.Tensor{}
	for _, n := range append(d.Networks[:len(d.Networks):len(d.Networks)], d.State...) {
		list = append(list, n.List...)
	}
	return struct {
		*describe.Description
		List []describe.Tensor `json:"tensor_list"`
	}{d, list}
}

func printDescription(out io.Writer, d *describe.Description, tensors bool) {
	line := func(format string, args ...any) { fmt.Fprintln(out, oneLine(fmt.Sprintf(format, args...))) }
	kind := "experiment file"
	if d.Kind == "checkpoint" {
		kind = d.Format + " checkpoint"
	}
	line("%s: %s, %s", d.File, kind, megabytes(d.Bytes))
	if d.Name != "" {
		line("  name           %s", d.Name)
	}
	if m := d.Model; m != nil {
		printModel(line, d)
	} else if d.Family == "" {
		line("  configuration  none in the checkpoint, none beside it; give one with --config")
	}
	switch {
	case d.Random != "":
		line("  training       none: random weights (%s), for trying", d.Random)
	case d.Step != nil && d.Epoch != nil:
		line("  training       step %s, epoch %d", grouped(*d.Step), *d.Epoch)
	case d.Step != nil:
		line("  training       step %s", grouped(*d.Step))
	}
	line("  parameters     %s in %s", grouped(d.Parameters), plural.Of(d.Tensors, "tensor"))
	printNetworks(line, d.Networks, func(n describe.Network) string {
		switch {
		case n.Inference:
			return ", runs"
		case d.Model == nil && d.Family == "":
			return ""
		}
		return ", training only"
	})
	if len(d.State) > 0 {
		line("  to continue training; facodec weights export leaves it out")
		printNetworks(line, d.State, func(n describe.Network) string {
			if use, ok := stateUses[n.Name]; ok {
				return ", " + use
			}
			return ""
		})
	}
	if m := d.Model; m != nil && len(m.UnusedKeys) > 0 {
		line("  without effect in the configuration: %s", strings.Join(m.UnusedKeys, ", "))
	}
	if d.License != "" {
		line("  licence        %s", d.License)
	}
	if d.Problem != "" {
		line("  does not fit its configuration: %s", d.Problem)
	}
	if tensors {
		printTensors(out, d)
	}
}

// stateUses say what the parts of a training run's state are.
var stateUses = map[string]string{
	"train": "the networks that learn; those above are their running means",
	"adamw": "moments of the optimizers",
}

func printNetworks(line func(string, ...any), networks []describe.Network, use func(describe.Network) string) {
	name, parameters := 0, 0
	for _, n := range networks {
		name, parameters = max(name, len(n.Name)), max(parameters, len(grouped(n.Parameters)))
	}
	for _, n := range networks {
		line("    %-*s  %*s in %s %s%s", name, n.Name, parameters, grouped(n.Parameters),
			plural.Of(n.Tensors, "tensor"), strings.Join(n.Types, ","), use(n))
	}
}

func printModel(line func(string, ...any), d *describe.Description) {
	m := d.Model
	if d.Kind == "checkpoint" {
		line("  model          %s, configuration %s", m.Type, m.Config)
	} else {
		line("  model          %s", m.Type)
	}
	line("  sound          %d Hz, mono", m.SampleRate)
	line("  frames         %s a second, %s each", trim(m.FrameRate), plural.Of(m.HopLength, "sample"))
	line("  books          %s, of %s with %s", model.DescribeBooks(m.Books), plural.Of(m.CodebookSize, "entry"), plural.Of(m.CodebookDim, "value"))
	line("  bitrate        %s kbit/s of all books", trim(m.Bitrate/1000))
	line("  timbre         %s", plural.Of(m.LatentDim, "value"))
	if l := m.Lookahead; l != nil {
		line("  streaming      codes %s ms behind, samples %s ms behind; %s at the end of the recording",
			trim(1000*float64(l.EncoderSamples)/float64(m.SampleRate)), trim(1000*float64(l.DecoderFrames)/m.FrameRate), strings.Join(l.Whole, " and "))
	} else if m.Causal {
		line("  streaming      yes: causal")
	} else {
		line("  streaming      with lookahead: not causal")
	}
}

func printTensors(out io.Writer, d *describe.Description) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, n := range append(d.Networks[:len(d.Networks):len(d.Networks)], d.State...) {
		for _, t := range n.List {
			fmt.Fprintf(w, "%s\t%s\t%s\n", oneLine(t.Name), t.Type, shapeText(t.Shape))
		}
	}
	w.Flush()
}

func shapeText(shape []int) string {
	var dims []string
	for _, d := range shape {
		dims = append(dims, strconv.Itoa(d))
	}
	return "[" + strings.Join(dims, ", ") + "]"
}

func megabytes(n int64) string {
	if n < 1e5 {
		return fmt.Sprintf("%s bytes", grouped(n))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// trim prints a number with up to three decimals.
func trim(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(x, 'f', 3, 64), "0"), ".")
}

// grouped prints 1234567 as 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// A stickyWriter keeps the first error, so that printing need not look at each.
type stickyWriter struct {
	w   io.Writer
	err error
}

var errSkipped = errors.New("an earlier write failed")

func (s *stickyWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, errSkipped
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}
