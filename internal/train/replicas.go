package train

import (
	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/nn"
)

// broadcast makes the parameters of networks those of rank 0, and derives from them what
// layers need.
func (t *Trainer) broadcast(networks ...*nn.Network) error {
	for _, n := range networks {
		for _, p := range n.Params {
			if err := collective.Broadcast(t.Ranks, p.Value); err != nil {
				return err
			}
		}
		if err := n.Refresh(t.pool); err != nil {
			return err
		}
	}
	return nil
}
