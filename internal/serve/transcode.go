package serve

import (
	"net/http"
	"strconv"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/recording"
)

// An utterance is a recording in memory, at the codec's rate.
type utterance struct {
	samples []float32
	gain    recording.Gain // that brings it to peak 1
}

// each calls take with pieces of the utterance at peak 1.
func (u *utterance) each(take func([]float32) error) error {
	piece := make([]float32, pieceFrames*300)
	for at := 0; at < len(u.samples); at += len(piece) {
		n := copy(piece, u.samples[at:])
		u.gain.Apply(piece[:n])
		if err := take(piece[:n]); err != nil {
			return err
		}
	}
	return nil
}

// readWhole keeps a recording, which takes the budget's memory: its peak is known at its
// end.
func (j *job) readWhole(p part, strict bool) (*utterance, error) {
	u := new(utterance)
	_, err := j.read(p, j.s.config.Codec.SampleRate(), strict, nil, func(samples []float32) error {
		if err := j.keep(4 * int64(len(samples))); err != nil {
			return err
		}
		u.samples = append(u.samples, samples...)
		return nil
	})
	u.gain = recording.GainFor(u.samples)
	return u, err
}

// pieceFrames are computed in one turn: 0.8 s of the standard configuration. While live
// streams are open they are fewer.
const (
	pieceFrames = 64
	shortFrames = 8
)

