package serve

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/plot"
	"github.com/facodec-go/facodec/internal/scope"
)

// PlotQuery are the parameters of plot.
type PlotQuery struct {
	Format string  `query:"format" enum:"png,svg" default:"png" doc:"of the picture"`
	Width  int     `query:"width" minimum:"400" maximum:"4000" default:"1200" doc:"in pixels"`
	Height int     `query:"height" minimum:"0" maximum:"4000" doc:"in pixels; what the panels need if it is left out"`
	From   float64 `query:"from" minimum:"0" doc:"second at which the picture begins"`
	To     float64 `query:"to" minimum:"0" doc:"second at which it ends; the end of the recording if it is left out"`
	Title  string  `query:"title" maxLength:"200" doc:"above the picture"`
	Codes  bool    `query:"codes" default:"true" doc:"draw a row for each codebook"`
}

func (s *Server) registerPlot(api huma.API) {
	type plotInput struct {
		Raw
		PlotQuery
	}
	registerBody(api, audioBody("audio file"), huma.Operation{
		OperationID: "plot", Method: http.MethodPost, Path: "/v1/plot", Summary: "Draw a recording",
		Description: "Waveform, mel spectrogram, pitch and codes, as plot of the command line draws them.",
		Responses:   answer("the picture", "image/png", "image/svg+xml"), Errors: codecErrors,
	}, func(_ context.Context, input *plotInput) (*huma.StreamResponse, error) {
		return written, s.problem(s.plot(&input.Raw, input.PlotQuery))
	})
}

func (s *Server) plot(raw *Raw, q PlotQuery) error {
	for name, v := range map[string]float64{"from": q.From, "to": q.To} {
		if v-v != 0 {
			return faultf(http.StatusUnprocessableEntity, "query."+name, "%g is no time", v)
		}
	}
	if q.To != 0 && q.To <= q.From {
		return faultf(http.StatusUnprocessableEntity, "query.to", "%g is not after from, %g", q.To, q.From)
	}
	j, err := s.begin(raw)
	if err != nil {
		return err
	}
	defer j.close()
	var r *scope.Recording
	err = j.each(func(p part) (err error) {
		if p.name != "source" {
			return p.unknown("source")
		}
		r, err = j.measure(p, q)
		return err
	})
	if err != nil {
		return err
	}
	if r == nil {
		return noSource
	}
	format := map[string]plot.Format{"png": plot.PNG, "svg": plot.SVG}[q.Format]
	if err := j.keep(4 * int64(q.Width) * 4000); err != nil { // its pixels
		return err
	}
	var out bytes.Buffer
	err = j.turn(func() error {
		canvas, err := scope.Draw([]*scope.Recording{r}, scope.Layout{Format: format, Width: q.Width, Height: q.Height, Title: q.Title})
		if err != nil {
			return faultf(http.StatusUnprocessableEntity, "query.height", "%w", err)
		}
		_, err = canvas.WriteTo(&out)
		return err
	})
	if err != nil {
		return err
	}
	j.writer.Header().Set("Content-Type", map[string]string{"png": "image/png", "svg": "image/svg+xml"}[q.Format])
	j.writer.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	_, err = out.WriteTo(j)
	return j.broken(err)
}

// measure finds what is drawn of a recording, and its codes, in one reading: at the rate of
// the picture, and at the codec's.
func (j *job) measure(p part, q PlotQuery) (*scope.Recording, error) {
	codec := j.s.config.Codec
	var m *scope.Meter
	var codes facodec.Codes
	encoder := codec.NewEncoder()
	encode := func(samples []float32) error {
		if !q.Codes {
			return nil
		}
		return j.pieces(samples, func(samples []float32) error {
			more, err := encoder.Push(samples)
			codes.Append(more)
			return err
		})
	}
	look := func(samples []float32) error {
		return j.turn(func() error {
			if !m.Full() {
				m.Push(samples)
			}
			return nil
		})
	}
	toPicture, toCodec := &resampling{take: look}, &resampling{take: encode}
	info, err := j.read(p, 0, false, func(r *audio.Reader) (err error) {
		samples := r.Samples()
		if samples >= 0 {
			samples = audio.ResampledLen(samples, r.Rate(), scope.Rate)
		}
		m = scope.NewMeter(scope.Options{Width: q.Width, From: q.From, To: q.To}, samples)
		if err = toPicture.begin(r.Rate(), scope.Rate); err == nil {
			err = toCodec.begin(r.Rate(), codec.SampleRate())
		}
		return err
	}, func(samples []float32) error {
		if err := toPicture.push(samples); err != nil {
			return err
		}
		return toCodec.push(samples)
	})
	if err == nil {
		err = toPicture.flush()
	}
	if err == nil {
		err = toCodec.flush()
	}
	if err != nil {
		return nil, in(p.location, err)
	}
	r, err := m.End("recording", info)
	var pastEnd *scope.ErrPastEnd
	if errors.As(err, &pastEnd) {
		return nil, faultf(http.StatusUnprocessableEntity, "query.from", "%w", err)
	}
	if err != nil || !q.Codes {
		return r, err
	}
	last, err := encoder.Flush()
	codes.Append(last)
	r.Codes = scope.NewCodes(codes[:], func(part int) string { return facodec.Part(part).String() }, codec.FrameRate())
	return r, err
}

// resampling passes samples on at another rate, or the same.
type resampling struct {
	*audio.Resampler
	take func([]float32) error
	buf  []float32
}

func (r *resampling) begin(from, to int) (err error) {
	if from != to {
		r.Resampler, err = audio.NewResampler(from, to)
	}
	return err
}

func (r *resampling) push(samples []float32) error {
	if r.Resampler == nil {
		return r.take(samples)
	}
	r.buf = r.Process(r.buf[:0], samples)
	return r.take(r.buf)
}

func (r *resampling) flush() error {
	if r.Resampler == nil {
		return nil
	}
	r.buf = r.Flush(r.buf[:0])
	return r.take(r.buf)
}
