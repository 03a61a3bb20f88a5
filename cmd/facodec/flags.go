package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/nn"
)

// expandLists lets the flags that may be repeated take several values in a row,
// as upstream's parser does and as a shell's pattern gives them:
//
//	--source a.wav b.wav --reference r.wav
//
// becomes --source=a.wav --source=b.wav --reference=r.wav.
func expandLists(args []string) []string {
	if len(args) > 0 && strings.HasPrefix(args[0], "__") {
		return args // the shell's completion asks with a line as it is
	}
	var out []string
	list := "" // the flag whose values follow
	for i, arg := range args {
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case arg == "--source" || arg == "--reference":
			list = arg
			if i+1 == len(args) || strings.HasPrefix(args[i+1], "-") {
				out = append(out, arg) // without a value: pflag says so
				list = ""
			}
		case strings.HasPrefix(arg, "--source=") || strings.HasPrefix(arg, "--reference="):
			list, _, _ = strings.Cut(arg, "=")
			out = append(out, arg)
		case strings.HasPrefix(arg, "-"):
			list = ""
			out = append(out, arg)
		case list != "":
			out = append(out, list+"="+arg)
		default:
			out = append(out, arg)
		}
	}
	return out
}

// modelFlags say which codec works, and on how many threads.
type modelFlags struct {
	checkpoint string
	config     string
	version    string
	precision  string
	threads    int
	alone      bool // several files are worked on, each of them on one thread
	live       bool // frames are computed as they come
}

func (f *modelFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.checkpoint, "checkpoint-path", builtin, "`file` with the codec's weights: safetensors or PyTorch; default: the built-in model; hf://Plachta/FAcodec: the published one, downloaded; random: random weights, for trying. Of the NaturalSpeech 3 family the folder of its files or one of them, hf://amphion/naturalspeech3_facodec, or random-ns3")
	flags.StringVar(&f.config, "config", "", "experiment `file`; needed only if the checkpoint carries none and no config.yml lies beside it")
	flags.StringVar(&f.version, "version", "", "`v1` or v2: which codec of the NaturalSpeech 3 family, of a folder with both (default v1)")
	flags.StringVar(&f.precision, "precision", facodec.DefaultPrecision, "how products are computed, by `name`: exact, fast, bf16 or int8. exact: float32, every sum in one fixed order. fast: float32 with a third of the multiplications in most convolutions, or with AMX two bfloat16 values for each number, and large weights in 16 bits; decoded sound is within -60 dB of exact, and at least 99.9 % of codes are equal. bf16: bfloat16 products with float32 sums; within -35 dB, at least 98 % of the first book's codes equal. int8: bf16 with the weights of large layers in 8 bits, for less memory; within the same bounds. Results depend neither on threads nor on chunks at any of them")
	flags.IntVar(&f.threads, "threads", 0, "number of threads (default: one per CPU); results do not depend on it")
}

// addLive adds the flags of a command that computes frames as they come.
func (f *modelFlags) addLive(cmd *cobra.Command) {
	f.add(cmd)
	f.live = true
	cmd.Flags().Lookup("threads").Usage = "number of threads (default: 1 for the built-in model, else one per CPU); results do not depend on it"
}

// errNoCheckpoint says where codecs come from.
var errNoCheckpoint = errors.New("--checkpoint-path is empty: name a file, or default for the built-in model, hf://Plachta/FAcodec " +
	"for the published codec, which is downloaded, or random to try the program with random weights")

// isRandom says whether a checkpoint is the name of a codec of random weights, which
// needs no file; synthetic is its older name.
func isRandom(checkpoint string) bool {
	return checkpoint == "random" || checkpoint == "synthetic" || checkpoint == randomNS3
}

// randomNS3 is isRandom's name for a codec of the NaturalSpeech 3 family.
const randomNS3 = "random-ns3"

// check refuses what needs no file to be seen wrong.
func (f *modelFlags) check() error {
	switch {
	case f.checkpoint == "":
		return errNoCheckpoint
	case f.checkpoint == builtin && f.config != "":
		return errors.New("--config without --checkpoint-path: the built-in model carries its configuration")
	case f.checkpoint == builtin && f.version != "":
		return errors.New("--version without --checkpoint-path: the built-in model is of another family; name the folder or the repository")
	}
	if isRandom(f.checkpoint) && f.checkpoint != randomNS3 && f.version != "" {
		return fmt.Errorf("--version with --checkpoint-path %s: it is of the NaturalSpeech 3 family alone; give --checkpoint-path %s", f.checkpoint, randomNS3)
	}
	if err := codec.CheckVersion(f.version); err != nil {
		return err
	}
	if err := codec.CheckPrecision(nn.Precision(f.precision)); err != nil {
		return fmt.Errorf("--precision: %w", err)
	}
	return nil
}

// family returns the family that the flags ask for, "" for any.
func (f *modelFlags) family() facodec.Family {
	switch {
	case f.version != "":
		return facodec.NaturalSpeech3 + " " + facodec.Family(f.version)
	case f.checkpoint == randomNS3:
		return facodec.NaturalSpeech3
	}
	return ""
}

