package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/plural"
)

// pipe converts raw samples from in to out until in ends.
func (s *liveSession) pipe(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rate := s.rate
	if rate == 0 {
		rate = s.codec.SampleRate()
	}
	o := live.DuplexOptions{OneClock: true, Margin: live.NoMargin}
	o.InRate, o.OutRate, o.MaxWait = rate, rate, live.NeverSkip
	if err := s.start(o); err != nil {
		return err
	}
	remove, err := s.serveControl(ctx, cancel)
	if err != nil {
		return err
	}
	defer remove()
	go s.meters(ctx, nil, func() meterReport { return s.report(0, 0, 0) })
	p := pcm{f32: s.format == "f32"}
	r := interruptible(ctx, in)
	piece := make([]byte, p.width()*max(1, int(s.buffer.Seconds()*float64(rate))))
	kept := 0
	for first := true; ; first = false {
		n, err := r.Read(piece[kept:])
		n += kept
		if first && bytes.HasPrefix(piece[:n], []byte("RIFF")) {
			return fmt.Errorf("%s: WAV, and raw samples are wanted: arecord -t raw, ffmpeg -f s16le, or --simulate for a file", stdinName)
		}
		whole := n / p.width() * p.width()
		if whole > 0 {
			samples := p.decode(piece[:whole])
			s.capture(samples)
			s.listen(samples)
			for s.duplex.Process() {
			}
			s.duplex.Play(samples)
			if _, err := out.Write(p.encode(samples)); err != nil {
				return fmt.Errorf("%s: %w", stdoutName, err)
			}
		}
		kept = copy(piece, piece[whole:n])
		switch {
		case err == io.EOF || errors.Is(err, context.Canceled):
			s.show.status("")
			s.summary(s.report(0, 0, 0))
			if kept > 0 && err == io.EOF {
				s.show.warning("%s at the end of %s: no whole sample of %s, and left out", plural.Of(kept, "byte"), stdinName, s.format)
			}
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", stdinName, err)
		}
	}
}

// pcm are raw mono samples, little-endian.
type pcm struct {
	f32     bool
	samples []float32
	bytes   []byte
}

func (p *pcm) width() int {
	if p.f32 {
		return 4
	}
	return 2
}

// decode returns samples that are valid until the next call.
func (p *pcm) decode(b []byte) []float32 {
	p.samples = p.samples[:0]
	for ; len(b) > 0; b = b[p.width():] {
		if p.f32 {
			p.samples = append(p.samples, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		} else {
			p.samples = append(p.samples, float32(int16(binary.LittleEndian.Uint16(b)))/32768)
		}
	}
	return p.samples
}

func (p *pcm) encode(samples []float32) []byte {
	p.bytes = p.bytes[:0]
	for _, v := range samples {
		if p.f32 {
			p.bytes = binary.LittleEndian.AppendUint32(p.bytes, math.Float32bits(v))
			continue
		}
		x := math.RoundToEven(float64(v) * 32768)
		p.bytes = binary.LittleEndian.AppendUint16(p.bytes, uint16(int16(min(max(x, -32768), 32767))))
	}
	return p.bytes
}

// simulationReport is what --simulate reports.
type simulationReport struct {
	Source           string  `json:"source"`
	Output           string  `json:"output"`
	FirstSoundMS     float64 `json:"first_sound_ms"` // after the first sample arrived
	ProcessingMedian float64 `json:"processing_median_ms"`
	meterReport
}

// simulate sends a recording through as if it were spoken now, and writes what would be
// played: as long as the recording, and without the delay.
func (s *liveSession) simulate(ctx context.Context, stdout io.Writer) error {
	in, err := audio.OpenWith(ctx, s.simulated, audio.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	rate := in.Rate()
	piece := max(1, int(s.buffer.Seconds()*float64(rate)))
	clock := newPace(rate, s.offline)
	o := live.DuplexOptions{OneClock: true, Piece: s.buffer}
	o.InRate, o.OutRate, o.Clock = rate, rate, clock.now
	if s.offline {
		o.Margin, o.MaxWait = live.NoMargin, live.NeverSkip
	}
	if err := s.start(o); err != nil {
		return err
	}
	out, err := audio.CreateWith(s.out, audio.WriteOptions{Rate: rate, Channels: 1})
	if err != nil {
		return err
	}
	defer out.Discard()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.offline {
		s.work.Go(func() { s.duplex.Run(ctx) })
		go s.meters(ctx, io.Discard, func() meterReport { return s.report(0, 0, 0) })
	}
	run := simulation{session: s, in: in, out: out, pace: clock, piece: make([]float32, piece), skip: int(math.Round(s.duplex.Delay().Seconds() * float64(rate))), first: -1}
	if err := run.run(ctx); err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	m := s.duplex.Stats()
	report := simulationReport{Source: s.simulated, Output: s.out, meterReport: s.report(0, 0, 0), ProcessingMedian: ms(m.Frame.Median)}
	if run.first >= 0 {
		report.FirstSoundMS = float64(run.first) * 1000 / float64(rate)
	}
	s.show.status("")
	if s.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	s.show.info("%s: delay %.0f ms (codec %.1f, processing %.1f at the 99th percentile, %.1f at most), first sound after %.0f ms, real-time factor %.2f, %s",
		s.out, report.DelayMS, report.AlgorithmMS, report.ProcessingMS, report.ProcessingMax, report.FirstSoundMS, report.RealTimeFactor, plural.Of(report.Dropouts, "dropout"))
	return nil
}

// A simulation is a run of --simulate.
type simulation struct {
	session *liveSession
	in      *audio.Reader
	out     *audio.Writer
	pace    *pace
	piece   []float32
	skip    int // samples of the delay that are still to be left out
	played  int
	first   int // the first sample played that is not silence; -1 before
}

func (r *simulation) run(ctx context.Context) error {
	total, written := 0, 0
	for ended := false; !ended || written < total; {
		n := 0
		for n < len(r.piece) && !ended {
			m, err := r.in.Read(r.piece[n:])
			n += m
			if err == io.EOF {
				ended = true
			} else if err != nil {
				return err
			}
		}
		total += n
		clear(r.piece[n:]) // after the recording, silence
		if err := r.pace.wait(ctx, len(r.piece)); err != nil {
			return err
		}
		s := r.session
		s.capture(r.piece)
		s.listen(r.piece[:n])
		if s.offline {
			for s.duplex.Process() {
			}
		}
		s.duplex.Play(r.piece)
		for i, v := range r.piece {
			if v != 0 && r.first < 0 {
				r.first = r.played + i
			}
		}
		r.played += len(r.piece)
		due := r.piece[min(r.skip, len(r.piece)):]
		r.skip -= min(r.skip, len(r.piece))
		if ended {
			due = due[:min(len(due), total-written)]
		}
		written += len(due)
		if err := r.out.Write(due); err != nil {
			return err
		}
	}
	return nil
}

// A pace lets samples pass at their rate, or as fast as they come, when time is what they
// say it is.
type pace struct {
	rate    int
	offline bool
	start   time.Time
	samples int
}

func newPace(rate int, offline bool) *pace {
	return &pace{rate: rate, offline: offline, start: time.Now()}
}

func (p *pace) at() time.Duration {
	return time.Duration(float64(p.samples) / float64(p.rate) * float64(time.Second))
}

func (p *pace) now() time.Duration { return time.Since(p.start) }

// wait waits until n more samples have been spoken.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.samples == 0 {
		p.start = time.Now()
	}
	p.samples += n
	if p.offline {
		return ctx.Err()
	}
	select {
	case <-time.After(time.Until(p.start.Add(p.at()))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
