package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/plural"
)

func newWeights() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weights",
		Short: "Convert and shrink checkpoints, or write random weights",
		Long: `Weights works on checkpoints: convert changes the format, export extracts the inference
networks from a training checkpoint, random writes random weights for trying and testing.`,
		Example: `  facodec weights random try.safetensors
  facodec weights convert try.safetensors try.pth`,
		Args: commandArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWeightsConvert(), newWeightsExport(), newWeightsRandom())
	return cmd
}

// weightsFlags are those of the commands that write a checkpoint.
type weightsFlags struct {
	config string
	force  bool
	quiet  bool
	json   bool
}

func (f *weightsFlags) add(cmd *cobra.Command, config string) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.config, "config", "", config)
	flags.BoolVar(&f.force, "force", false, "overwrite an output that exists; otherwise it is kept if it is the same")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	flags.BoolVar(&f.json, "json", false, "print a report to stdout")
}

// weightsReport is what --json prints.
type weightsReport struct {
	convert.Report
	Bytes int64 `json:"bytes"`
	Kept  bool  `json:"kept"` // the output existed and is the same
}

// write runs writeTo, which writes a checkpoint, with a bar, and reports on it.
func (f *weightsFlags) write(cmd *cobra.Command, output string, writeTo func(path string, o convert.Options) (convert.Report, error)) error {
	show := newDisplay(cmd.ErrOrStderr(), f.quiet)
	if err := convert.CheckOutput(output); err != nil { // before the input is downloaded
		return err
	}
	r := weightsReport{}
	show.startBar(1, func(done, total float64) string {
		return fmt.Sprintf("%.0f of %.0f MB", done/1e6, total/1e6)
	})
	kept, err := writeOrKeep(output, f.force, func(path string) (err error) {
		r.Report, err = writeTo(path, convert.Options{Config: f.config, Progress: func(done, total int64) {
			show.progress(float64(done), float64(total), filepath.Base(output))
		}})
		return err
	})
	show.stopBar()
	if err != nil {
		return cureOpening(err, "--config")
	}
	r.Output, r.Kept = output, kept
	if info, err := os.Stat(output); err == nil {
		r.Bytes = info.Size()
	}
	if kept {
		show.info("%s: exists and is kept; --force overwrites it", output)
	} else {
		if len(r.LeftOut) > 0 {
			show.notice("left out: %v", r.LeftOut)
		}
		show.info("%s: %s, %s, %s parameters, %.1f MB", output, r.Format, plural.Of(r.Tensors, "tensor"), grouped(r.Parameters), float64(r.Bytes)/1e6)
	}
	if r.LeftOut == nil {
		r.LeftOut = []string{}
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), r)
	}
	return nil
}

func newWeightsConvert() *cobra.Command {
	var flags weightsFlags
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert a checkpoint between safetensors and PyTorch",
		Long: `Convert writes the checkpoint IN to OUT, whose file extension sets the format:
.safetensors, or .pth, .pt or .bin for a PyTorch file that upstream loads.
IN may be safetensors, a PyTorch file of either container format, the index of one
that is split (model.safetensors.index.json), a folder with one of these, or a name
on the Hugging Face hub, hf://ORG/NAME or hf://ORG/NAME/FILE.

All networks are copied, those for training too (predictors, discriminators), with the
configuration, the training step and the epoch. A configuration that is given, or lies
next to IN, is stored in OUT, so that OUT needs no other file. Values
become float32. Optimizers and schedulers are left out, of a training run here also
the networks as they learn (those that go along are their running means), and named.
What no command could open is an error.`,
		Example: `  facodec weights random try.safetensors
  facodec weights convert try.safetensors try.pth
  facodec weights convert --config config.yml pytorch_model.bin facodec.safetensors`,
		Args: wantArgs("IN", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.write(cmd, args[1], func(path string, o convert.Options) (convert.Report, error) {
				input, data, err := inMemory(cmd, args[0])
				if err != nil {
					return convert.Report{}, err
				}
				o.Data = data
				return convert.Convert(cmd.Context(), input, path, o)
			})
		},
	}
	flags.add(cmd, "experiment `file` to put into OUT (default: the one that IN carries, or that lies beside it)")
	return cmd
}

func newWeightsRandom() *cobra.Command {
	var flags weightsFlags
	var seed uint64
	var redecoder bool
	var family string
	cmd := &cobra.Command{
		Use:     "random OUT",
		Aliases: []string{"synthesize"},
		Short:   "Write a checkpoint of random weights, for trying and testing",
		Long: `Random writes a checkpoint of encoder, quantizer and decoder with random weights,
which depend on the seed and the names of the parameters. A codec with random weights
does the same work as a trained one in the same time, and decodes to noise: for trying
the program, benchmarks and tests.

It is of full size, 550 MB, unless --config sets another. The file extension of OUT sets
the format: .safetensors, or .pth, .pt or .bin for PyTorch.

With --family ns3 OUT is a folder for the five files of the NaturalSpeech 3 family,
called as they are published, 406 MB.`,
		Example: `  facodec weights random --seed 0 try.safetensors
  facodec weights random --redecoder try-redecoder.safetensors
  facodec weights random --family ns3 try-ns3`,
		Args: wantArgs("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case family == "ns3" && flags.config == "" && !redecoder:
				return flags.randomNS3(cmd, args[0], seed)
			case family != "facodec":
				return &usageError{cmd.CommandPath(), fmt.Errorf("--family %q: give facodec, or ns3 without --config and --redecoder", family)}
			}
			return flags.write(cmd, args[0], func(path string, o convert.Options) (convert.Report, error) {
				return convert.Random(cmd.Context(), path, seed, redecoder, o)
			})
		},
	}
	flags.add(cmd, "experiment `file` that says what networks to make (default: the standard codec)")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "`number` that the weights follow from")
	cmd.Flags().BoolVar(&redecoder, "redecoder", false, "make a redecoder instead of a codec")
	cmd.Flags().StringVar(&family, "family", "facodec", "`facodec` or ns3, the NaturalSpeech 3 family")
	return cmd
}

// randomNS3 writes the files of the NaturalSpeech 3 family into a folder.
func (f *weightsFlags) randomNS3(cmd *cobra.Command, folder string, seed uint64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fileerr.Write(folder, err)
	}
	for _, kind := range ns3.Kinds {
		output := filepath.Join(folder, strings.TrimSuffix(kind.Published(), ".bin")+".safetensors")
		err := f.write(cmd, output, func(path string, o convert.Options) (convert.Report, error) {
			return convert.RandomNS3(cmd.Context(), path, seed, kind, o)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
