package train

import (
	"fmt"
	"math"
	"strings"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Restarter gives codebook entries that nothing chooses a new place: that of
// something that was projected into the book's space (as in SoundStream, arXiv
// 2107.03312, III-C, and EnCodec). The originals have nothing of the kind, and in a
// small model with little data most entries are never chosen: the first that are
// near draw everything to themselves.
type Restarter struct {
	Every int // steps between two looks
	books []*restartedBook
}

// A restartedBook is one codebook, [size][dim].
type restartedBook struct {
	name    string
	moments *Moments
	mean    []float32 // the EMA's entries, nil without one
	dim     int
	// Chosen counts how often each entry was chosen since the last look.
	chosen []float32
	// seen are the projected inputs of the last step, [n][dim].
	seen []float32
}

// NewRestarter watches every codebook of the trainer's quantizers.
func NewRestarter(t *Trainer, every int) *Restarter {
	r := &Restarter{Every: every}
	means := t.means()
	for part, books := range t.Networks.Codec.Quantizer.Books() {
		for i := range books {
			name := fmt.Sprintf("quantizer.%v_quantizer.quantizers.%d.codebook.weight", model.Part(part), i)
			for _, m := range t.Optimizers["quantizer"].Moments {
				if m.Param.Name == name {
					r.books = append(r.books, &restartedBook{name: name, moments: m, mean: means[name],
						dim: m.Param.Shape[1], chosen: make([]float32, m.Param.Shape[0])})
				}
			}
		}
	}
	return r
}

// watch takes note of what was projected and chosen in a piece of a step; first
// says that it is the step's first.
func (r *Restarter) watch(first bool, parts ...nn.Quantized) {
	i := 0
	for _, q := range parts {
		for book, codes := range q.Codes {
			r.books[i].watch(first, codes, q.Latents[book])
			i++
		}
	}
}

func (b *restartedBook) watch(first bool, codes [][]int32, e tensor.Tensor) {
	if first {
		b.seen = b.seen[:0]
	}
	for s := range e.B {
		for t, code := range codes[s] {
			b.chosen[code]++
			b.seen = append(b.seen, e.Row(s, t)...)
		}
	}
}

// settleCodes does after a step what the options want of codebooks.
func (t *Trainer) settleCodes() error {
	changed := t.Restarter != nil && t.Restarter.look(t.Seed, t.Steps+1) > 0
	if t.NormaliseCodes {
		for _, m := range t.Optimizers["quantizer"].Moments {
			if strings.HasSuffix(m.Param.Name, ".codebook.weight") {
				normaliseRows(m.Param.Value, m.Param.Shape[1])
			}
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return t.Networks.Network("quantizer").Refresh(t.pool)
}

// normaliseRows brings rows of dim values to the length √dim, which is what they
// have in the mean when training starts. The search looks at directions alone, so
// nothing else keeps entries, and what is drawn to them, from growing.
func normaliseRows(v []float32, dim int) {
	for ; len(v) > 0; v = v[dim:] {
		length := math.Sqrt(kernel.SumSquares(v[:dim]))
		if length > 0 {
			kernel.Scale(v[:dim], v[:dim], float32(math.Sqrt(float64(dim))/length))
		}
	}
}

// siteRestart is where the places are drawn (see op.Random.Key).
const siteRestart = siteCrop + 1

// look moves the entries that were never chosen since the last look, if it is time
// for one, and returns how many those were. Steps counts from 1.
func (r *Restarter) look(seed uint64, steps int) int {
	if steps%r.Every != 0 {
		return 0
	}
	moved := 0
	for i, b := range r.books {
		key := op.Random{Seed: seed, Step: uint64(steps)}.Key(siteRestart, i)
		n := len(b.seen) / b.dim
		for entry, chosen := range b.chosen {
			b.chosen[entry] = 0
			if chosen > 0 || n == 0 {
				continue
			}
			from := b.seen[int(op.Uniform(key, uint64(entry))*float64(n))*b.dim:][:b.dim]
			for _, v := range [][]float32{b.moments.Param.Value, b.mean} {
				if v != nil {
					copy(v[entry*b.dim:(entry+1)*b.dim], from)
				}
			}
			clear(b.moments.M[entry*b.dim : (entry+1)*b.dim])
			clear(b.moments.V[entry*b.dim : (entry+1)*b.dim])
			moved++
		}
	}
	return moved
}

// chosenPrefix is put before a codebook's name for its counts in a checkpoint.
const chosenPrefix = "train.chosen."

// isOwn says whether a checkpoint's array is one of ours and not a network's.
func isOwn(name string) bool {
	return strings.HasPrefix(name, rawPrefix) || strings.HasPrefix(name, meanPrefix) || strings.HasPrefix(name, squarePrefix)
}
