package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
)

// sourceOptions say how a source is read.
type sourceOptions struct {
	Normalize bool
	Strict    bool
}

// outputOptions say what audio is sent.
type outputOptions struct {
	Format       string
	SampleFormat string
	Rate         int
}

// SourceQuery are the parameters of operations that encode a recording.
type SourceQuery struct {
	Normalize bool `query:"normalize" doc:"scale the source to peak 1, the level the model was trained on, and the answer back to its own level"`
	Strict    bool `query:"strict" doc:"take for an error what is odd about the source, though no sound is lost"`
}

func (q SourceQuery) options() sourceOptions { return sourceOptions(q) }

// OutputQuery are the parameters of operations that answer with audio.
type OutputQuery struct {
	Format       string   `query:"format" enum:"wav,flac" default:"wav" doc:"of the answer"`
	SampleFormat string   `query:"sample_format" enum:"s16,s24,f32" default:"s16" doc:"of its samples; FLAC has no f32"`
	Rate         int      `query:"rate" minimum:"8000" maximum:"192000" doc:"sample rate of the answer in Hz; the codec's if it is left out"`
	Parts        []string `query:"parts" enum:"prosody,content,residual" doc:"decode these parts alone, to listen to what each carries"`
	Voice        string   `query:"voice" maxLength:"64" doc:"id of a voice that was enrolled"`
}

// MatchQuery is the parameter of operations that decode in another voice.
type MatchQuery struct {
	Match float64 `query:"match" minimum:"0" maximum:"1" doc:"share of the voice's own frames in what is decoded: more is nearer to it, and less clear. The voice is of clips of this request, or one that was enrolled with frames"`
}

// check refuses a match that is no share, and one of what is decoded in parts.
func (q MatchQuery) check(parts []facodec.Part) error {
	switch {
	case !(q.Match >= 0 && q.Match <= 1): // NaN
		return faultf(http.StatusUnprocessableEntity, "query.match", "%g: give 0, which is none, to 1", q.Match)
	case q.Match > 0 && parts != nil:
		return faultf(http.StatusUnprocessableEntity, "query.match", "frames are matched by prosody and content together, and their residual is the voice's: leave out match, or parts")
	}
	return nil
}

// kept returns an enrolled voice, which has frames where they are to be matched.
func (s *Server) kept(id string, match float64) (*facodec.Voice, error) {
	v, err := s.voices.get(id, "query.voice", http.StatusUnprocessableEntity)
	if err == nil && match > 0 && v.Frames == 0 {
		err = s.noFrames("query.match")
	}
	return v.voice, err
}

// options are the checked parameters, but for the voice.
func (q OutputQuery) options() (outputOptions, []facodec.Part, error) {
	o := outputOptions{q.Format, q.SampleFormat, q.Rate}
	if q.Format == "flac" && q.SampleFormat == "f32" {
		return o, nil, faultf(http.StatusUnprocessableEntity, "query.sample_format", "FLAC holds integers: s16 or s24 instead of f32")
	}
	var parts []facodec.Part
	for _, name := range q.Parts {
		part, err := facodec.ParsePart(name)
		if err != nil {
			return o, nil, faultf(http.StatusUnprocessableEntity, "query.parts", "%w", err)
		}
		parts = append(parts, part)
	}
	return o, parts, nil
}

// allParts and conversionParts are those that are decoded if none are named.
var (
	allParts        = []facodec.Part{facodec.Prosody, facodec.Content, facodec.Residual}
	conversionParts = []facodec.Part{facodec.Prosody, facodec.Content}
)

// written is the answer of an operation that wrote it by itself.
var written = &huma.StreamResponse{Body: func(huma.Context) {}}

// audioBody describes a body: raw, or a form with further fields.
func audioBody(what string, more ...string) *huma.RequestBody {
	file := &huma.Schema{Type: "string", Format: "binary", Description: what}
	form := &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{"source": file}}
	for _, name := range more {
		form.Properties[name] = &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string", Format: "binary", Description: "clip of the voice, or a .voice file"}}
	}
	return &huma.RequestBody{Required: true, Description: what, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: file},
		"multipart/form-data":      {Schema: form},
	}}
}

