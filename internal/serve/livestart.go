package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/coder/websocket"

	"github.com/facodec-go/facodec/audio"
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
	codec := l.s.config.Codec
	o := live.Options{InRate: r.Rate, Block: l.s.config.Block}
	if r.Rate == 0 {
		o.InRate = codec.SampleRate()
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
	if o.Mode, o.Voice, err = l.chosen(r, live.Convert); err != nil {
		return err
	}
	l.own = live.NewOwnVoice(codec, o.InRate)
	if o.Mode == live.Reconstruct && r.Voice == "" {
		o.Mode, l.wantOwn = live.Bypass, true
	}
	l.voiceID, l.voice = r.Voice, o.Voice
	if l.engine, err = live.New(codec, o); err != nil {
		return l.refused(err)
	}
	ready := protocol.Reply{
		Type: protocol.Ready, Rate: o.InRate, Format: l.format, SampleRate: codec.SampleRate(), HopMS: 1000 / codec.FrameRate(),
		AlgorithmMS: ms(l.engine.Stats().Algorithm), Mode: o.Mode.String(), Voice: l.voiceID,
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
		return faultf(http.StatusUnprocessableEntity, field.Field, "%s is %s, not a %s", field.Field, want, field.Value)
	case errors.As(err, &field):
		return faultf(http.StatusUnprocessableEntity, "", "a text message is a JSON object, not a %s", field.Value)
	}
	return faultf(http.StatusUnprocessableEntity, "", "a text message is no JSON: %w", err)
}

// chosen returns the mode and the voice that a message asks for: before is the mode where it
// asks for none, and nil the voice.
func (l *stream) chosen(r protocol.Request, before live.Mode) (mode live.Mode, voice *live.Voice, err error) {
	if mode = before; r.Mode != "" {
		if mode, err = live.ParseMode(r.Mode); err != nil {
			return mode, nil, faultf(http.StatusUnprocessableEntity, "mode", "%q: there are convert, reconstruct and bypass", short(r.Mode))
		}
	}
	if r.Voice == "" {
		return mode, nil, nil
	}
	v, err := l.s.voices.get(r.Voice, "voice", http.StatusUnprocessableEntity)
	if err != nil {
		return mode, nil, err
	}
	voice, err = live.NewVoice(l.s.config.Codec, v.voice, 0)
	return mode, voice, err
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
