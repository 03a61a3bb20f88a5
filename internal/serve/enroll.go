package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/recording"
)

// An enrollment makes one voice of clips, voice files, or both, as
// facodec.Codec.EnrollFiles does.
type enrollment struct {
	j         *job
	normalize bool
	frames    bool                  // of clips are kept
	clips     *facodec.VoiceEncoder // nil before the first clip that is heard
	heard     string                // where that is
	voices    []*facodec.Voice
	silent    []silentClip
}

// A silentClip is one in which nothing is heard. It is left out.
type silentClip struct {
	location string
	peak     float32
}

func (c silentClip) warning() error {
	return fmt.Errorf("%s: %w; left out", c.location, facodec.ErrSilent)
}

// allSilent is the error of nothing but silence.
func allSilent(clips []silentClip) error {
	all := make([]error, len(clips))
	for i, c := range clips {
		all[i] = fmt.Errorf("%s: %w: its peak is %.2g of full scale; take another clip of the voice", c.location, facodec.ErrSilent, c.peak)
	}
	return in(clips[0].location, recording.AllSilent(all))
}

// add takes a clip, or a voice file.
func (e *enrollment) add(p part) error {
	head := bufio.NewReader(p)
	p.Reader = head
	if magic, _ := head.Peek(len(voiceMagic)); string(magic) == voiceMagic {
		v, err := e.j.s.voices.read(head)
		if err != nil {
			return in(p.location, e.j.cause(err))
		}
		e.voices = append(e.voices, v)
		return nil
	}
	codec := e.j.s.config.Codec
	push := func(samples []float32) error {
		if e.clips == nil {
			e.clips, e.heard = codec.NewVoiceEncoder(), p.location
			if e.frames {
				e.clips.KeepFrames()
			}
		}
		return e.j.turn(func() error { return e.clips.Push(samples) })
	}
	var peak float32
	if e.normalize {
		u, err := e.j.readWhole(p, false)
		if err != nil {
			return err
		}
		peak = peakOf(0, u.samples)
		if !(peak < recording.SilentPeak) {
			if err := u.each(push); err != nil {
				return in(p.location, err)
			}
		}
	} else {
		var quiet [][]float32 // what the clip begins with, until something is heard
		bytes := func(samples []float32) int64 { return 4 * int64(len(samples)) }
		_, err := e.j.read(p, codec.SampleRate(), false, nil, func(samples []float32) error {
			if peak = peakOf(peak, samples); peak < recording.SilentPeak {
				if err := e.j.keep(bytes(samples)); err != nil {
					return err
				}
				quiet = append(quiet, slices.Clone(samples))
				return nil
			}
			for _, before := range quiet {
				if err := push(before); err != nil {
					return err
				}
				e.j.free(bytes(before))
			}
			quiet = nil
			return push(samples)
		})
		for _, silence := range quiet {
			e.j.free(bytes(silence))
		}
		if err != nil {
			return err
		}
	}
	if peak < recording.SilentPeak {
		e.silent = append(e.silent, silentClip{p.location, peak})
		return nil
	}
	e.clips.EndClip()
	return nil
}

// peakOf returns the peak of samples before and of these.
func peakOf(peak float32, samples []float32) float32 {
	for _, x := range samples {
		peak = max(peak, x, -x)
	}
	return peak
}