// registerBody registers an operation that reads its body by itself: huma, if it knew of
// it, would read it whole before.
func registerBody[I, O any](api huma.API, body *huma.RequestBody, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	huma.Register(api, op, handle)
	api.OpenAPI().Paths[op.Path].Post.RequestBody = body
}

// answer describes an answer that is no JSON.
func answer(what string, types ...string) map[string]*huma.Response {
	content := map[string]*huma.MediaType{}
	for _, t := range types {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	}
	return map[string]*huma.Response{"200": {Description: what, Content: content}}
}

// codecErrors are what operations of the codec answer if they fail.
var codecErrors = []int{401, 403, 408, 413, 415, 422, 503}

func audioAnswer() map[string]*huma.Response {
	return answer("audio; of a length that is known beforehand, unless stream is set", "audio/wav", "audio/flac")
}

func (s *Server) registerCodec(api huma.API) {
	type reconstructInput struct {
		Raw
		SourceQuery
		OutputQuery
		Stream bool `query:"stream" doc:"answer while the source is still being sent; needs a voice, since a recording's own is known at its end"`
	}
	registerBody(api, audioBody("audio file"), huma.Operation{
		OperationID: "reconstruct", Method: http.MethodPost, Path: "/v1/reconstruct",
		Summary:     "Encode and decode a recording",
		Description: "With voice it is decoded, residual and all, in that voice.",
		Responses:   audioAnswer(), Errors: codecErrors,
	}, func(_ context.Context, input *reconstructInput) (*huma.StreamResponse, error) {
		t := transcoding{SourceQuery: input.SourceQuery, OutputQuery: input.OutputQuery, stream: input.Stream, parts: allParts}
		return written, s.problem(s.transcode(&input.Raw, &t))
	})

	type convertInput struct {
		Raw
		SourceQuery
		OutputQuery
		MatchQuery
		Stream bool `query:"stream" doc:"answer while the source is still being sent; references come before the source then"`
	}
	registerBody(api, audioBody("audio file", "reference"), huma.Operation{
		OperationID: "convert", Method: http.MethodPost, Path: "/v1/convert",
		Summary:     "Convert a recording to another voice",
		Description: "The voice is an enrolled one (voice), or that of the parts \"reference\" of the form.",
		Responses:   audioAnswer(), Errors: codecErrors,
	}, func(_ context.Context, input *convertInput) (*huma.StreamResponse, error) {
		t := transcoding{SourceQuery: input.SourceQuery, OutputQuery: input.OutputQuery, MatchQuery: input.MatchQuery, stream: input.Stream, parts: conversionParts, convert: true}
		return written, s.problem(s.transcode(&input.Raw, &t))
	})

	type encodeInput struct {
		Raw
		Strict        bool `query:"strict" doc:"take for an error what is odd about the source, though no sound is lost"`
		ResidualBooks int  `query:"residual_books" minimum:"-1" maximum:"64" default:"-1" doc:"of the residual, to store; fewer lower the rate, and -1 is all"`
		EntropyCoding bool `query:"entropy_coding" doc:"store the same codes in fewer bits"`
		Stream        bool `query:"stream" doc:"answer while the source is still being sent"`
	}
	registerBody(api, audioBody("audio file"), huma.Operation{
		OperationID: "encode", Method: http.MethodPost, Path: "/v1/encode", Summary: "Encode a recording to a .fac file",
		Responses: answer("a .fac file", "application/octet-stream"), Errors: codecErrors,
	}, func(_ context.Context, input *encodeInput) (*huma.StreamResponse, error) {
		h, err := s.header(input.ResidualBooks, input.EntropyCoding)
		if err == nil {
			err = s.encodeFile(&input.Raw, h, sourceOptions{Strict: input.Strict}, input.Stream)
		}
		return written, s.problem(err)
	})

	type decodeInput struct {
		Raw
		OutputQuery
		MatchQuery
	}
	registerBody(api, audioBody(".fac file", "reference"), huma.Operation{
		OperationID: "decode", Method: http.MethodPost, Path: "/v1/decode", Summary: "Decode a .fac file",
		Description: "With a voice, in that voice: enrolled (voice), or of the parts \"reference\" of the form.",
		Responses:   audioAnswer(), Errors: codecErrors,
	}, func(_ context.Context, input *decodeInput) (*huma.StreamResponse, error) {
		return written, s.problem(s.decodeFile(&input.Raw, input.OutputQuery, input.MatchQuery))
	})
}

