package serve

import (
	"context"
	"net/http"
	"os/exec"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// Info is what clients are told of the server.
type Info struct {
	Program    string         `json:"program" example:"facodec"`
	Version    string         `json:"version"`
	Model      string         `json:"model"`
	SampleRate int            `json:"sample_rate" doc:"of the codec, in Hz"`
	HopLength  int            `json:"hop_length" doc:"samples in a frame"`
	FrameRate  float64        `json:"frame_rate" doc:"frames a second"`
	Entries    int            `json:"codebook_size"`
	Books      map[string]int `json:"books" doc:"codebooks of each part"`
	TimbreLen  int            `json:"timbre_len" doc:"values of a timbre"`
	Notices    []string       `json:"notices,omitempty" doc:"what is to be known of the model"`
	Redecoder  bool           `json:"redecoder,omitempty" doc:"whether recordings are converted with a redecoder"`
	Matches    bool           `json:"matches" doc:"whether conversions can have frames of a voice: match"`
	FFmpeg     bool           `json:"ffmpeg" doc:"whether formats beyond WAV, FLAC, MP3, Ogg and WebM are read"`
	Limits     InfoLimits     `json:"limits"`
	Now        InfoNow        `json:"now"`
}

// InfoLimits are the limits of the server.
type InfoLimits struct {
	Requests       int     `json:"requests" doc:"at once, those that wait among them"`
	Jobs           int     `json:"jobs" doc:"requests that compute at once"`
	Streams        int     `json:"streams" doc:"live streams at once"`
	BodyBytes      int64   `json:"body_bytes"`
	Seconds        float64 `json:"seconds" doc:"of audio in a request"`
	Voices         int     `json:"voices"`
	TimeoutSeconds float64 `json:"timeout_seconds" doc:"of a request"`
}

// InfoNow is how much of the limits is taken.
type InfoNow struct {
	Requests int `json:"requests"`
	Streams  int `json:"streams"`
	Voices   int `json:"voices"`
}

func (s *Server) registerInfo(api huma.API) {
	type infoOutput struct{ Body Info }
	huma.Register(api, huma.Operation{
		OperationID: "info", Method: http.MethodGet, Path: "/v1/info", Summary: "Describe the model and the limits", Errors: []int{401, 403},
	}, func(context.Context, *struct{}) (*infoOutput, error) { return &infoOutput{s.info()}, nil })

	type healthOutput struct {
		Body struct {
			Status string `json:"status" enum:"ok"`
		}
	}
	huma.Register(api, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the server takes work",
		Description: "503 once it is about to end. Needs no token.", Security: []map[string][]string{}, Errors: []int{503},
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		if s.ending.Load() {
			return nil, s.problem(errEnding)
		}
		out := new(healthOutput)
		out.Body.Status = "ok"
		return out, nil
	})
}

func (s *Server) info() Info {
	c := s.config.Codec
	books := map[string]int{}
	for part, n := range c.Books() {
		books[facodec.Part(part).String()] = n
	}
	_, err := exec.LookPath("ffmpeg")
	return Info{
		Program: "facodec", Version: s.config.Version, Model: s.config.Model,
		SampleRate: c.SampleRate(), HopLength: c.HopLength(), FrameRate: c.FrameRate(), Entries: c.CodebookSize(), Books: books, TimbreLen: c.TimbreLen(),
		Notices: c.Notices(), Redecoder: s.config.Redecoder != nil, Matches: codec.Inner(c).TakesReferences(), FFmpeg: err == nil,
		Limits: InfoLimits{
			Requests: s.config.Jobs + s.config.Queue, Jobs: s.config.Jobs, Streams: s.config.Streams, BodyBytes: s.config.MaxBody,
			Seconds: s.config.MaxSeconds, Voices: s.config.MaxVoices, TimeoutSeconds: s.config.Timeout.Seconds(),
		},
		Now: InfoNow{s.places.taken(), s.streams.taken(), s.voices.len()},
	}
}
