package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/float16"
)

// 3·1024 numbers, 80 times a second.
var errQuantizedLine = errors.New("quantized frames have no place in a line of text: 3 MB for each second; take npz or safetensors")

// Line encodes an audio file and returns the arrays that o names as one line of JSON,
// a newline at its end:
//
//	{"path":"a/en.wav","samples":49884,"sample_rate":24000,"frames":167,
//	"codes_prosody":[[…]],"codes_content":[[…],[…]],"codes_residual":[[…],[…],[…]],"timbre":[…]}
//
// path is what the line calls the file; key and speaker follow it, where o has them. Numbers have the digits that bring back
// the same float32, or float16. Quantized frames are refused.
func Line(ctx context.Context, c *facodec.Codec, source, path string, o Options) ([]byte, Report, error) {
	if o.Quantized {
		return nil, Report{}, errQuantizedLine
	}
	u, err := measure(ctx, c, source, o)
	if err != nil {
		return nil, Report{}, err
	}
	report, err := u.encode(ctx, func(facodec.Codes) error { return nil })
	if err != nil {
		return nil, Report{}, err
	}
	b := []byte("{")
	for _, text := range []struct{ name, value string }{{"path", path}, {"key", o.Key}, {"speaker", o.Speaker}} {
		if text.name != "path" && text.value == "" {
			continue
		}
		value, err := json.Marshal(text.value)
		if err != nil {
			return nil, Report{}, err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(append(b, '"'), text.name...), `":`...), value...)
	}
	b = appendInt(append(b, `,"samples":`...), report.Samples)
	b = appendInt(append(b, `,"sample_rate":`...), int64(c.SampleRate()))
	b = appendInt(append(b, `,"frames":`...), int64(report.Frames))
	if o.Codes {
		for part, books := range u.codes {
			b = append(b, `,"codes_`+facodec.Part(part).String()+`":`...)
			b = appendList(b, books, func(b []byte, book []int32) []byte {
				return appendList(b, book, func(b []byte, code int32) []byte { return appendInt(b, int64(code)) })
			})
		}
	}
	if o.Timbre {
		number := appendFloat32
		if o.Float16 {
			number = appendFloat16
		}
		b = appendList(append(b, `,"timbre":`...), u.timbre, number)
	}
	b = append(b, "}\n"...)
	sum := sha256.Sum256(b)
	report.Bytes, report.Elapsed = int64(len(b)), time.Since(u.start)
	return b, Report{report, hex.EncodeToString(sum[:])}, nil
}

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

func appendFloat32(b []byte, v float32) []byte {
	return strconv.AppendFloat(b, float64(v), 'g', -1, 32)
}

// appendFloat16 writes the nearest half with five digits, which are enough to tell
// any two apart. One too large for a half becomes the largest: JSON has no infinity.
func appendFloat16(b []byte, v float32) []byte {
	half := float16.ToFloat32(float16.FromFloat32(max(-65504, min(65504, v))))
	text := strconv.FormatFloat(float64(half), 'g', 5, 32)
	short, _ := strconv.ParseFloat(text, 64) // drops zeros at the end
	return strconv.AppendFloat(b, short, 'g', -1, 64)
}

func appendList[T any](b []byte, list []T, element func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, v)
	}
	return append(b, ']')
}
