package nn

import "fmt"

// NewBuffer declares a buffer, a key of checkpoints that is not trained: use is
// called with its values where the checkpoint has them, and must not keep the slice. A
// dimension of -1 may have any length but 0.
func NewBuffer(b *Builder, name string, use func(values []float32), shape ...int) {
	key := b.prefix + "." + name
	b.Buffer(name)
	b.onLoad(func(load *Loader) error {
		if load.training {
			return nil
		}
		t, ok := load.src.Lookup(key)
		if !ok {
			return nil
		}
		fits := len(t.Shape) == len(shape)
		for i := 0; fits && i < len(shape); i++ {
			fits = t.Shape[i] == shape[i] || shape[i] == -1 && t.Shape[i] > 0
		}
		if !fits {
			return fmt.Errorf("%w: the buffer %s is %v and should be %v", ErrTensors, key, t.Shape, shape)
		}
		v, err := t.Float32()
		if err != nil {
			return err
		}
		use(v)
		t.Release()
		return nil
	})
}