// voice returns the voice of all that was added, or nil of nothing.
func (e *enrollment) voice() (*facodec.Voice, error) {
	voices := e.voices
	if len(e.silent) > 0 && e.clips == nil && len(voices) == 0 {
		return nil, allSilent(e.silent)
	}
	var warnings []error
	for _, c := range e.silent {
		warnings = append(warnings, c.warning())
	}
	if e.clips != nil {
		var v *facodec.Voice
		err := e.j.turn(func() (err error) { // it decodes them, for their spectrum
			v, err = e.clips.Voice()
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := recording.CheckVoiceLength(v.Seconds); err != nil {
			warnings = append(warnings, fmt.Errorf("%s: %w", e.heard, err))
		}
		voices = append(voices, v)
	}
	if len(voices) == 0 {
		return nil, nil
	}
	v, err := facodec.MixVoices(voices...)
	if err == nil && len(warnings) > 0 {
		warned := *v
		warned.Warnings = warnings
		v = &warned
	}
	return v, err
}

type voiceOutput struct {
	Location string `header:"Location" doc:"path of the voice"`
	Body     Voice
}

type voicePath struct {
	ID string `path:"id" maxLength:"64" doc:"of the voice"`
}

func (s *Server) registerVoices(api huma.API) {
	type enrollInput struct {
		Raw
		Name      string `query:"name" maxLength:"80" doc:"what to call the voice"`
		Normalize bool   `query:"normalize" doc:"bring each clip to peak 1, the level the model was trained on"`
		Frames    bool   `query:"frames" doc:"keep codes of the clips, up to a minute, which match needs: what was said can be heard from them, by whoever may download the voice"`
	}
	registerBody(api, audioBody("clip of the voice, or a .voice file", "reference"), huma.Operation{
		OperationID: "enroll", Method: http.MethodPost, Path: "/v1/voices", DefaultStatus: http.StatusCreated,
		Summary:     "Enroll a voice",
		Description: "From a clip, from several of one voice as parts \"source\" and \"reference\" of a form, or from a .voice file. It is kept in memory until it is deleted or the server ends.",
		Errors:      []int{401, 403, 408, 413, 415, 422, 503, 507},
	}, func(_ context.Context, input *enrollInput) (*voiceOutput, error) {
		v, err := s.enroll(&input.Raw, input.Name, input.Normalize, input.Frames)
		if err != nil {
			return nil, s.problem(err)
		}
		return &voiceOutput{"/v1/voices/" + v.ID, v}, nil
	})

	type listOutput struct {
		Body struct {
			Voices []Voice `json:"voices" doc:"the oldest first"`
		}
	}
	huma.Register(api, huma.Operation{
		OperationID: "voices", Method: http.MethodGet, Path: "/v1/voices", Summary: "List the voices that are kept", Errors: []int{401, 403},
	}, func(context.Context, *struct{}) (*listOutput, error) {
		out := new(listOutput)
		out.Body.Voices = s.voices.list()
		return out, nil
	})

	huma.Register(api, huma.Operation{
		OperationID: "voice", Method: http.MethodGet, Path: "/v1/voices/{id}", Summary: "Describe a voice", Errors: []int{401, 403, 404},
	}, func(_ context.Context, input *voicePath) (*voiceOutput, error) {
		v, err := s.voices.get(input.ID, "path.id", http.StatusNotFound)
		if err != nil {
			return nil, s.problem(err)
		}
		return &voiceOutput{"/v1/voices/" + v.ID, v}, nil
	})

	type fileOutput struct {
		ContentType string `header:"Content-Type"`
		Disposition string `header:"Content-Disposition"`
		Body        []byte
	}
	huma.Register(api, huma.Operation{
		OperationID: "voice-file", Method: http.MethodGet, Path: "/v1/voices/{id}/file", Summary: "Download a voice as a .voice file",
		Description: "The command line takes it (--reference), and POST /v1/voices.",
		Responses:   answer("a .voice file", "application/octet-stream"),
		Errors:      []int{401, 403, 404},
	}, func(_ context.Context, input *voicePath) (*fileOutput, error) {
		v, err := s.voices.get(input.ID, "path.id", http.StatusNotFound)
		if err != nil {
			return nil, s.problem(err)
		}
		b, err := v.voice.MarshalBinary()
		if err != nil {
			return nil, s.problem(err)
		}
		return &fileOutput{"application/octet-stream", `attachment; filename="` + v.ID + `.voice"`, b}, nil
	})

	huma.Register(api, huma.Operation{
		OperationID: "delete-voice", Method: http.MethodDelete, Path: "/v1/voices/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a voice", Description: "Live streams that have it go on.", Errors: []int{401, 403, 404},
	}, func(_ context.Context, input *voicePath) (*struct{}, error) {
		return nil, s.problem(s.voices.delete(input.ID))
	})
}

func (s *Server) enroll(raw *Raw, name string, normalize, frames bool) (Voice, error) {
	if err := checkName("query.name", name); err != nil {
		return Voice{}, err
	}
	if name == "" && raw.request.URL.Query().Has("name") {
		return Voice{}, faultf(http.StatusUnprocessableEntity, "query.name", "the name is empty; leave name out for a voice without one")
	}
	if frames && !codec.Inner(s.config.Codec).TakesReferences() {
		return Voice{}, s.noFrames("query.frames")
	}
	j, err := s.begin(raw)
	if err != nil {
		return Voice{}, err
	}
	defer j.close()
	j.second = "a second source; send one in each request, and give the others as reference"
	e := enrollment{j: j, normalize: normalize, frames: frames}
	err = j.each(func(p part) error {
		if p.name != "source" && p.name != "reference" {
			return p.unknown("source and reference")
		}
		return e.add(p)
	})
	if err != nil {
		return Voice{}, err
	}
	v, err := e.voice()
	if err != nil {
		return Voice{}, in("body", err)
	}
	if v == nil {
		return Voice{}, faultf(http.StatusUnprocessableEntity, "body.source", "no clip and no voice file")
	}
	var kept Voice
	if frames && v.Frames.Frames() == 0 {
		without := *v
		without.Warnings = append(slices.Clone(v.Warnings), errors.New("no frames are kept: what is mixed of several voices has none"))
		v = &without
	}
	err = j.turn(func() (err error) {
		kept, err = s.voices.add(j.ctx, name, v)
		return err
	})
	return kept, err
}
