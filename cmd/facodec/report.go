package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// A report is what --json prints of a run over many files.
type report struct {
	Command string       `json:"command"`
	Files   []fileReport `json:"files"`
	Skipped []skipped    `json:"skipped"` // outputs that exist and were kept
	Failed  []failed     `json:"failed"`
	// PassedOver counts the files in folders that were not taken, by extension.
	PassedOver  passedOver `json:"passed_over,omitempty"`
	Totals      totals     `json:"totals"`
	Interrupted bool       `json:"interrupted"`
}

// A fileReport is one source that became an output.
type fileReport struct {
	Source     string  `json:"source"`
	Output     string  `json:"output"`
	Format     string  `json:"format"` // of the source, with its encoding
	SampleRate int     `json:"sample_rate_in"`
	Channels   int     `json:"channels"`
	Seconds    float64 `json:"seconds"`
	Samples    int64   `json:"samples"` // at the codec's rate
	Frames     int     `json:"frames"`
	Clipped    int64   `json:"clipped"`
	Bytes      int64   `json:"bytes,omitempty"` // of a compressed file that was written
	Elapsed    float64 `json:"elapsed_seconds"`
	RealTime   float64 `json:"real_time_factor"` // seconds of work for a second of sound

	Notices  []string `json:"notices,omitempty"` // what is odd about the source
	Warnings []string `json:"warnings,omitempty"`
}

type skipped struct {
	Source string `json:"source"`
	Output string `json:"output"`
}

type failed struct {
	Source string `json:"source"`
	Error  string `json:"error"`
}

type totals struct {
	Files    int     `json:"files"`
	Skipped  int     `json:"skipped"`
	Failed   int     `json:"failed"`
	Seconds  float64 `json:"seconds"`
	Samples  int64   `json:"samples"`
	Clipped  int64   `json:"clipped"`
	Elapsed  float64 `json:"elapsed_seconds"`
	RealTime float64 `json:"real_time_factor"`
}

func (r *report) add(f facodec.FileReport) {
	elapsed := f.Elapsed.Seconds()
	r.Files = append(r.Files, fileReport{
		Source: f.Source, Output: f.Output,
		Format:     strings.TrimSpace(f.Info.Format + " " + f.Info.Encoding),
		SampleRate: f.Info.SampleRate, Channels: f.Info.Channels,
		Seconds: f.Seconds, Samples: f.Samples, Frames: f.Frames, Clipped: f.Clipped,
		Bytes: f.Bytes, Notices: f.Notices, Warnings: f.Warnings,
		Elapsed: round(elapsed), RealTime: round(factor(elapsed, f.Seconds)),
	})
	t := &r.Totals
	t.Seconds += f.Seconds
	t.Samples += f.Samples
	t.Clipped += f.Clipped
	t.Elapsed += elapsed
}

func (r *report) fail(source string, err error) {
	r.Failed = append(r.Failed, failed{source, oneLine(err.Error())})
}

// finish sums up.
func (r *report) finish() {
	t := &r.Totals
	t.Files, t.Skipped, t.Failed = len(r.Files), len(r.Skipped), len(r.Failed)
	t.RealTime = round(factor(t.Elapsed, t.Seconds))
	t.Elapsed, t.Seconds = round(t.Elapsed), round(t.Seconds)
}

// print writes the report as JSON. Empty lists are [] and not null.
func (r *report) print(out io.Writer) error {
	if r.Files == nil {
		r.Files = []fileReport{}
	}
	if r.Skipped == nil {
		r.Skipped = []skipped{}
	}
	if r.Failed == nil {
		r.Failed = []failed{}
	}
	return printJSON(out, r)
}

// summary is the report in a line.
func (r *report) summary() string {
	t := r.Totals
	var parts []string
	if t.Files > 0 {
		parts = append(parts, fmt.Sprintf("%s done, %.1f s of audio in %.1f s (real-time factor %.2f)",
			plural.Of(t.Files, "file"), t.Seconds, t.Elapsed, t.RealTime))
	}
	if t.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%s kept (--force overwrites it)", plural.Of(t.Skipped, "output")))
		if t.Skipped > 1 {
			parts[len(parts)-1] = fmt.Sprintf("%s kept (--force overwrites them)", plural.Of(t.Skipped, "output"))
		}
	}
	if t.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", t.Failed))
	}
	if len(r.PassedOver) > 0 {
		parts = append(parts, r.PassedOver.String())
	}
	return strings.Join(parts, "; ")
}

// factor is the real-time factor, 0 where there was no sound.
func factor(elapsed, seconds float64) float64 {
	if seconds == 0 {
		return 0
	}
	return elapsed / seconds
}

// round keeps reports readable: no clock is better than a tenth of a millisecond.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fileerr.Write("stdout", err)
	}
	return nil
}
