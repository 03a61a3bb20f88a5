package extract

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/float16"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/weights"
)

// An array is one to be written, in either format.
type array struct {
	name  string
	shape []int
	dtype npz.DType
	fill  func(io.Writer) error // row-major, little-endian
}

// arraysOf returns the arrays of an utterance that are asked for; quantized writes the
// quantized frames of a part, [latent, T].
func arraysOf(w What, codes facodec.Codes, timbre []float32, latent int, quantized func(io.Writer, facodec.Part) error) (arrays []array) {
	float := floatType(w.Float16)
	if w.Codes {
		for part, books := range codes {
			arrays = append(arrays, array{"codes_" + facodec.Part(part).String(), []int{len(books), codes.Frames()}, npz.Int32, func(out io.Writer) error {
				for _, book := range books {
					if err := binary.Write(out, binary.LittleEndian, book); err != nil {
						return err
					}
				}
				return nil
			}})
		}
	}
	if w.Timbre {
		arrays = append(arrays, array{"timbre", []int{len(timbre)}, float, func(out io.Writer) error {
			var b []byte
			for _, v := range timbre {
				b = appendFloat(b, v, w.Float16)
			}
			_, err := out.Write(b)
			return err
		}})
	}
	if w.Quantized {
		for part := range facodec.NumParts {
			arrays = append(arrays, array{"quantized_" + part.String(), []int{latent, codes.Frames()}, float,
				func(out io.Writer) error { return quantized(out, part) }})
		}
	}
	return arrays
}

func floatType(half bool) npz.DType {
	if half {
		return npz.Float16
	}
	return npz.Float32
}

func appendFloat(b []byte, v float32, half bool) []byte {
	if half {
		return binary.LittleEndian.AppendUint16(b, float16.FromFloat32(v))
	}
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

func writeNPZ(out io.Writer, _ *facodec.Codec, arrays []array, _ facodec.FileReport) error {
	z := npz.NewWriter(out)
	for _, a := range arrays {
		if err := z.WriteFunc(a.name, a.shape, a.dtype, a.fill); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeSafetensors adds what .npz has no place for.
func writeSafetensors(out io.Writer, c *facodec.Codec, arrays []array, r facodec.FileReport) error {
	var tensors []weights.Array
	for _, a := range arrays {
		dtype := map[npz.DType]weights.DType{npz.Int32: weights.I32, npz.Float32: weights.F32, npz.Float16: weights.F16}[a.dtype]
		tensors = append(tensors, weights.Array{Name: a.name, Shape: a.shape, DType: dtype, Fill: a.fill})
	}
	quantizer, _, err := c.Fingerprints()
	if err != nil && !errors.Is(err, facodec.ErrNotLoaded) { // of the decoder, which codes do not depend on
		return err
	}
	return weights.EncodeSafetensors(out, tensors, map[string]string{
		"samples":     fmt.Sprint(r.Samples),
		"sample_rate": fmt.Sprint(c.SampleRate()),
		"hop_length":  fmt.Sprint(c.HopLength()),
		"model":       c.TokensFingerprint().String(),
		"quantizer":   quantizer.String(),
	}, nil)
}