// precisionOption is --precision as an output's record has it: records of before there
// were precisions are of exact.
func (f *modelFlags) precisionOption() string {
	return given(f.precision != facodec.Exact, "--precision "+f.precision)
}

func (f *modelFlags) options(cmd *cobra.Command) []facodec.Option {
	options := []facodec.Option{facodec.WithPrecision(f.precision)}
	if f.config != "" {
		options = append(options, facodec.WithConfig(f.config))
	}
	if family := f.family(); family != "" {
		options = append(options, facodec.WithFamily(family))
	}
	switch {
	case cmd.Flags().Changed("threads"):
		options = append(options, facodec.WithThreads(f.threads))
	case f.live && f.checkpoint == builtin:
		// A frame of the built-in model takes a core a fraction of its time; a second thread
		// makes it wait where other programs, or streams, have the processor.
		options = append(options, facodec.WithThreads(1))
	}
	return options
}

// open opens the codec, with options that the command adds, and returns what a
// user should know of it.
func (f *modelFlags) open(cmd *cobra.Command, more ...facodec.Option) (codec *facodec.Codec, notices []string, err error) {
	if err := checkThreads(cmd, f.threads); err != nil {
		return nil, nil, err
	}
	options := append(f.options(cmd), more...)
	switch {
	case f.checkpoint == builtin:
		if codec, err = defaultmodel.Open(options...); !cmd.Flags().Changed("checkpoint-path") {
			notices = append(notices, builtinNotice)
		}
	case isRandom(f.checkpoint):
		codec, err = facodec.OpenRandom(0, options...)
	default:
		var path string
		if path, err = localCheckpoint(cmd, f.checkpoint); err == nil {
			codec, err = facodec.Open(path, options...)
			err = cureOpening(err, "--config")
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if f.alone {
		apart(codec)
	}
	for _, text := range codec.Notices() {
		notices = append(notices, f.checkpoint+": "+text)
	}
	return codec, notices, nil
}

// apart has the streams of a codec, which all threads have opened, compute on a thread each.
func apart(c *facodec.Codec) { codec.Inner(c).Apart() }

// checkThreads refuses numbers of threads that cannot be.
func checkThreads(cmd *cobra.Command, threads int) error {
	if cmd.Flags().Changed("threads") && (threads < 1 || threads > 1024) {
		return &usageError{cmd.CommandPath(), fmt.Errorf("--threads %d: want 1 to 1024; leave it out for one for each CPU", threads)}
	}
	return nil
}

// cureOpening adds to an error of opening a model which flag cures it; configFlag
// names the model's experiment file.
func cureOpening(err error, configFlag string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, facodec.ErrNoConfig):
		return fmt.Errorf("%w with %s", err, configFlag)
	case errors.Is(err, facodec.ErrKind) && configFlag == "--config":
		return fmt.Errorf("%w; --redecoder-checkpoint takes a redecoder, --checkpoint-path a codec", err)
	}
	return err
}

// batchFlags are those of the commands that work on many files.
type batchFlags struct {
	modelFlags
	sources   []string
	outputDir string
	force     bool
	quiet     bool
	json      bool
}

func (f *batchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.sources, "source", nil, "audio `file`s, or folders, whose structure is kept; may be repeated")
	flags.StringVar(&f.outputDir, "output-dir", "", "`folder` for the outputs; created if it does not exist")
	f.modelFlags.add(cmd)
	flags.BoolVar(&f.force, "force", false, "overwrite existing outputs, which are otherwise kept")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	flags.BoolVar(&f.json, "json", false, "print a report to stdout: every file with its durations, skipped files, failed files")
}

func (f *batchFlags) check(cmd *cobra.Command) error {
	switch {
	case len(f.sources) == 0:
		return &usageError{cmd.CommandPath(), errors.New("no --source: name an audio file or a folder of them")}
	case f.outputDir == "":
		return &usageError{cmd.CommandPath(), errors.New("no --output-dir: name the folder for the outputs")}
	}
	for _, source := range f.sources {
		if source == "" {
			return &usageError{cmd.CommandPath(), errors.New("--source is empty: name an audio file or a folder of them")}
		}
	}
	return f.modelFlags.check()
}

// noArgs refuses arguments that belong to no flag where it is not clear what
// they would be.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var cures []string
	for _, flag := range []string{"source", "reference", "dataset", "codec"} {
		if cmd.Flags().Lookup(flag) != nil {
			cures = append(cures, "--"+flag+" "+args[0])
		}
	}
	return &usageError{cmd.CommandPath(), fmt.Errorf("%q follows no flag that takes it; give %s", args[0], strings.Join(cures, " or "))}
}

// addNormalize adds the flag of the commands that encode recordings.
func addNormalize(cmd *cobra.Command, normalize *bool) {
	cmd.Flags().BoolVar(normalize, "normalize", false, "scale recordings to peak 1, the level that the published model was trained on, and outputs, if they are sound, back to their own level")
}
