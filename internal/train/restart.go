package train

import (
	"fmt"
	"math"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A Restarter replaces codebook entries that were not chosen for a while by projected
// inputs of the last step (as in SoundStream, arXiv 2107.03312, III-C, and EnCodec).
// Upstream does not; in a small model with little data most entries are then never
// chosen, because the first that are near draw everything to themselves.
type Restarter struct {
	Every int // steps between two restarts
	books []*restartedBook
}

// A restartedBook is one codebook, [size][dim].
type restartedBook struct {
	name    string
	moments *Moments
	mean    []float32 // the EMA's entries, nil without one
	dim     int
	// chosen counts how often each entry was chosen since the last restart.
	chosen []float32
	// inputs are the projected inputs of the last step, [n][dim].
	inputs []float32
}

// NewRestarter restarts entries of every codebook of the trainer's quantizers.
func NewRestarter(t *CodecTrainer, every int) *Restarter {
	r := &Restarter{Every: every}
	means := t.means()
	for part, books := range t.Model.Codec.Quantizer.Books() {
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

// buffers are the counts, for checkpoints.
func (r *Restarter) buffers() (all []stateBuffer) {
	for _, b := range r.books {
		all = append(all, stateBuffer{checkpoint.ChosenPrefix + b.name, b.chosen})
	}
	return all
}

// collect keeps what was projected in a piece of a step; first says that it is the first
// of this rank.
func (r *Restarter) collect(first bool, parts ...nn.Quantized) {
	i := 0
	for _, q := range parts {
		for book := range q.Codes {
			r.books[i].collect(first, q.Latents[book])
			i++
		}
	}
}

func (b *restartedBook) collect(first bool, e tensor.Tensor) {
	if first {
		b.inputs = b.inputs[:0]
	}
	for s := range e.B {
		for t := range e.T {
			b.inputs = append(b.inputs, e.Row(s, t)...)
		}
	}
}

// count counts the codes of a step, of each part [book][B][T].
func (r *Restarter) count(parts ...[][][]int32) {
	i := 0
	for _, books := range parts {
		for _, sequences := range books {
			for _, codes := range sequences {
				for _, code := range codes {
					r.books[i].chosen[code]++
				}
			}
			i++
		}
	}
}

// gather makes of the inputs of each book those of all ranks, where the step is one that
// restarts entries.
func (r *Restarter) gather(ranks collective.Comm, steps int) error {
	if ranks.Size() == 1 || steps%r.Every != 0 {
		return nil
	}
	for _, b := range r.books {
		var err error
		if b.inputs, err = gatherValues(ranks, b.inputs); err != nil {
			return err
		}
	}
	return nil
}

// gatherValues returns the values of all ranks, those of rank 0 first.
func gatherValues(ranks collective.Comm, own []float32) (all []float32, err error) {
	gathered, err := collective.AllGather(ranks, collective.Bytes(own))
	if err != nil {
		return nil, err
	}
	for _, data := range gathered {
		v, err := collective.Values[float32](data)
		if err != nil {
			return nil, err
		}
		all = append(all, v...)
	}
	return all, nil
}

// adjustCodebooks restarts and normalizes entries after a step.
func (t *CodecTrainer) adjustCodebooks() error {
	changed := false
	if t.Restarter != nil {
		if err := t.Restarter.gather(t.Ranks, t.Steps); err != nil {
			return err
		}
		changed = t.Restarter.restart(t.Seed, t.Steps) > 0
	}
	if t.options.NormalizeCodes {
		for _, m := range t.Optimizers["quantizer"].Moments {
			if strings.HasSuffix(m.Param.Name, ".codebook.weight") {
				normalizeRows(m.Param.Value, m.Param.Shape[1])
			}
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return t.Model.Quantizer().Refresh(t.pool)
}

// normalizeRows scales rows of dim values to the length √dim, their mean length when
// training starts. The search compares directions alone, so nothing else keeps entries,
// and the projected inputs that follow them, from growing.
func normalizeRows(v []float32, dim int) {
	for ; len(v) > 0; v = v[dim:] {
		length := math.Sqrt(kernel.SumSquares(v[:dim]))
		if length > 0 {
			kernel.Scale(v[:dim], v[:dim], float32(math.Sqrt(float64(dim))/length))
		}
	}
}

// siteRestart is where the inputs are drawn (see op.Random.Key).
const siteRestart = siteCrop + 1

// restart replaces the entries that were never chosen since the last restart, every so
// many steps, and returns how many those were. Steps counts from 1.
func (r *Restarter) restart(seed uint64, steps int) int {
	if steps%r.Every != 0 {
		return 0
	}
	replaced := 0
	for i, b := range r.books {
		key := op.Random{Seed: seed, Step: uint64(steps)}.Key(siteRestart, i)
		n := len(b.inputs) / b.dim
		for entry, chosen := range b.chosen {
			b.chosen[entry] = 0
			if chosen > 0 || n == 0 {
				continue
			}
			from := b.inputs[int(op.Uniform(key, uint64(entry))*float64(n))*b.dim:][:b.dim]
			for _, v := range [][]float32{b.moments.Param.Value, b.mean} {
				if v != nil {
					copy(v[entry*b.dim:(entry+1)*b.dim], from)
				}
			}
			clear(b.moments.M[entry*b.dim : (entry+1)*b.dim])
			clear(b.moments.V[entry*b.dim : (entry+1)*b.dim])
			replaced++
		}
	}
	return replaced
}
