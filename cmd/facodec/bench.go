package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/defaultmodel"
	"github.com/facodec-go/facodec/internal/bench"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
)

// benchReport is what bench prints with --json.
type benchReport struct {
	bench.Report
	RealTimeFactor float64 `json:"real_time_factor"`
	GFLOPS         float64 `json:"gflops"`
	Threads        int     `json:"threads"`
	Precision      string  `json:"precision"`
	Kernels        string  `json:"kernels"`
	PeakMemory     int64   `json:"peak_memory_bytes"` // of the process; 0 where the system does not tell
	PeakRSS        float64 `json:"peak_rss_mb"`       // the same in 10^6 bytes
	Runs           int     `json:"runs"`

	PeakGFLOPS   float64 `json:"peak_gflops"`    // float32 products in the caches, all threads
	WholeFile    float64 `json:"whole_file_rtf"` // real_time_factor
	OneCore      float64 `json:"one_core_rtf"`   // the same on one thread
	FrameRTF     float64 `json:"frame_rtf"`      // converting, one frame a call
	FrameP99     float64 `json:"frame_p99_ms"`   // of these calls
	FourFrameRTF float64 `json:"four_frame_rtf"`

	// With --train.
	TrainStep    float64 `json:"train_step_seconds,omitempty"`
	TrainBatch   int     `json:"train_batch,omitempty"` // utterances in a step
	TrainPeakRSS float64 `json:"train_peak_rss_mb,omitempty"`
}

// measureTraining measures training steps of a configuration, after the codec has been closed.
func (r *benchReport) measureTraining(c *config.Config, batch int) error {
	pool := parallel.NewPatient(r.Threads)
	defer pool.Close()
	step, err := bench.Step(c, batch, r.Runs, pool)
	r.TrainStep, r.TrainBatch = step.Seconds, step.Batch
	r.TrainPeakRSS = float64(peakMemory()) / 1e6
	return err
}

// measure reconstructs whole utterances, and then converts a few seconds as they arrive.
func (r *benchReport) measure(ctx context.Context, c *codec.Codec, seconds float64) error {
	one := parallel.New(1)
	defer one.Close()
	r.PeakGFLOPS = bench.PeakGFLOPS(c.Pool)
	for i := range r.Runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if whole := bench.Run(c, c.Pool, seconds); i == 0 || whole.Elapsed < r.Elapsed {
			r.Report = whole
		}
	}
	r.RealTimeFactor, r.GFLOPS = r.Report.RealTimeFactor(), r.Report.GFLOPS()
	r.WholeFile = r.RealTimeFactor
	streamed := min(seconds, 2)
	r.OneCore = bench.Run(c, one, streamed).RealTimeFactor()
	frames := bench.Frames(c, 1, streamed)
	r.FrameRTF, r.FrameP99 = frames.RealTimeFactor, float64(frames.P99.Microseconds())/1e3
	if err := ctx.Err(); err != nil {
		return err
	}
	r.FourFrameRTF = bench.Frames(c, 4, streamed).RealTimeFactor
	r.PeakMemory = peakMemory()
	r.PeakRSS = float64(r.PeakMemory) / 1e6
	return ctx.Err()
}

// leastSeconds is the shortest utterance whose time says something.
const leastSeconds = 0.01

