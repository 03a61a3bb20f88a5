package op

import (
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// TrainableWeights are weights W [taps][in][out] in training, which a filter has
// instead of panels. They are packed each time an operation needs them and the
// panels are freed at once: the packed weights of all layers together would be as
// large as the model.
type TrainableWeights interface {
	// Pack returns the panels that a convolution reads: tap k is W[k], [in][out].
	Pack(r *Run) *kernel.Panels
	// PackInputGrad returns those for the gradient with respect to a
	// convolution's input, for each phase p of the stride: W[p], W[p+stride] … in
	// falling order, transposed, [out][in].
	PackInputGrad(r *Run, stride int) []*kernel.Panels
	// Frozen reports whether the weights accumulate no gradient at present.
	Frozen() bool
	// AccumulateGrad adds to the gradient of W, of which dw holds [out][taps][ld]
	// with in ≤ ld values, and of the bias, [out].
	AccumulateGrad(r *Run, dw []float32, ld int, db []float32)
}

// ConvWeights are trainable weights that are rounded and packed from where they are.
type ConvWeights interface {
	// Matrix returns the weights, [out][in][taps], and a factor for each output, nil for 1.
	Matrix() (w, scale []float32, out, in, taps int)
}

// Panels returns uninitialized panels from the run's memory, for weights that are
// packed for one operation. All values must be written, zeros beyond n included.
func (r *Run) Panels(taps, k, n int) *kernel.Panels {
	return &kernel.Panels{Taps: taps, K: k, N: n, Data: r.alloc(kernel.PanelsLen(taps, k, n))}
}

// freePanels frees panels.
func (r *Run) freePanels(ps ...*kernel.Panels) {
	for _, p := range ps {
		r.Free(tensor.Tensor{Data: p.Data})
	}
}

// freeFloats frees what alloc returned.
func (r *Run) freeFloats(v []float32) { r.Free(tensor.Tensor{Data: v}) }
