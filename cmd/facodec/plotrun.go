package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/internal/curves"
	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/train"
)

// curvesName is what the picture of a run is called in its folder.
const curvesName = "curves.png"

// findLogs returns the logs of the training runs among args, "" for those that are
// none; nil if none is.
func findLogs(args []string) (logs []string) {
	logs = make([]string, len(args))
	some := false
	for i, arg := range args {
		path := filepath.Join(arg, eventlog.FileName)
		if strings.EqualFold(filepath.Ext(arg), filepath.Ext(eventlog.FileName)) {
			path = arg
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			logs[i], some = path, true
		}
	}
	if !some {
		return nil
	}
	return logs
}

// plotRuns draws the curves of training runs.
func (f *plotFlags) plotRuns(cmd *cobra.Command, args, logs []string) error {
	standard := f.output == "" && len(logs) == 1
	if standard {
		f.output = filepath.Join(filepath.Dir(logs[0]), curvesName)
	}
	if err := f.checkRuns(args, logs); err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	format, err := f.checkPicture()
	if err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	show := newDisplay(cmd.ErrOrStderr(), f.quiet)
	f.force = f.force || standard
	dirs := make([]string, len(logs))
	for i, path := range logs {
		dirs[i] = filepath.Dir(path)
		if filepath.Base(path) != eventlog.FileName {
			dirs[i] = path // several logs may lie in a folder
		}
	}
	names := curves.Names(dirs)
	runs := make([]*curves.Run, len(logs))
	for i, path := range logs {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if runs[i], err = curves.Read(path, names[i], f.from, f.to); err != nil {
			return err
		}
	}
	canvas, err := curves.Draw(runs, curves.Layout{Format: format, Width: f.width, Height: f.height, Title: f.title, Curves: train.Curves()})
	if err != nil {
		return err
	}
	return f.save(show, canvas)
}

// checkRuns refuses what has no meaning for runs.
func (f *plotFlags) checkRuns(args, logs []string) error {
	for i, path := range logs {
		if path == "" {
			return fmt.Errorf("%s: no training run, it has no %s, and the others are; draw them apart", args[i], eventlog.FileName)
		}
	}
	switch {
	case len(f.codes) > 0:
		return errors.New("--codes: a training run has none to be drawn")
	case f.named:
		return errors.New("--checkpoint-path: a training run's log is drawn without a codec")
	case f.output == "":
		return errors.New("no --output: name the picture of several runs, -o picture.png say")
	case !(f.from >= 0 && f.from <= 1e15):
		return fmt.Errorf("--from %g: no training step", f.from)
	case f.to != 0 && !(f.to >= f.from && f.to <= 1e15):
		return fmt.Errorf("--to %g: no training step after --from %g", f.to, f.from)
	}
	return nil
}
