package extract

import (
	"fmt"
	"io"

	facodec "github.com/facodec-go/facodec"
)

// Write writes the arrays of an utterance that is in memory, in the format "npz" or
// "safetensors", as File does. Quantized frames are held in memory: LatentDim numbers
// of 4 bytes for each frame and part.
func Write(out io.Writer, format string, c *facodec.Codec, t *facodec.Tokens, w What) error {
	write := writeNPZ
	switch format {
	case "npz":
	case "safetensors":
		write = writeSafetensors
	default:
		return fmt.Errorf("format %q; npz and safetensors are", format)
	}
	var parts [facodec.NumParts][]float32
	if w.Quantized {
		var err error
		if parts, err = c.Quantized(t.Codes); err != nil {
			return err
		}
	}
	quantized := func(out io.Writer, part facodec.Part) error {
		frames := t.Frames()
		var row []byte
		for at := 0; at < len(parts[part]); at += frames {
			row = row[:0]
			for _, v := range parts[part][at : at+frames] {
				row = appendFloat(row, v, w.Float16)
			}
			if _, err := out.Write(row); err != nil {
				return err
			}
		}
		return nil
	}
	report := facodec.FileReport{Samples: int64(t.Samples)}
	return write(out, c, arraysOf(w, t.Codes, t.Timbre, c.LatentDim(), quantized), report)
}
