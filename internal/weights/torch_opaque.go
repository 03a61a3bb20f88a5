package weights

import "fmt"

// Tensors that torch stores in other ways than as elements of a storage. They have
// their names and shapes, and reading their values is an error that says how to save
// them so that they can be read.

// newOpaque returns a tensor without values. The shape is v, where v is one.
func newOpaque(m *machine, d DType, v any, why string) (*Tensor, error) {
	t := &Tensor{DType: d, opaque: why}
	if v == nil {
		return t, m.budget.spend(64)
	}
	shape, ok := dimensions(v)
	if !ok {
		return nil, errArguments
	}
	if _, err := elements(shape, d.Size()); err != nil {
		return nil, err
	}
	t.Shape = shape
	return t, m.budget.spend(64 + 16*len(shape))
}

// dtypeOf returns the type that a pickled dtype, a string here, names.
func dtypeOf(v any) DType {
	name, _ := v.(string)
	if d, ok := torchDType(name); ok {
		return d
	}
	return unknownType
}

// rebuildSparse is torch._utils._rebuild_sparse_tensor(layout, data), where data is
// (indices, values, size[, is_coalesced]), or (compressed indices, plain indices,
// values, size).
func rebuildSparse(m *machine, args []any) (any, error) {
	if len(args) != 2 {
		return nil, errArguments
	}
	data, ok := args[1].(*Tuple)
	if !ok || len(data.Items) < 3 || len(data.Items) > 4 {
		return nil, errArguments
	}
	d, size := unknownType, data.Items[2]
	if _, ok := size.(*Tuple); !ok {
		size = data.Items[len(data.Items)-1]
	}
	for _, item := range data.Items[1:3] { // the last tensor holds the values
		if t, ok := item.(*Tensor); ok {
			d = t.DType
		}
	}
	return newOpaque(m, d, size, "a sparse tensor; save x.to_dense() of it")
}

// rebuildNested is torch._utils._rebuild_nested_tensor(buffer, sizes, strides,
// offsets): tensors of several shapes in one.
func rebuildNested(m *machine, args []any) (any, error) {
	d := unknownType
	if len(args) > 0 {
		if buffer, ok := args[0].(*Tensor); ok {
			d = buffer.DType
		}
	}
	return newOpaque(m, d, nil, "a nested tensor")
}

// rebuildQuantized is torch._utils._rebuild_qtensor(storage, offset, size, stride,
// quantizer, requires_grad, backward_hooks).
func rebuildQuantized(m *machine, args []any) (any, error) {
	if len(args) < 5 {
		return nil, errArguments
	}
	d := unknownType
	if ref, ok := args[0].(*storageRef); ok && !ref.untyped {
		d = ref.dtype
	}
	return newOpaque(m, d, args[2], "a quantized tensor; save x.dequantize() of it")
}

// rebuildMeta is torch._utils._rebuild_meta_tensor_no_storage(dtype, size, stride,
// requires_grad).
func rebuildMeta(m *machine, args []any) (any, error) {
	if len(args) < 3 {
		return nil, errArguments
	}
	return newOpaque(m, dtypeOf(args[0]), args[1], "a tensor on the meta device, which holds no data")
}

// rebuildWrapper is torch._utils._rebuild_wrapper_subclass(class, dtype, size,
// stride, offset, layout, device, requires_grad): a tensor whose data are elsewhere,
// a shard of a DTensor for example.
func rebuildWrapper(m *machine, args []any) (any, error) {
	if len(args) < 3 {
		return nil, errArguments
	}
	class := "a subclass"
	if g, ok := args[0].(*global); ok {
		class = g.name
	}
	return newOpaque(m, dtypeOf(args[1]), args[2], fmt.Sprintf("a tensor of class %s; save a plain tensor instead, x.full_tensor() of a DTensor", plain(class)))
}

// rebuildFromDevice is torch._utils._rebuild_device_tensor_from_cpu_tensor(data,
// dtype, device, requires_grad), and the older form whose data are an array of
// NumPy's.
func rebuildFromDevice(m *machine, args []any) (any, error) {
	if len(args) != 4 {
		return nil, errArguments
	}
	d := dtypeOf(args[1])
	switch t := args[0].(type) {
	case *Tensor:
		if t.DType == d {
			return t, nil
		}
		return newOpaque(m, d, nil, "a tensor of another device that was stored as "+t.DType.String()+"; save x.cpu() of it")
	case *Opaque:
		return newOpaque(m, d, nil, "a tensor of another device, stored as an array of NumPy's; save x.cpu() of it")
	}
	return nil, errArguments
}

// stateless is why a tensor of PyTorch before 0.4 has no values before it is given
// its state.
const stateless = "a tensor that was given no storage"

// makeOldTensor makes a tensor as PyTorch before 0.4 did: build gives it the rest.
func makeOldTensor(m *machine, args []any) (any, error) {
	return newOpaque(m, unknownType, nil, stateless)
}

// setTensor gives an old tensor its storage, offset, size and stride; what newer
// tensors have as state are attributes.
func (m *machine) setTensor(t *Tensor, state any) error {
	parts, ok := state.(*Tuple)
	if t.opaque != stateless || !ok || len(parts.Items) != 4 {
		return nil
	}
	ref, ok := parts.Items[0].(*storageRef)
	if !ok || ref.untyped {
		return nil
	}
	made, err := newTorchTensor(m, ref, ref.dtype, ref.length, parts.Items[1:], nil)
	if err != nil {
		return err
	}
	*t = *made
	return nil
}

// makeParameter is torch.nn.Parameter(data, requires_grad): here, the data.
func makeParameter(m *machine, args []any) (any, error) {
	if len(args) == 0 {
		return makeOldTensor(m, args)
	}
	if t, ok := args[0].(*Tensor); ok {
		return t, nil
	}
	return nil, errArguments
}
