package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/sound"
)

// liveTitle is what mixers call the streams.
const liveTitle = "facodec live"

// probeDevices finds the devices before anything else is done, and their rates.
func (f *liveFlags) probeDevices() error {
	if f.piped || f.simulated != "" {
		return nil
	}
	server, err := sound.Connect(liveTitle)
	if err != nil {
		return cureSound(err)
	}
	defer server.Close()
	inputs, outputs, err := server.Devices()
	if err != nil {
		return err
	}
	in, err := sound.Find(inputs, f.input)
	if err != nil {
		return cureSound(fmt.Errorf("--input %w", err))
	}
	out, err := sound.Find(outputs, f.output)
	if err != nil {
		return cureSound(fmt.Errorf("--output %w", err))
	}
	f.found = [2]sound.Device{in, out}
	return nil
}

// rateOf is the rate to use a device at: its own, so that nothing else resamples.
func rateOf(d sound.Device) int {
	if d.Rate < audio.MinRate || d.Rate > audio.MaxRate {
		return 48000
	}
	return d.Rate
}

// devices runs between a microphone and headphones until the context ends, or a key or a
// line says quit.
func (s *liveSession) devices(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := live.DuplexOptions{Piece: 2 * s.buffer}
	o.InRate, o.OutRate = rateOf(s.found[0]), rateOf(s.found[1])
	if err := s.start(o); err != nil {
		return err
	}
	s.show.info("from %s to %s", oneLine(s.found[0].Description), oneLine(s.found[1].Description))
	if s.found[0].Monitor {
		s.show.notice("the input is what an output plays, and no microphone: --input names another")
	}
	s.show.notice("wear headphones: what a loudspeaker plays, the microphone hears again")
	remove, err := s.serveControl(ctx, cancel)
	if err != nil {
		return err
	}
	defer remove()
	session := &sound.Session{
		Input: s.input, Output: s.output, InRate: o.InRate, OutRate: o.OutRate, Piece: s.buffer, Title: liveTitle,
		Take: func(samples []float32) {
			s.capture(samples)
			s.listen(samples)
		},
		Fill: s.duplex.Play,
		Say:  func(text string) { s.show.line("facodec: %s", text) },
	}
	s.work.Go(func() { s.duplex.Run(ctx) })
	var latency [2]atomic.Int64
	go func() {
		for {
			a, b := session.Latency()
			latency[0].Store(int64(a))
			latency[1].Store(int64(b))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}()
	restore := s.serveKeys(in, cancel)
	defer restore()
	go s.meters(ctx, out, func() meterReport {
		return s.report(time.Duration(latency[0].Load()), time.Duration(latency[1].Load()), session.Underruns())
	})
	if err := session.Run(ctx); err != nil {
		return cureSound(err)
	}
	s.show.status("")
	s.summary(s.report(time.Duration(latency[0].Load()), time.Duration(latency[1].Load()), session.Underruns()))
	return nil
}

// capture passes samples on. Those that are not finite are silence, and counted: a device
// that delivers such is not a reason to end.
func (s *liveSession) capture(samples []float32) {
	err := s.duplex.Capture(samples)
	if !errors.Is(err, facodec.ErrNotFinite) {
		return
	}
	for i, v := range samples {
		if v-v != 0 { // NaN and the infinities
			samples[i] = 0
			s.broken.Add(1)
		}
	}
	s.duplex.Capture(samples)
}

// summary is the last line.
func (s *liveSession) summary(r meterReport) {
	s.show.info("%s: delay %.0f ms, real-time factor %.2f, %s (%.2f s made up)", clock(r.Seconds), r.DelayMS, r.RealTimeFactor, plural.Of(r.Dropouts, "dropout"), r.MissingSeconds)
	if n := s.broken.Load(); n > 0 {
		s.show.warning("%s of the input: not finite, and played as silence; has the input the rate and format that were given?", plural.Of(int(n), "sample"))
	}
	if r.Dropouts > 0 {
		s.show.notice("fewer dropouts with a longer --delay, a larger --buffer, or fewer programs beside this one")
	}
}