// A transcoding is a request from audio to audio.
type transcoding struct {
	SourceQuery
	OutputQuery
	MatchQuery
	stream, convert bool
	parts           []facodec.Part
	output          outputOptions
}

func (s *Server) transcode(raw *Raw, t *transcoding) error {
	output, parts, err := t.OutputQuery.options()
	if err != nil {
		return err
	}
	if err := t.check(parts); err != nil {
		return err
	}
	t.output = output
	if parts != nil {
		t.parts = parts
	}
	if t.Match > 0 && s.config.Redecoder != nil {
		return faultf(http.StatusUnprocessableEntity, "query.match", "this server converts with a redecoder, which takes the timbre alone: leave out match")
	}
	if t.convert && s.config.Redecoder != nil && !slices.Contains(t.parts, facodec.Content) {
		return faultf(http.StatusUnprocessableEntity, "query.parts", "this server converts with a redecoder, which decodes content alone: name it among the parts")
	}
	if t.stream && t.Normalize {
		return faultf(http.StatusUnprocessableEntity, "query.normalize", "the level of a source is known at its end: leave out normalize, or stream")
	}
	j, err := s.begin(raw)
	if err != nil {
		return err
	}
	defer j.close()
	voice := enrollment{j: j, normalize: t.Normalize, frames: t.Match > 0}
	if t.Voice != "" {
		v, err := s.kept(t.Voice, t.Match)
		if err != nil {
			return err
		}
		voice.voices = append(voice.voices, v)
	}
	var source *encoding
	sent := false
	err = j.each(func(p part) error {
		switch {
		case p.name == "source" && t.stream:
			v, err := voice.voice()
			if err != nil {
				return err
			}
			if v == nil && !t.convert {
				return faultf(http.StatusUnprocessableEntity, "query.voice", "stream needs a voice: a recording's own is known at its end")
			}
			if v == nil && j.parts != nil {
				return faultf(http.StatusUnprocessableEntity, "query.voice", "no voice to convert to: with stream, parts \"reference\" come before the source; or give voice=ID of an enrolled one")
			}
			if v == nil {
				return noVoice
			}
			d, err := j.decoder(v, nil, t.convert, t.Match)
			if err != nil {
				return err
			}
			err = j.stream(p, d, t.parts, t.SourceQuery.options(), t.output)
			sent = err == nil
			return err
		case p.name == "source":
			if t.convert && j.parts == nil && len(voice.voices) == 0 {
				return noVoice
			}
			source, err = j.encode(p, t.SourceQuery.options(), !t.convert && len(voice.voices) == 0, nil)
			return err
		case p.name == "reference" && t.convert && !sent:
			return voice.add(p)
		case p.name == "reference" && t.convert:
			return faultf(http.StatusUnprocessableEntity, p.location, "with stream, references come before the source")
		case t.convert:
			return p.unknown("source and reference")
		}
		return p.unknown("source")
	})
	if sent {
		return j.broken(err)
	}
	if err != nil {
		return err
	}
	if source == nil {
		return noSource
	}
	v, err := voice.voice()
	switch {
	case err != nil:
		return err
	case v != nil:
		source.Timbre = v.Timbre
	case t.convert:
		return noVoice
	}
	d, err := j.decoder(v, source.Timbre, t.convert, t.Match)
	if err != nil {
		return err
	}
	return j.decode(d, source, t.parts, t.output)
}

var (
	noSource = faultf(http.StatusUnprocessableEntity, "body.source", "there is no part \"source\"; it is the audio file")
	noVoice  = faultf(http.StatusUnprocessableEntity, "query.voice", "no voice to convert to: give voice=ID of an enrolled one, or parts \"reference\" of a form")
)

