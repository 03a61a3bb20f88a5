package plot

import (
	"bytes"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
)

const rightAngle = math.Pi / 2

// WriteTo writes the picture in its format.
func (c *Canvas) WriteTo(w io.Writer) (int64, error) {
	var buf bytes.Buffer
	if c.format == PNG {
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(&buf, c.vg.(*vgimg.Canvas).Image()); err != nil {
			return 0, err
		}
		return buf.WriteTo(w)
	}
	if _, err := c.vg.(vg.CanvasWriterTo).WriteTo(&buf); err != nil {
		return 0, err
	}
	text := buf.Bytes()
	for _, r := range corrections {
		text = bytes.ReplaceAll(text, []byte(r.from), []byte(r.to))
	}
	n, err := w.Write(text)
	return int64(n), err
}

// corrections make the SVG of gonum/plot what browsers show right. No text of a
// picture can hold what they look for: quotes and angle brackets are escaped.
var corrections = []struct{ from, to string }{
	// Images are PNG, are stretched to their place, and keep their pixels.
	{`xlink:href="data:image/jpg;`, `preserveAspectRatio="none" xlink:href="data:image/png;`},
	// Where the font is not installed, one of the same widths is.
	{"style=\"font-family:Liberation Sans;font-variant:normal;", "style=\"font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"},
}

// Save writes the picture to a file, which is whole or not there.
func (c *Canvas) Save(path string) error {
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := c.WriteTo(f); err != nil {
		return fileerr.Write(path, err)
	}
	return f.Commit()
}
