package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/extract"
)

// extractFlags are a batch's and those of what is written.
type extractFlags struct {
	batchFlags
	what      string
	format    string
	shard     string
	shardSize string
	maxBad    float64

	speakerField string
	normalize    bool
	strict       bool
}

// formats are the file extensions of outputs.
var formats = []string{"npz", "jsonl", "safetensors", "webdataset", "parquet"}

func newExtract() *cobra.Command {
	var flags extractFlags
	cmd := &cobra.Command{
		Use:   "extract --source FILE... --output-dir DIR [--checkpoint-path CHECKPOINT]",
		Short: "Write the codes of recordings, for training other models on them",
		Long: `Extract encodes recordings and writes arrays to train language and speech models on.
T is the number of frames: 80 per second in the standard configuration, the last one
padded.

  codes      codes_prosody   int32 [1, T]
             codes_content   int32 [2, T]
             codes_residual  int32 [3, T]        entries 0 to 1023
  timbre     timbre          float32 [1024]      one vector for the recording; 192 values
                                                 instead of 1024 with the built-in model
  quantized  quantized_prosody, quantized_content, quantized_residual
                             float32 [1024, T]   sums of codebook entries, projected
  float16    timbre and quantized are float16 instead

--what selects the arrays, --format the files:

  npz          DIR/<name>.npz for each recording: numpy.load
  safetensors  DIR/<name>.safetensors, with samples, rates and model in its metadata
  jsonl        DIR/codes.jsonl, a line of JSON for each recording (no quantized)
  webdataset   DIR/codes-000000.tar and so on, in each key.npz and key.json (no quantized)
  parquet      DIR/codes-000000.parquet and so on, a row for each recording (no quantized)

DIR/manifest.jsonl has a line for each output: path, output, offset, bytes, sha256,
samples, seconds, frames, and what it was made from and with. An interrupted run continues
after the last output in the manifest. --force overwrites everything. Outputs of other
settings, of another model or of a source that has changed since are not mixed in. Only
one process at a time writes to a manifest.

Files of webdataset and parquet are of --max-shard-size at most, each there as a whole or not
at all. Their keys are those of the corpus, or paths without extension.

--shard I/N processes the recordings whose path hashes to part I of N, counted from 0,
so that N machines share a corpus; adding recordings does not move the others.
Kubernetes Indexed Jobs (JOB_COMPLETION_INDEX of JOB_COMPLETIONS) and Slurm arrays
(SLURM_ARRAY_TASK_ID) need no flag. Each shard has a manifest-00003-of-00016.jsonl
and codes-00003-of-00016.jsonl of its own.

A source may also be a corpus as it is kept elsewhere: WebDataset shards (.tar; shards
may be named shard-{000000..000999}.tar or 'shard-*.tar'), Parquet tables with an Audio
column (.parquet), Lhotse recordings or cuts (.jsonl, .jsonl.gz), Kaldi's wav.scp with the
segments beside it, or a list of files, one path a line (@list.txt). Nothing is unpacked;
where the items lie is kept in DIR/shard-index. Outputs are named after the keys of the
corpus. --shard divides such a corpus by its shards. A shard that is cut, a broken line or
an item without sound is named, counted and skipped.

With many recordings each thread processes one. One that fails is reported, the others
are still processed, and the exit code is 2.`,
		Example: `  facodec extract --source testdata/speech --output-dir codes
  facodec extract --source testdata/speech --output-dir lines --format jsonl --what codes
  facodec extract --source testdata/speech/en.flac --output-dir all --format safetensors --what codes,timbre,quantized,float16
  facodec extract --source testdata/speech --output-dir codes --shard 0/4
  facodec extract --source testdata/speech --output-dir packed --format webdataset`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.sources = append(flags.sources, args...)
			return flags.run(cmd)
		},
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.format, "format", "npz", "npz, safetensors: a `file` for each recording; jsonl: a line for each; webdataset, parquet: files of many")
	f.StringVar(&flags.shardSize, "max-shard-size", "500MB", "how large files of webdataset (.tar) and parquet (before compression) become, 200MB or 2GB say")
	f.StringVar(&flags.what, "what", "codes,timbre", "arrays to write: `list` of codes, timbre, quantized, and float16")
	f.StringVar(&flags.shard, "shard", "", "`I/N`: do part I of N of the recordings, counted from 0 (default: that of Kubernetes or Slurm, or all)")
	addMaxBad(cmd, &flags.maxBad)
	f.StringVar(&flags.speakerField, "speaker-field", "", "`field` of the JSON in shards, or column of a table, with the speaker's name, which goes into the manifest (default: speaker, where there is one)")
	addNormalize(cmd, &flags.normalize)
	addStrict(cmd, &flags.strict)
	return cmd
}

func (f *extractFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	usage := func(err error) error { return &usageError{cmd.CommandPath(), err} }
	if !slices.Contains(formats, f.format) {
		return usage(fmt.Errorf("--format: %q is not one of %s", f.format, strings.Join(formats, ", ")))
	}
	what, err := extract.ParseWhat(f.what)
	if err != nil {
		return usage(fmt.Errorf("--what: %w", err))
	}
	if what.Quantized && f.inLines() {
		return usage(errors.New("--what: quantized frames, 1 MB a second, go into files of their own; give --format npz or safetensors"))
	}
	x := &extraction{extractFlags: f, arrays: what}
	if x.maxShard, err = parseBytes(f.shardSize); err != nil {
		return usage(fmt.Errorf("--max-shard-size: %w", err))
	}
	if !f.packed() && cmd.Flags().Changed("max-shard-size") {
		return usage(fmt.Errorf("--max-shard-size: files of --format %s are not split", f.format))
	}
	if !(f.maxBad >= 0 && f.maxBad <= 100) {
		return usage(fmt.Errorf("--max-bad: %g is no percentage", f.maxBad))
	}
	if err := x.chooseShard(cmd); err != nil {
		return usage(err)
	}
	b := batch{
		batchFlags: &f.batchFlags,
		find: func(passed passedOver, fail func(string, error)) []source {
			return x.find(cmd.Context(), passed, fail)
		},
		badShare:  f.maxBad / 100,
		plan:      x.plan,
		open:      func(context.Context) (worker, error) { return x.open(cmd) },
		together:  true,
		oneOutput: f.inLines(),
	}
	return b.run(cmd)
}

// packed says whether outputs are files of many recordings each, and inLines, whether
// recordings become lines, of the output or of what it is packed of.
func (f *extractFlags) packed() bool  { return f.format == "webdataset" || f.format == "parquet" }
func (f *extractFlags) inLines() bool { return f.packed() || f.format == "jsonl" }

// extension is that of the outputs.
func (f *extractFlags) extension() string {
	if f.format == "webdataset" {
		return ".tar"
	}
	return "." + f.format
}

// parseBytes reads 500MB, 2GB, 300KiB or a number of bytes.
func parseBytes(text string) (int64, error) {
	units := []struct {
		name string
		size float64
	}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.ToUpper(text), u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v*u.size >= 1 && v*u.size <= 1e15) {
			break
		}
		return int64(v * u.size), nil
	}
	return 0, fmt.Errorf("%q is no size such as 500MB or 2GB", text)
}
