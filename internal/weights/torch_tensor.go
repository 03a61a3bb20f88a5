package weights

import (
	"errors"
	"strings"
)

// A storageRef is what a pickle's reference to a storage becomes: bytes of the
// file seen as elements of one type.
type storageRef struct {
	store   *storage
	dtype   DType
	untyped bool // counted in bytes; the tensor tells its type
	base    int  // of a view, in elements
	length  int  // in elements
}

// A storageID is torch's reference to a storage:
// ("storage", type, key, device, elements[, view]).
type storageID struct {
	dtype    DType
	untyped  bool
	key      string
	elements int
	view     any
}

var errStorageID = errors.New("damaged pickle: a reference to a storage that is not understood")

func parseStorageID(id any) (storageID, error) {
	t, ok := id.(*Tuple)
	if !ok || len(t.Items) < 5 || len(t.Items) > 6 || t.Items[0] != "storage" {
		return storageID{}, errStorageID
	}
	kind, ok1 := t.Items[1].(*global)
	key, ok2 := t.Items[2].(string)
	n, ok3 := t.Items[4].(int64)
	if !ok1 || !ok2 || !ok3 || n < 0 || n > 1<<60 || int64(int(n)) != n {
		return storageID{}, errStorageID
	}
	s := storageID{key: key, elements: int(n)}
	if len(t.Items) == 6 {
		s.view = t.Items[5]
	}
	if strings.HasSuffix(kind.name, ".UntypedStorage") {
		s.dtype, s.untyped = U8, true
		return s, nil
	}
	name := kind.name[strings.LastIndexByte(kind.name, '.')+1:]
	for d := range dtypes {
		if name == dtypes[d].storage {
			s.dtype = DType(d)
			return s, nil
		}
	}
	return storageID{}, errStorageID
}

// rebuildTensor is torch._utils._rebuild_tensor_v2(storage, offset, size,
// stride, requires_grad, backward_hooks[, metadata]).
func rebuildTensor(m *machine, args []any) (any, error) {
	if len(args) < 4 || len(args) > 7 {
		return nil, errArguments
	}
	ref, ok := args[0].(*storageRef)
	if !ok || ref.untyped {
		return nil, errArguments
	}
	return newTorchTensor(m, ref, ref.dtype, ref.length, args[1:4], args[min(6, len(args)):])
}

// rebuildTensorV3 has an untyped storage and the type behind the hooks.
func rebuildTensorV3(m *machine, args []any) (any, error) {
	if len(args) < 7 || len(args) > 8 {
		return nil, errArguments
	}
	ref, ok := args[0].(*storageRef)
	name, ok2 := args[6].(string)
	if !ok || !ok2 || !ref.untyped {
		return nil, errArguments
	}
	d, ok := torchDType(name)
	if !ok {
		return nil, errArguments
	}
	return newTorchTensor(m, ref, d, ref.length/d.Size(), args[1:4], args[7:])
}

// newTorchTensor makes a tensor of a storage: its offset, size and stride, and its
// metadata where there are some.
func newTorchTensor(m *machine, ref *storageRef, d DType, length int, place, metadata []any) (*Tensor, error) {
	offset, ok := place[0].(int64)
	shape, ok1 := dimensions(place[1])
	strides, ok2 := dimensions(place[2])
	if !ok || !ok1 || !ok2 || offset < 0 || offset > int64(length) {
		return nil, errArguments
	}
	if err := m.budget.spend(64 + 16*len(shape)); err != nil {
		return nil, err
	}
	t, err := newStrided(ref.store, length, d, int(offset), shape, strides)
	if err != nil {
		return nil, err
	}
	t.offset += ref.base
	if ref.untyped && ref.store.bigEndian && d.Size() > 1 {
		t.opaque = "big-endian numbers of a type that torch stores without saying it"
	}
	if len(metadata) == 1 {
		err = t.setMetadata(metadata[0])
	}
	return t, err
}

// setMetadata reads the metadata of a tensor (torch._utils.set_tensor_metadata): two
// bits that say how its values follow from those in the storage. neg changes the
// sign; conj that of the imaginary part, which the types that are read do not have.
func (t *Tensor) setMetadata(metadata any) error {
	if metadata == nil {
		return nil
	}
	d, ok := metadata.(*Dict)
	if !ok {
		return errArguments
	}
	for i, key := range d.Keys {
		value, ok := d.Values[i].(bool)
		switch {
		case key == "neg" && ok:
			t.negated = value
		case key == "conj" && ok:
		default:
			t.opaque = "a tensor with metadata that are not understood"
		}
	}
	return nil
}

// maxDims is where torch itself stops.
const maxDims = 64

// dimensions reads a shape or strides.
func dimensions(v any) ([]int, bool) {
	t, ok := v.(*Tuple)
	if !ok || len(t.Items) > maxDims {
		return nil, false
	}
	dims := make([]int, len(t.Items))
	for i, item := range t.Items {
		n, ok := item.(int64)
		if !ok || int64(int(n)) != n {
			return nil, false
		}
		dims[i] = int(n)
	}
	return dims, true
}

// rebuildParameter is torch._utils._rebuild_parameter(data, requires_grad,
// backward_hooks[, state]): here, the data.
func rebuildParameter(m *machine, args []any) (any, error) {
	if len(args) < 3 || len(args) > 4 {
		return nil, errArguments
	}
	if t, ok := args[0].(*Tensor); ok {
		return t, nil
	}
	return nil, errArguments
}

// rebuildFromType is torch._tensor._rebuild_from_type_v2(function, type,
// arguments, state), which wraps one of the other functions for tensors with
// attributes of their own.
func rebuildFromType(m *machine, args []any) (any, error) {
	if len(args) != 4 {
		return nil, errArguments
	}
	g, ok := args[0].(*global)
	inner, ok2 := args[2].(*Tuple)
	// Not itself: a tuple could hold itself.
	if !ok || !ok2 || g.call == nil || g.name == fromTypeName || !strings.HasPrefix(g.name, "torch._utils.") {
		return nil, errArguments
	}
	return g.call(m, inner.Items)
}
