package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/live"
)

// meterReport is a line of --json.
type meterReport struct {
	Seconds        float64 `json:"seconds"`
	Heard          string  `json:"heard"` // convert, reconstruct or bypass
	Voice          string  `json:"voice,omitempty"`
	Match          float64 `json:"match,omitempty"` // share of the voice's own frames
	InputPeakDB    float64 `json:"input_peak_db"`
	InputRMSDB     float64 `json:"input_rms_db"`
	OutputPeakDB   float64 `json:"output_peak_db"`
	OutputRMSDB    float64 `json:"output_rms_db"`
	DelayMS        float64 `json:"delay_ms"` // all of it
	HeldMS         float64 `json:"held_ms"`  // from when a sample arrives to when it is asked for, measured
	AlgorithmMS    float64 `json:"algorithm_ms"`
	ProcessingMS   float64 `json:"processing_ms"` // of a frame, 99th percentile
	ProcessingMax  float64 `json:"processing_max_ms"`
	InputMS        float64 `json:"input_device_ms"`
	OutputMS       float64 `json:"output_device_ms"`
	RealTimeFactor float64 `json:"real_time_factor"`
	Dropouts       int     `json:"dropouts"`
	MissingSeconds float64 `json:"missing_seconds"`
	Underruns      int     `json:"device_underruns"`
	DriftPPM       float64 `json:"drift_ppm"`
	Resyncs        int     `json:"resyncs"`
}

func ms(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// report reads the meters. in and out are the latencies of the devices.
func (s *liveSession) report(in, out time.Duration, underruns int) meterReport {
	m := s.duplex.Stats()
	r := meterReport{
		Seconds: m.Seconds, Heard: s.duplex.Mode().String(),
		InputPeakDB: decibels(m.In.Peak), InputRMSDB: decibels(m.In.RMS),
		OutputPeakDB: decibels(m.Out.Peak), OutputRMSDB: decibels(m.Out.RMS),
		DelayMS: ms(m.Delay + in + out), HeldMS: ms(m.Delay),
		AlgorithmMS: ms(m.Algorithm), ProcessingMS: ms(m.Frame.P99), ProcessingMax: ms(m.Frame.Max),
		InputMS: ms(in), OutputMS: ms(out),
		RealTimeFactor: float64(int(1000*m.RealTimeFactor+0.5)) / 1000,
		Dropouts:       m.Late + m.Dropouts, MissingSeconds: m.Missing + m.Lost, Underruns: underruns,
		DriftPPM: float64(int(1e7*m.Drift)) / 10, Resyncs: m.Resyncs,
	}
	if r.Heard == live.Convert.String() {
		r.Voice = s.label()
		if s.voices[s.chosen()].Frames() > 0 {
			r.Match = s.shared()
		}
	}
	return r
}

func decibels(x float64) float64 { return float64(int(10*live.Decibels(x)-0.5)) / 10 }

// line is the report in the width of a terminal.
func (r meterReport) line(name string, width int) string {
	if r.Match > 0 {
		name += fmt.Sprintf(" (match %g)", r.Match)
	}
	device := ""
	if r.InputMS+r.OutputMS > 0 {
		device = fmt.Sprintf(" + devices %.0f", r.InputMS+r.OutputMS)
	}
	text := fmt.Sprintf("%s  in %s  out %s  delay %.0f ms = %.0f%s (codec %.0f, processing %.1f)  real-time factor %.2f  dropouts %d",
		name, bars(r.InputPeakDB), bars(r.OutputPeakDB), r.DelayMS, r.HeldMS, device, r.AlgorithmMS, r.ProcessingMS, r.RealTimeFactor, r.Dropouts)
	if short := []rune(text); width > 0 && len(short) >= width {
		return string(short[:width-1])
	}
	return text
}

// bars draws a level in dB: a bar for every 6 of them, and the number.
func bars(db float64) string {
	const n = 8
	lit := min(n, max(0, int((db+6*n)/6+1)))
	return strings.Repeat("▮", lit) + strings.Repeat("▯", n-lit) + fmt.Sprintf(" %4.0f dB", db)
}

// meters shows how the session goes until the context ends: a line that is rewritten on a
// terminal, a line every ten seconds elsewhere, JSON every second.
func (s *liveSession) meters(ctx context.Context, out io.Writer, read func() meterReport) {
	period := 10 * time.Second
	switch {
	case s.json:
		period = time.Second
	case s.show.terminal():
		period = 100 * time.Millisecond
	case s.quiet:
		return
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	encoder := json.NewEncoder(out)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r := read()
		switch {
		case s.json:
			encoder.Encode(r)
		case s.show.terminal():
			s.show.status(r.line(s.label(), s.show.width))
		default:
			s.show.info("%s", r.line(s.label(), 0))
		}
	}
}
