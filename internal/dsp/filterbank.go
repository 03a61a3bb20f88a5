package dsp

import "github.com/facodec-go/facodec/internal/kernel"

// A Filterbank sums the bins of spectra into bands, for many frames side by side:
// bin or band i of lane l is x[i·lanes+l]. It is read-only.
type Filterbank []Band

// A Band weighs the bins from First on.
type Band struct {
	First   int
	Weights []float32
}

// NewFilterbank returns the filters with weights in float32.
func NewFilterbank(filters []MelFilter) Filterbank {
	b := make(Filterbank, len(filters))
	for i, f := range filters {
		b[i] = Band{First: f.First, Weights: make([]float32, len(f.Weights))}
		for k, w := range f.Weights {
			b[i].Weights[k] = float32(w)
		}
	}
	return b
}

// Apply computes the bands of x: dst[m] = Σ Weights[k]·x[First+k].
func (b Filterbank) Apply(dst, x []float32, lanes int) {
	clear(dst[:len(b)*lanes])
	for m, f := range b {
		band := dst[m*lanes : (m+1)*lanes]
		for k, w := range f.Weights {
			kernel.AddScaled(band, x[(f.First+k)*lanes:][:lanes], w)
		}
	}
}

// Adjoint computes the transpose of Apply, which takes gradients of bands back to
// the bins: dx[First+k] = Σ Weights[k]·d[m], over all bands m. Bins that no band has
// are zero.
func (b Filterbank) Adjoint(dx, d []float32, lanes int) {
	clear(dx)
	for m, f := range b {
		band := d[m*lanes : (m+1)*lanes]
		for k, w := range f.Weights {
			kernel.AddScaled(dx[(f.First+k)*lanes:][:lanes], band, w)
		}
	}
}
