package convert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/weights"
)

// Export writes the small checkpoint of a trained model: of what input holds only the
// networks that run, a codec's encoder, quantizer and decoder or a redecoder's encoder
// and decoder, with the configuration, the training step and the epoch. Predictors,
// discriminators, optimizers and all else that only training needs is left out and
// named in the report. The extension of output sets the format, as for Convert. A
// checkpoint that is small already is written as it is. Of a network of the
// NaturalSpeech 3 family, predictors are left out.
//
// With a DType of 16 bits, matrices and filters are rounded to it, and what is small
// stays float32: codebooks, biases, gains. With I8, which only safetensors can hold, the
// large ones are stored in 8 bits, with a scale for each row, and the others as F16. The names of folders and files that the
// experiment was run with are not put into output.
func Export(ctx context.Context, input, output string, o Options) (Report, error) {
	return rewrite(ctx, input, output, o, func(file *weights.File, c *config.Config) (selection, error) {
		if kind, ok := ns3.KindOf(file); ok {
			if err := ns3.CheckKind(kind, file); err != nil {
				return selection{}, fmt.Errorf("%s: %w", input, err)
			}
			s := choose(file, func(name string) bool { return !ns3.IsTraining(name) })
			s.narrow(o.DType)
			return s, nil
		}
		networks := codec.InferenceNetworks(c)
		// Here, because a file that cannot be loaded is no export.
		if c != nil {
			if err := codec.Check(c, file, input); err != nil {
				return selection{}, err
			}
			forgetPaths(c)
		} else if !checkpoint.HasNetworks(file, networks...) || checkpoint.IsFlat(file) {
			return selection{}, fmt.Errorf("%s: %w in it or beside it, and no networks %s to export; give one",
				input, checkpoint.ErrNoConfig, strings.Join(networks, ", "))
		}
		s := choose(file, func(name string) bool {
			network, _, _ := strings.Cut(name, ".")
			return slices.Contains(networks, network)
		})
		s.narrow(o.DType)
		return s, nil
	})
}

// forgetPaths resets what an experiment knows of the machine that it was run on.
func forgetPaths(c *config.Config) {
	c.LogDir = config.Default().LogDir
	c.Dataset, c.PretrainedModel, c.PretrainedEncoder, c.F0Path, c.Augment.Parallel = "", "", "", "", ""
}

// narrow has the arrays that take the space written as d.
func (s *selection) narrow(d weights.DType) {
	if d == weights.F32 {
		return
	}
	arrays := s.arrays
	s.arrays = nil
	for _, a := range arrays {
		switch {
		case a.DType != weights.F32 || staysFloat32(a):
		case d != weights.I8:
			a.DType = d
		case checkpoint.Elements(a.Shape) < leastInt8:
			a.DType = weights.F16
		default:
			integers, scales := weights.Int8(a)
			s.arrays = append(s.arrays, integers, scales)
			continue
		}
		s.arrays = append(s.arrays, a)
	}
}

// leastInt8 is the least number of values of an array that I8 stores in 8 bits: those of
// the small ones, which take no space, are rounded less.
const leastInt8 = 1 << 16

// staysFloat32 says which arrays are not rounded: codebooks, whose entries are compared
// with each other, and vectors (biases, norms, gains). They are 1 % of a small codec, and
// rounding them as well doubles the codes that change.
func staysFloat32(a weights.Array) bool {
	long := 0
	for _, n := range a.Shape {
		if n > 1 {
			long++
		}
	}
	return long < 2 || strings.Contains(a.Name, "codebook")
}
