package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/protocol"
)

// start reads the first message and answers it.
func (l *stream) start() error {
	ctx, cancel := context.WithTimeout(l.ctx, l.s.config.Idle)
	defer cancel()
	kind, b, err := l.conn.Read(ctx)
	if err != nil {
		return err
	}
	var r protocol.Request
	if kind == websocket.MessageText {
		var f *fault
		if err := parse(b, &r); errors.As(err, &f) && f.location != "" {
			return err
		}
	}
	if r.Type != protocol.Start {
		return faultf(http.StatusUnprocessableEntity, "type", `the first message must be {"type":"start",…}`)
	}
	c := l.s.config.Codec
	o := live.Options{InRate: r.Rate, Block: l.s.config.Block}
	if r.Rate == 0 {
		o.InRate = c.SampleRate()
	}
	if o.InRate < audio.MinRate || o.InRate > audio.MaxRate {
		return faultf(http.StatusUnprocessableEntity, "rate", "%d Hz: rates of %d to %d are taken", r.Rate, audio.MinRate, audio.MaxRate)
	}
	o.OutRate = o.InRate
	if l.format = r.Format; l.format == "" {
		l.format = protocol.F32
	}
	if protocol.Width(l.format) == 0 {
		return faultf(http.StatusUnprocessableEntity, "format", "%q: f32 and s16 are taken", short(r.Format))
	}
	if !(r.DelayMS >= 0 && r.DelayMS <= 5000) {
		return faultf(http.StatusUnprocessableEntity, "delay_ms", "%g: 0 to 5000 are taken", r.DelayMS)
	}
	l.maxWait = 250 * time.Millisecond
	if r.DelayMS > 0 {
		l.maxWait = time.Duration(r.DelayMS * float64(time.Millisecond))
	}
	o.MaxWait = l.maxWait
	l.stats = defaultStats
	if r.StatsMS != nil {
		if !(*r.StatsMS >= 0 && *r.StatsMS <= 1e6) {
			return faultf(http.StatusUnprocessableEntity, "stats_ms", "%g: 0, which is never, to 1000000 are taken", *r.StatsMS)
		}
		if l.stats = time.Duration(*r.StatsMS * float64(time.Millisecond)); l.stats > 0 {
			l.stats = max(l.stats, leastStats)
		}
	}
	if o.Mode, o.Voice, l.match, err = l.chosen(r, live.Convert); err != nil {
		return err
	}
	if o.Voice != nil {
		o.Voice = o.Voice.WithMatch(l.match)
	}
	if err := l.claim(shareOf(o.Voice, l.match)); err != nil {
		return err
	}
	l.own = live.NewOwnVoice(c, o.InRate)
	if o.Mode == live.Reconstruct && r.Voice == "" {
		o.Mode, l.wantOwn = live.Bypass, true
	}
	l.voiceID, l.voice = r.Voice, o.Voice
	if l.engine, err = live.New(c, o); err != nil {
		return l.refused(err)
	}
	ready := protocol.Reply{
		Type: protocol.Ready, Rate: o.InRate, Format: l.format, SampleRate: c.SampleRate(), HopMS: 1000 / c.FrameRate(),
		AlgorithmMS: ms(l.engine.Stats().Algorithm), Mode: o.Mode.String(), Voice: l.voiceID, Match: shareOf(l.voice, l.match),
	}
	l.at = time.Now()
	return l.send(l.ctx, ready)
}

// parse reads a text message.
func parse(b []byte, r *protocol.Request) error {
	err := json.Unmarshal(b, r)
	var field *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field) && field.Field != "":
		want := "a number"
		switch field.Type.Kind() {
		case reflect.String:
			want = "a string"
		case reflect.Int:
			want = "a whole number"
		}
		if number, ok := strings.CutPrefix(field.Value, "number "); ok {
			return faultf(http.StatusUnprocessableEntity, field.Field, "%s is %s, and %s is none that is taken", field.Field, want, short(number))
		}
		return faultf(http.StatusUnprocessableEntity, field.Field, "%s is %s, and not: %s", field.Field, want, field.Value)
	case errors.As(err, &field):
		return faultf(http.StatusUnprocessableEntity, "", "a text message is a JSON object, not a %s", field.Value)
	}
	return faultf(http.StatusUnprocessableEntity, "", "a text message is no JSON: %w", err)
}

// chosen returns the mode, the voice and the share of its own frames that a message asks for:
// before is the mode where it asks for none, nil the voice, and the share is then as it was.
func (l *stream) chosen(r protocol.Request, before live.Mode) (mode live.Mode, voice *live.Voice, match float64, err error) {
	if mode = before; r.Mode != "" {
		if mode, err = live.ParseMode(r.Mode); err != nil {
			return mode, nil, 0, faultf(http.StatusUnprocessableEntity, "mode", "%q: there are convert, reconstruct and bypass", short(r.Mode))
		}
	}
	if r.Voice != "" {
		v, err := l.s.voices.get(r.Voice, "voice", http.StatusUnprocessableEntity)
		if err != nil {
			return mode, nil, 0, err
		}
		voice = v.live
	}
	if r.Match == nil {
		return mode, voice, l.match, nil
	}
	match = *r.Match
	if !(match >= 0 && match <= 1) {
		return mode, nil, 0, faultf(http.StatusUnprocessableEntity, "match", "%g: give 0, which is none, to 1", match)
	}
	if kept := cmp.Or(voice, l.voice); match > 0 && kept != nil && kept.Frames() == 0 {
		return mode, nil, 0, l.s.noFrames("match")
	}
	return mode, voice, match, nil
}

// noFrames is the error of a match that a voice has no frames for.
func (s *Server) noFrames(location string) error {
	if !codec.Inner(s.config.Codec).TakesReferences() {
		return faultf(http.StatusUnprocessableEntity, location, "this server's model cannot match frames (matches of GET /v1/info): those can whose decoder_type is source_filter, as the built-in one")
	}
	return faultf(http.StatusUnprocessableEntity, location, "the voice has no frames to match: POST /v1/voices?frames=true keeps those of clips, and parts \"reference\" of a request have some; what is mixed of several voices has none")
}

// shareOf returns how much of a conversion to a voice is frames of it.
func shareOf(voice *live.Voice, match float64) float64 {
	if voice == nil || voice.Frames() == 0 {
		return 0
	}
	return match
}

// claim counts the stream as two where its frames are matched, as they take up to twice the time,
// and as one where not.
func (l *stream) claim(match float64) error {
	switch {
	case match > 0 && !l.double:
		if l.s.config.Streams < 2 {
			return faultf(http.StatusUnprocessableEntity, "match", "a live stream with it counts as two, and this server takes one at a time (--streams)")
		}
		if err := l.s.streams.take(); err != nil {
			return faultf(http.StatusServiceUnavailable, "match", "a live stream with it counts as two, and no second place is free; try again later")
		}
		l.double = true
	case match == 0 && l.double:
		l.s.streams.leave()
		l.double = false
	}
	return nil
}

// refused names the field of an engine's error.
func (l *stream) refused(err error) error {
	switch {
	case errors.Is(err, live.ErrVoice):
		return faultf(http.StatusUnprocessableEntity, "voice", "%w: POST /v1/voices enrolls one", err)
	case errors.Is(err, live.ErrNotLive):
		return faultf(http.StatusNotImplemented, "", "%w", err)
	}
	return err
}
