package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/extract"
)

// Extraction is what extract answers as JSON.
type Extraction struct {
	Samples    int                  `json:"samples" doc:"of the recording, at sample_rate"`
	SampleRate int                  `json:"sample_rate"`
	HopLength  int                  `json:"hop_length" doc:"samples in a frame"`
	Frames     int                  `json:"frames"`
	FrameRate  float64              `json:"frame_rate" doc:"frames a second"`
	Entries    int                  `json:"codebook_size" doc:"codes are 0 to codebook_size-1"`
	Codes      map[string][][]int32 `json:"codes,omitempty" doc:"[book][frame] of prosody, content and residual"`
	Timbre     []float32            `json:"timbre,omitempty"`
}

func (s *Server) registerExtract(api huma.API) {
	type extractInput struct {
		Raw
		SourceQuery
		Format string   `query:"format" enum:"json,npz,safetensors" default:"json" doc:"of the answer; numpy.load opens npz"`
		What   []string `query:"what" enum:"codes,timbre,quantized,float16" doc:"arrays to send, codes and timbre if it is left out; quantized are no JSON; float16 halves timbre and quantized"`
	}
	registry := api.OpenAPI().Components.Schemas
	responses := answer("the arrays that extract of the command line writes", "application/x-npz", "application/x-safetensors")
	responses["200"].Content["application/json"] = &huma.MediaType{Schema: huma.SchemaFromType(registry, typeOf[Extraction]())}
	registerBody(api, audioBody("audio file"), huma.Operation{
		OperationID: "extract", Method: http.MethodPost, Path: "/v1/extract", Summary: "Extract codes, timbre and quantized frames",
		Responses: responses, Errors: codecErrors,
	}, func(_ context.Context, input *extractInput) (*huma.StreamResponse, error) {
		if len(input.What) == 0 {
			input.What = []string{"codes", "timbre"}
		}
		what, err := extract.ParseWhat(strings.Join(input.What, ","))
		switch {
		case err != nil:
			err = faultf(http.StatusUnprocessableEntity, "query.what", "%w", err)
		case input.Format == "json" && (what.Quantized || what.Float16):
			err = faultf(http.StatusUnprocessableEntity, "query.what", "JSON has codes and timbre; quantized and float16 are of npz and safetensors")
		default:
			err = s.extract(&input.Raw, input.SourceQuery.options(), input.Format, what)
		}
		return written, s.problem(err)
	})
}

func (s *Server) extract(raw *Raw, o sourceOptions, format string, what extract.What) error {
	j, err := s.begin(raw)
	if err != nil {
		return err
	}
	defer j.close()
	var source *encoding
	err = j.each(func(p part) (err error) {
		if p.name != "source" {
			return p.unknown("source")
		}
		source, err = j.encode(p, o, true, nil)
		return err
	})
	if err != nil {
		return err
	}
	if source == nil {
		return noSource
	}
	codec := s.config.Codec
	frames := source.Frames()
	// The frames as numbers, and as the file that is sent.
	bytesOf := int64(frames) * int64(8*facodec.NumParts)
	if what.Quantized {
		bytesOf += int64(frames) * int64(codec.LatentDim()) * int64(facodec.NumParts) * 4 * 2
	}
	if err := j.keep(bytesOf); err != nil {
		return err
	}
	var out bytes.Buffer
	err = j.turn(func() error {
		if format == "json" {
			return writeExtraction(&out, codec, &source.Tokens, what)
		}
		return extract.Write(&out, format, codec, &source.Tokens, what)
	})
	if err != nil {
		return err
	}
	types := map[string]string{"json": "application/json", "npz": "application/x-npz", "safetensors": "application/x-safetensors"}
	j.writer.Header().Set("Content-Type", types[format])
	j.writer.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	for b := out.Bytes(); len(b) > 0; {
		n, err := j.Write(b[:min(len(b), 1<<16)])
		if err != nil {
			return j.broken(err)
		}
		b = b[n:]
	}
	return nil
}

func writeExtraction(out *bytes.Buffer, c *facodec.Codec, t *facodec.Tokens, what extract.What) error {
	e := Extraction{Samples: t.Samples, SampleRate: c.SampleRate(), HopLength: c.HopLength(), Frames: t.Frames(), FrameRate: c.FrameRate(), Entries: c.CodebookSize()}
	if what.Codes {
		e.Codes = map[string][][]int32{}
		for part, books := range t.Codes {
			e.Codes[facodec.Part(part).String()] = slices.Clip(books)
		}
	}
	if what.Timbre {
		e.Timbre = t.Timbre
	}
	return json.NewEncoder(out).Encode(e)
}
