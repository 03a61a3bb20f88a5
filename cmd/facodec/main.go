// Command facodec runs the FAcodec speech codec: it reconstructs recordings,
// converts voices, extracts codes, and handles checkpoints. It parses flags, calls
// the library and prints. Progress and notices go to stderr; stdout is for results:
// reports, descriptions, help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/mpi"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/train"
)

// The exit codes, as the help of facodec itself explains them.
const (
	exitFailed      = 1
	exitSomeFailed  = 2   // some sources failed, all others are done
	exitInterrupted = 130 // as shells report SIGINT
)

func main() {
	prepareSignals()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	mpi.Exit(executeWith(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs the command that args name, with nothing on stdin, and returns the
// exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return executeWith(ctx, args, strings.NewReader(""), stdout, stderr)
}

func executeWith(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(expandLists(args))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var reported errReported
	switch {
	case err == nil:
		return 0
	case errors.As(err, &reported):
		return reported.code
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "facodec: interrupted; finished outputs are kept, no partial file is left")
		return exitInterrupted
	case errors.Is(err, errOutputsFailed):
		return exitFailed
	case errors.Is(err, errSomeFailed):
		return exitSomeFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "facodec: %s (see %s --help)\n", oneLine(err.Error()), usage.command)
	default:
		printError(stderr, "facodec: ", err)
	}
	return exitFailed
}

// printError prints an error in a line, and what it lists below it, one a line.
func printError(w io.Writer, prefix string, err error) {
	fmt.Fprintf(w, "%s%s\n", prefix, oneLine(err.Error()))
	if differ, ok := errors.AsType[*train.DifferenceError](err); ok {
		for _, line := range differ.Lines {
			fmt.Fprintln(w, oneLine(line))
		}
	}
}

// These end a command whose errors have been printed one by one.
var (
	// errSomeFailed: some sources failed, all others are done.
	errSomeFailed = errors.New("some sources failed")
	// errOutputsFailed: outputs could not be written, of sources that may well be good.
	errOutputsFailed = errors.New("some outputs were not written")
)

// A usageError is a mistake in the command line, answered with where to read.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

// newRoot returns the command with all of its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "facodec",
		Short: "Neural speech codec that splits a voice into prosody, content, timbre and residual",
		Long: `facodec is FAcodec, a neural speech codec that splits a voice into prosody,
content, timbre and residual (NaturalSpeech 3, arXiv 2403.03100). It reconstructs
speech from 4.8 kbit/s, compresses it to files of that rate, converts one voice
into another from a single clip, extracts the codes that language and speech models are
trained on, and trains on a folder of raw speech.

A trained model is built in (facodec info default). --checkpoint-path names another:
a file, hf://Plachta/FAcodec for the published codec, which is downloaded the first time,
or random for random weights, which decode to noise.

Every command ends with one of these exit codes:

  0    success
  1    failure: a wrong command line, an unusable model, or outputs that cannot be written
  2    one or more sources failed, each was reported, and all others are finished
  130  interrupted (Ctrl-C, SIGTERM); finished outputs are kept`,
		Example: `  facodec reconstruct --source testdata/speech --output-dir out
  facodec reconstruct --source clip.wav --output-dir out --checkpoint-path pytorch_model.bin
  facodec convert --source clip.wav --reference voice.wav --output-dir out --checkpoint-path hf://Plachta/FAcodec
  facodec encode clip.wav -o clip.fac
  facodec decode clip.fac -o again.wav
  facodec extract --source recordings --output-dir codes
  facodec info pytorch_model.bin`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          commandArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// A misspelled instruction set, or a variable of the shell that is not set, would otherwise
		// go unnoticed.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseEmpty(cmd); err != nil {
				return err
			}
			return kernel.CheckEnvironment()
		},
	}
	root.SetFlagErrorFunc(flagError)
	// Upstream spells flags with underscores.
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.AddCommand(newTrain(), newTrainRedecoder(), newReconstruct(), newConvert(), newLive(), newEncode(), newDecode(), newExtract(), newEval(), newVoice(), newWeights(), newInfo(), newPlot(), newServe(), newDownload(), newBench(), newVersion())
	return root
}

// commandArgs is for commands that only hold others: without arguments they print
// their help, and with some, those are misspelled commands.
func commandArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{cmd.CommandPath(), fmt.Errorf("unknown command %q%s", args[0], suggestion(cmd, args[0]))}
}

func suggestion(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	if names := cmd.SuggestionsFor(word); len(names) > 0 {
		return "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return ""
}

// wantArgs is cobra.ExactArgs with an error that says what is wanted.
func wantArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		got := plural.Of(len(args), "argument")
		want := strings.Join(names, " ")
		if want == "" {
			want = "none"
		}
		return &usageError{cmd.CommandPath(), fmt.Errorf("%s given, want %s", got, want)}
	}
}

// oneLine keeps a message on one line and a terminal safe from it, whatever
// files are called and hold.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