func newBench() *cobra.Command {
	var f modelFlags
	var seconds float64
	var runs, batch int
	var preset string
	var asJSON, training bool
	cmd := &cobra.Command{
		Use:   "bench [flags]",
		Short: "Measure how fast this machine reconstructs, and where the time goes",
		Long: `Bench reconstructs an artificial utterance and prints the real-time factor (time per
second of audio; below 1 is faster than real time), the arithmetic throughput, the
share of each network, and the peak memory of the process. It prints the fastest of
several runs, because other load can only slow a run down. Then it measures one thread,
and converting a voice as it arrives, one and four frames a call, over up to 2 seconds.

--train adds a training step of the configuration, with everything in it: a batch of
artificial utterances of max_len, losses, discriminators, predictors and optimizers. At full
size that takes some 10 GB.

Without a checkpoint it measures the standard codec with random weights, which are as
fast as trained ones. FACODEC_SIMD=avx2 or generic in the environment selects slower
kernels.`,
		Example: `  facodec bench
  facodec bench --threads 1 --seconds 5 --json
  facodec bench --model tiny --train --batch 4`,
		Args: wantArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(seconds >= leastSeconds && seconds <= 3600) || runs < 1 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("%v seconds and %s: give %g to 3600 seconds and at least one run", seconds, plural.Of(runs, "run"), leastSeconds)}
			}
			switch {
			case batch < 1 || batch > 4096:
				return &usageError{cmd.CommandPath(), fmt.Errorf("--batch: %s: give 1 to 4096", plural.Of(batch, "utterance"))}
			case cmd.Flags().Changed("batch") && !training:
				return &usageError{cmd.CommandPath(), errors.New("--batch is that of --train; give both, or neither")}
			case training && !isRandom(f.checkpoint):
				return &usageError{cmd.CommandPath(), errors.New("--train with --checkpoint-path: steps are measured from random weights; leave out one of them")}
			}
			if err := f.check(); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			c, err := f.openForBench(cmd, preset)
			if err != nil {
				return err
			}
			closeOnce := sync.OnceFunc(c.Close)
			defer closeOnce()
			if training && c.Config == nil {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--train: the family %s is not trained here; leave it out", c.Name())}
			}
			report := benchReport{Threads: c.Pool.Threads(), Precision: string(c.Precision), Kernels: kernel.InstructionSet(), Runs: runs}
			if err := report.measure(cmd.Context(), c, seconds); err != nil {
				return err
			}
			if training {
				closeOnce()
				if err := report.measureTraining(c.Config, batch); err != nil {
					return err
				}
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(report)
			}
			return report.print(cmd.OutOrStdout())
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	f.checkpoint, flags.Lookup("checkpoint-path").DefValue = "random", "random"
	flags.StringVar(&preset, "model", "", "`size` of random weights to measure: "+strings.Join(config.Presets(), ", ")+" (default full, the standard codec)")
	flags.Float64Var(&seconds, "seconds", 10, "length of the utterance")
	flags.IntVar(&runs, "runs", 3, "how often to measure")
	flags.BoolVar(&training, "train", false, "measure a training step, too")
	flags.IntVar(&batch, "batch", 2, "`utterances` of the training step")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// openForBench opens the codec that is measured.
func (f *modelFlags) openForBench(cmd *cobra.Command, preset string) (*codec.Codec, error) {
	var o codec.Options
	if cmd.Flags().Changed("threads") {
		if err := codec.CheckThreads(f.threads); err != nil {
			return nil, err
		}
		o.Threads = f.threads
	}
	if f.config != "" {
		var err error
		if o.Config, err = config.Load(f.config); err != nil {
			return nil, err
		}
	}
	if preset != "" {
		var err error
		switch {
		case f.config != "":
			return nil, errors.New("--model and --config: each names a configuration; give one of them")
		case f.checkpoint != "random":
			return nil, errors.New("--model with --checkpoint-path: it names a size of random weights; leave out one of them")
		}
		if o.Config, err = config.Preset(preset); err != nil {
			return nil, fmt.Errorf("--model: %w", err)
		}
	}
	o.Precision = nn.Precision(f.precision)
	if family := f.family(); family != "" {
		var err error
		if o.Family, o.Version, err = family.Split(); err != nil {
			return nil, err
		}
	}
	switch {
	case f.checkpoint == "":
		return nil, errNoCheckpoint
	case f.checkpoint == builtin:
		return codec.Open(codec.InMemory(defaultmodel.FileName, defaultmodel.Checkpoint()), o)
	case isRandom(f.checkpoint):
		return codec.OpenRandom(0, o)
	}
	path, err := localCheckpoint(cmd, f.checkpoint)
	if err != nil {
		return nil, err
	}
	c, err := codec.Open(codec.OnDisk(path), o)
	return c, cureOpening(err, "--config")
}

func (r benchReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%.4g s of sound reconstructed in %.2f s, fastest of %d: real-time factor %.3f, %.0f GFLOP/s\n",
		r.Seconds, r.Elapsed, r.Runs, r.RealTimeFactor, r.GFLOPS)
	fmt.Fprintf(w, "one thread %.3f; as it arrives, one frame a call %.3f (99 %% of the calls within %.2f ms), four frames %.3f\n",
		r.OneCore, r.FrameRTF, r.FrameP99, r.FourFrameRTF)
	fmt.Fprintf(w, "%s, precision %s, %s kernels, at most %.0f GFLOP/s in float32", plural.Of(r.Threads, "thread"), r.Precision, r.Kernels, r.PeakGFLOPS)
	if r.PeakMemory > 0 {
		fmt.Fprintf(w, ", peak memory %.0f MB", float64(r.PeakMemory)/1e6)
	}
	if r.TrainBatch > 0 {
		fmt.Fprintf(w, "\na training step of %s %.2f s, peak memory %.0f MB", plural.Of(r.TrainBatch, "utterance"), r.TrainStep, r.TrainPeakRSS)
	}
	fmt.Fprintf(w, "\n\n%12s %10s %8s %12s %10s\n", "part", "seconds", "share", "GMAC/s sound", "GFLOP/s")
	for _, p := range r.Sections {
		fmt.Fprintf(w, "%12s %10.3f %7.1f%% %12.2f %10.1f\n", p.Name, p.Elapsed, 100*p.Share, float64(p.MACs)/r.Seconds/1e9, p.GFLOPS)
	}
	return nil
}
