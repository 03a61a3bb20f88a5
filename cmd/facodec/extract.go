package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/extract"
)

// extractFlags are a batch's and those of what is written.
type extractFlags struct {
	batchFlags
	what   string
	format string
	shard  string
	maxBad float64

	speakerField string
	normalize    bool
	strict       bool
}

// formats are the file extensions of outputs.
var formats = []string{"npz", "jsonl", "safetensors"}

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
  timbre     timbre          float32 [1024]      one vector for the recording
  quantized  quantized_prosody, quantized_content, quantized_residual
                             float32 [1024, T]   sums of codebook entries, projected
  float16    timbre and quantized are float16 instead

--what selects the arrays, --format the files:

  npz          DIR/<name>.npz for each recording: numpy.load
  safetensors  DIR/<name>.safetensors, with samples, rates and model in its metadata
  jsonl        DIR/codes.jsonl, a line of JSON for each recording (no quantized)

DIR/manifest.jsonl has a line for each output: path, output, offset, bytes, sha256,
samples, seconds, frames, and what it was made from and with. An interrupted run continues
after the last output in the manifest. --force overwrites everything. Outputs of other
settings, of another model or of a source that has changed since are not mixed in. Only
one process at a time writes to a manifest.

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
  facodec extract --source testdata/speech --output-dir codes --shard 0/4`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.sources = append(flags.sources, args...)
			return flags.run(cmd)
		},
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.format, "format", "npz", "npz, safetensors: a `file` for each recording; jsonl: a line for each")
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
		return usage(fmt.Errorf("--format: %q is not one of npz, jsonl, safetensors", f.format))
	}
	what, err := extract.ParseWhat(f.what)
	if err != nil {
		return usage(fmt.Errorf("--what: %w", err))
	}
	if what.Quantized && f.format == "jsonl" {
		return usage(errors.New("--what: quantized frames are too much for lines of text; give --format npz or safetensors"))
	}
	x := &extraction{extractFlags: f, arrays: what}
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
		oneOutput: f.format == "jsonl",
	}
	return b.run(cmd)
}