// header returns that of .fac files with so many residual books, -1 for all.
func (s *Server) header(residualBooks int, entropyCoding bool) (fac.Header, error) {
	if residualBooks < 0 {
		residualBooks = s.config.Codec.Books()[facodec.Residual]
	}
	h, err := fac.HeaderFor(s.config.Codec, residualBooks)
	h.EntropyCoded = entropyCoding
	return h, in("query.residual_books", err)
}

func (s *Server) encodeFile(raw *Raw, h fac.Header, o sourceOptions, stream bool) error {
	j, err := s.begin(raw)
	if err != nil {
		return err
	}
	defer j.close()
	var whole bytes.Buffer // 600 bytes for a second of audio
	var out io.Writer = &whole
	begun := false
	if stream {
		j.duplex()
		out = writerFunc(func(p []byte) (int, error) {
			begun = true
			j.writer.Header().Set("Content-Type", "application/octet-stream")
			n, err := j.Write(p)
			if err == nil {
				err = j.control.Flush()
			}
			return n, err
		})
	}
	w, err := fac.NewWriter(out, h)
	if err != nil {
		return err
	}
	var source *encoding
	err = j.each(func(p part) (err error) {
		if p.name != "source" {
			return p.unknown("source")
		}
		source, err = j.encode(p, o, true, w.Write)
		return err
	})
	if err == nil && source == nil {
		err = noSource
	}
	if err == nil {
		err = w.Finish(source.Timbre, int64(source.Samples))
	}
	if begun {
		return j.broken(err)
	}
	if err != nil {
		if stream {
			j.drain()
		}
		return err
	}
	j.writer.Header().Set("Content-Type", "application/octet-stream")
	j.writer.Header().Set("Content-Length", strconv.Itoa(whole.Len()))
	_, err = whole.WriteTo(j)
	return j.broken(err)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (s *Server) decodeFile(raw *Raw, q OutputQuery, match MatchQuery) error {
	output, parts, err := q.options()
	if err == nil {
		err = match.check(parts)
	}
	if err != nil {
		return err
	}
	j, err := s.begin(raw)
	if err != nil {
		return err
	}
	defer j.close()
	voice := enrollment{j: j, frames: match.Match > 0}
	if q.Voice != "" {
		v, err := s.kept(q.Voice, match.Match)
		if err != nil {
			return err
		}
		voice.voices = append(voice.voices, v)
	}
	var source *encoding
	err = j.each(func(p part) (err error) {
		switch p.name {
		case "source":
			source, err = j.readFile(p, parts)
			return err
		case "reference":
			return voice.add(p)
		}
		return p.unknown("source and reference")
	})
	if err != nil {
		return err
	}
	if source == nil {
		return noSource
	}
	v, err := voice.voice()
	if err != nil {
		return err
	}
	if v != nil {
		source.Timbre = v.Timbre
	}
	if parts == nil {
		if parts = allParts; v != nil {
			parts = conversionParts
		}
	}
	d, err := j.decoder(v, source.Timbre, false, match.Match)
	if err != nil {
		return err
	}
	return j.decode(d, source, parts, output)
}

// readFile reads a .fac file to its end, which must have the parts that are asked for.
func (j *job) readFile(p part, parts []facodec.Part) (*encoding, error) {
	fault := func(err error) error { return in(p.location, j.cause(err)) }
	r, err := fac.NewReader(p)
	if err != nil {
		return nil, fault(err)
	}
	h := r.Header()
	if _, err := h.Check(j.s.config.Codec); err != nil {
		return nil, fault(err)
	}
	for _, part := range parts {
		if h.Books[part] == 0 {
			return nil, faultf(http.StatusUnprocessableEntity, "query.parts", "the file has no codes of the %v", part)
		}
	}
	out := &encoding{gain: 1}
	for {
		codes, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault(err)
		}
		if float64(r.Frames()*int64(h.HopLength)) > j.s.config.MaxSeconds*float64(h.SampleRate) {
			return nil, faultf(http.StatusRequestEntityTooLarge, p.location, "more than %g seconds of audio, which is as much as this server takes in a request", j.s.config.MaxSeconds)
		}
		out.Codes.Append(codes)
	}
	out.Timbre, out.Samples = r.Timbre(), int(r.Samples())
	if out.Samples == 0 {
		return nil, fault(facodec.ErrEmpty)
	}
	return out, nil
}