// pieces calls compute in turns, with samples in pieces of at most so many frames.
func (j *job) pieces(samples []float32, compute func([]float32) error) error {
	for len(samples) > 0 {
		n := min(len(samples), j.frames()*j.s.config.Codec.HopLength())
		if err := j.turn(func() error { return compute(samples[:n]) }); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

// frames is how many to compute in one turn now.
func (j *job) frames() int {
	if j.s.streams.taken() > 0 {
		return shortFrames
	}
	return pieceFrames
}

// An encoding is a recording that was encoded, and what decoding it again needs.
type encoding struct {
	facodec.Tokens
	gain recording.Gain
	info audio.Info
}

// encode encodes the source. Its codes are all that is kept of it, and of those the
// timbre is known at the end: so reconstruction, too, reads it once. Whatever is wrong with the
// source is known before an answer begins.
//
// Where take is not nil it gets the codes, and none are kept.
func (j *job) encode(p part, o sourceOptions, ownTimbre bool, take func(facodec.Codes) error) (*encoding, error) {
	codec := j.s.config.Codec
	e := codec.NewEncoder()
	if ownTimbre {
		e = codec.NewAnalyzer()
	}
	out := &encoding{gain: 1}
	if take == nil {
		take = func(codes facodec.Codes) error {
			out.Codes.Append(codes)
			return nil
		}
	}
	push := func(samples []float32) error {
		codes, err := e.Push(samples)
		if err != nil || codes.Frames() == 0 {
			return err
		}
		return take(codes)
	}
	var err error
	if o.Normalize {
		var u *utterance
		if u, err = j.readWhole(p, o.Strict); err == nil {
			out.gain = u.gain
			err = u.each(func(samples []float32) error { return j.pieces(samples, push) })
		}
	} else {
		out.info, err = j.read(p, codec.SampleRate(), o.Strict, nil, func(samples []float32) error { return j.pieces(samples, push) })
	}
	if err != nil {
		return nil, in(p.location, err)
	}
	if out.Samples = e.Samples(); out.Samples == 0 {
		return nil, in(p.location, audio.ErrEmpty)
	}
	err = j.turn(func() error {
		last, err := e.Flush()
		if err == nil && ownTimbre {
			out.Timbre, err = e.Timbre()
		}
		if err != nil || last.Frames() == 0 {
			return err
		}
		return take(last)
	})
	return out, in(p.location, err)
}

// decoder returns one in a voice, of a recording's own timbre if it is nil: for a conversion that of the redecoder, if
// there is one. match is the share of the voice's own frames.
func (j *job) decoder(v *facodec.Voice, own []float32, convert bool, match float64) (d *facodec.Decoder, err error) {
	c := j.s.config.Codec
	switch r := j.s.config.Redecoder; {
	case match > 0 && v == nil:
		return nil, faultf(http.StatusUnprocessableEntity, "query.match", "without a voice there are no frames to match: give voice=ID of an enrolled one, or parts \"reference\" of a form")
	case match > 0 && v.Frames.Frames() == 0:
		return nil, j.s.noFrames("query.match")
	case v == nil:
		return c.NewDecoder(own)
	case convert && r != nil:
		return r.NewDecoder(v.Timbre)
	case match == 0:
		return c.NewVoiceDecoder(v, 0)
	}
	if !j.s.voices.have(v) { // those are prepared already
		if err := j.keep(codec.Inner(c).ReferenceBytes(v.Frames.Frames())); err != nil {
			return nil, err
		}
	}
	err = j.turn(func() error { // it decodes them
		d, err = c.NewVoiceDecoder(v, match)
		return err
	})
	return d, err
}

// decode sends an utterance's samples, of some parts of its codes.
func (j *job) decode(d *facodec.Decoder, u *encoding, parts []facodec.Part, o outputOptions) error {
	a, err := j.answer(o, int64(u.Samples))
	if err != nil {
		return err
	}
	left := u.Samples
	send := func(samples []float32) error {
		samples = samples[:min(left, len(samples))]
		left -= len(samples)
		u.gain.Undo(samples)
		return a.Write(samples)
	}
	total := u.Frames()
	for at := 0; at <= total; {
		n := min(j.frames(), total-at)
		var samples []float32
		err := j.turn(func() (err error) {
			if n == 0 {
				samples, err = d.Flush()
			} else {
				samples, err = d.Push(u.Codes.Slice(at, at+n).Only(parts...))
			}
			return err
		})
		if err == nil {
			err = send(samples)
		}
		if err != nil {
			return j.broken(err)
		}
		if n == 0 {
			break
		}
		at += n
	}
	return j.broken(a.Commit())
}

// stream sends samples while the source is still being read, and so while its length may not be known.
func (j *job) stream(p part, d *facodec.Decoder, parts []facodec.Part, o sourceOptions, out outputOptions) error {
	codec := j.s.config.Codec
	j.duplex()
	st := codec.NewStream(d, parts...)
	var a *audio.Writer
	samples := int64(-1)
	send := func() (err error) {
		if st.Buffered() == 0 {
			return nil
		}
		if a == nil {
			if a, err = j.answer(out, samples); err != nil {
				return err
			}
		}
		ready := make([]float32, st.Buffered())
		st.Read(ready)
		if err := a.Write(ready); err != nil {
			return err
		}
		return j.control.Flush()
	}
	_, err := j.read(p, codec.SampleRate(), o.Strict, func(r *audio.Reader) error {
		samples = r.Samples()
		return nil
	}, func(piece []float32) error {
		if err := j.pieces(piece, st.Write); err != nil {
			return err
		}
		return send()
	})
	if err == nil {
		if err = j.turn(st.Flush); err == nil {
			if err = send(); err == nil && a == nil {
				err = in(p.location, audio.ErrEmpty)
			}
		}
	}
	if a == nil {
		j.drain()
		return err // nothing was sent: it is told as any error is
	}
	if err == nil {
		err = a.Commit()
	}
	return j.broken(err)
}

// broken ends an answer that has begun, and cannot be completed, in a way that no client takes
// for its end.
func (j *job) broken(err error) error {
	if err != nil {
		j.s.config.Log.Debug("answer cut off", "error", oneLine(err.Error()))
		panic(http.ErrAbortHandler)
	}
	return nil
}

// answer begins an answer of samples at the codec's rate, -1 of them where nobody knows how
// many.
func (j *job) answer(o outputOptions, samples int64) (*audio.Writer, error) {
	format, err := audio.ParseSampleFormat(o.SampleFormat)
	if err != nil {
		return nil, faultf(http.StatusUnprocessableEntity, "query.sample_format", "%w", err)
	}
	w, err := audio.NewWriterWith(j, "answer."+o.Format, audio.WriteOptions{Rate: j.s.config.Codec.SampleRate(), FileRate: o.Rate, Format: format}, samples)
	if err != nil {
		return nil, err
	}
	h := j.writer.Header()
	h.Set("Content-Type", "audio/"+o.Format)
	if size := w.StreamSize(); size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	return w, nil
}
