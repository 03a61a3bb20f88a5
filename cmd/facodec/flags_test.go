package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestExpandLists(t *testing.T) {
	for in, want := range map[string]string{
		"reconstruct --source a b --quiet c":         "reconstruct --source=a --source=b --quiet c",
		"convert --source a b --reference r s -h":    "convert --source=a --source=b --reference=r --reference=s -h",
		"convert --source=a b --reference=r --force": "convert --source=a --source=b --reference=r --force",
		"extract x y --source a":                     "extract x y --source=a",
		"extract --source --force":                   "extract --source --force",
		"extract a --source":                         "extract a --source",
		"extract --source a -- --source b":           "extract --source=a -- --source b",
		"__complete extract --source a b":            "__complete extract --source a b",
	} {
		if got := strings.Join(expandLists(strings.Fields(in)), " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestUsageErrors: one line, with where to read.
func TestUsageErrors(t *testing.T) {
	end := []string{"--output-dir", t.TempDir(), "--checkpoint-path", fixture("small.pth")}
	for want, args := range map[string][]string{
		"unknown flag --sauce (see facodec reconstruct --help)":         {"reconstruct", "--sauce", "x"},
		"--source needs a value (see facodec extract --help)":           {"extract", "--source"},
		`unknown command "reconstrukt"; did you mean reconstruct? (see`: {"reconstrukt"},
		`unknown command "xyz" (see facodec --help)`:                    {"xyz"},
		"did you mean convert? (see facodec weights --help)":            {"weights", "konvert"},
		`unknown command "reconstrct"; did you mean reconstruct? (see`:  {"reconstrct", "--source", "x"},
		"did you mean enroll? (see facodec voice --help)":               {"voice", "enrol", "--source", "x"},
		"unknown flag --source (see facodec --help)":                    {"--source", "x", "reconstruct"},
		"1 argument given, want none":                                   {"version", "x"},
		"no --source: ":                                                 append([]string{"reconstruct"}, end...),
		"--source is empty: ":                                           append([]string{"reconstruct", "--source", ""}, end...),
		"no --output-dir: ":                                             {"reconstruct", clip("en.flac")},
		"no --reference: ":                                              append([]string{"convert", "--source", clip("en.flac")}, end...),
		`"x" follows no flag that takes it; give --source x or --reference x (see facodec convert --help)`: {"convert", "x", "--reference", clip("it.flac")},
		`"x" follows no flag that takes it; give --source x (see facodec voice enroll --help)`:             {"voice", "enroll", "x", "-o", "y.voice"},
		`"x" follows no flag that takes it; give --dataset x (see facodec train --help)`:                   {"train", "x"},
		`"x" follows no flag that takes it; give --dataset x or --codec x (see facodec train-redecoder --`: {"train-redecoder", "x"},
		"without --redecoder-checkpoint": append([]string{"convert", "--source", clip("en.flac"), "--reference", clip("it.flac"), "--redecoder-config", "x"}, end...),
		`"s12"`:                          append([]string{"reconstruct", clip("en.flac"), "--sample-format", "s12"}, end...),
		`"codex" is not one of codes`:    append([]string{"extract", clip("en.flac"), "--what", "codex"}, end...),
	} {
		fail(t, want, args...)
	}
}

// TestHelp: every command teaches: what it does, what comes out, an example of
// its own, and no flag without a word.
func TestHelp(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		text := succeed(t, append(path, "--help")...).stdout
		if len(cmd.Long) < 80 || !strings.Contains(text, cmd.Long) || !strings.Contains(cmd.Example, "facodec "+strings.Join(path, " ")) {
			t.Errorf("%s --help teaches too little:\n%s", cmd.CommandPath(), text)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if len(f.Usage) < 10 {
				t.Errorf("%s: --%s says only %q", cmd.CommandPath(), f.Name, f.Usage)
			}
			if kind, _ := pflag.UnquoteUsage(f); slices.Contains([]string{"exact", "once"}, kind) {
				t.Errorf("%s: --help shows --%s %s: that is no kind of value", cmd.CommandPath(), f.Name, kind)
			}
		})
		for _, sub := range cmd.Commands() {
			if !slices.Contains([]string{"help", "completion"}, sub.Name()) {
				visit(sub)
			}
		}
	}
	visit(newRoot())
	if help := succeed(t).stdout; !strings.Contains(help, "Available Commands") {
		t.Errorf("without arguments: %s", help)
	}
}

// TestExamples: every line of every example is one that the program takes: its
// flags exist and its arguments are enough.
func TestExamples(t *testing.T) {
	n := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, line := range strings.Split(cmd.Example, "\n") {
			for _, command := range strings.Split(line, " | ") {
				words := strings.Fields(command)
				if len(words) == 0 || slices.Contains([]string{"cat", "curl", "arecord", "aplay"}, words[0]) {
					continue
				}
				// Before the program there may be variables of its environment.
				if i := slices.Index(words, "facodec"); i > 0 && strings.Contains(words[0], "=") {
					words = words[i:]
				}
				n++
				found, rest, err := newRoot().Find(expandLists(words[1:]))
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err == nil {
					err = found.ValidateArgs(found.Flags().Args())
				}
				if words[0] != "facodec" || err != nil || found.CommandPath() == "facodec" {
					t.Errorf("%s: %v", command, err)
				}
			}
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRoot())
	if n < 10 {
		t.Errorf("only %d examples", n)
	}
}

func TestVersion(t *testing.T) {
	if text := succeed(t, "version").stdout; !strings.HasPrefix(text, "facodec ") || strings.Count(text, "\n") != 1 || !strings.Contains(text, "go1.") {
		t.Errorf("version: %s", text)
	}
}
