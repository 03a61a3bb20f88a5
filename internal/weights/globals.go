package weights

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A global is a function or class that a pickle may name.
type global struct {
	name string
	call func(m *machine, args []any) (any, error) // nil for one that is only ever named
}

// globals are all that a pickle may name. Each makes a container, a number, a
// string, a tensor or an opaque value out of its arguments, and does nothing else.
var globals = map[string]*global{}

func init() {
	for name, call := range map[string]func(*machine, []any) (any, error){
		"collections.OrderedDict": makeDict,
		"collections.Counter":     makeDict,
		"collections.defaultdict": func(m *machine, args []any) (any, error) {
			return makeDict(m, args[min(1, len(args)):]) // the first makes missing values
		},
		"builtins.dict":      makeDict,
		"builtins.list":      makeList,
		"builtins.tuple":     makeTuple,
		"builtins.set":       makeSet,
		"builtins.frozenset": makeSet,
		"builtins.bytearray": makeBytes,
		"builtins.complex":   makeComplex,
		"_codecs.encode":     encodeLatin1,

		"torch.Size":                      makeTuple,
		"torch.device":                    makeDevice,
		"torch.serialization._get_layout": makeLayout,
		"torch.Tensor":                    nil,
		"torch.nn.parameter.Parameter":    makeParameter,
		"torch.nn.parameter.Buffer":       makeParameter,
		"torch.storage.UntypedStorage":    nil,
		"torch.storage.TypedStorage":      nil,
		"torch.UntypedStorage":            nil,

		"torch._utils._rebuild_tensor":                        rebuildTensor,
		"torch._utils._rebuild_tensor_v2":                     rebuildTensor,
		"torch._utils._rebuild_tensor_v3":                     rebuildTensorV3,
		"torch._utils._rebuild_parameter":                     rebuildParameter,
		"torch._utils._rebuild_parameter_with_state":          rebuildParameter,
		"torch._utils._rebuild_sparse_tensor":                 rebuildSparse,
		"torch._utils._rebuild_sparse_csr_tensor":             rebuildSparse,
		"torch._utils._rebuild_nested_tensor":                 rebuildNested,
		"torch._utils._rebuild_qtensor":                       rebuildQuantized,
		"torch._utils._rebuild_meta_tensor_no_storage":        rebuildMeta,
		"torch._utils._rebuild_wrapper_subclass":              rebuildWrapper,
		"torch._utils._rebuild_device_tensor_from_numpy":      rebuildFromDevice,
		"torch._utils._rebuild_device_tensor_from_cpu_tensor": rebuildFromDevice,
		"torch._utils._rebuild_xla_tensor":                    rebuildFromDevice,

		"numpy.dtype":                   makeNumpyType,
		"numpy.core.multiarray.scalar":  makeNumpyScalar,
		"numpy._core.multiarray.scalar": makeNumpyScalar,
	} {
		globals[name] = &global{name, call}
	}
	globals[fromTypeName] = &global{fromTypeName, rebuildFromType}
	for _, name := range named {
		globals[name] = &global{name: name}
	}
	for _, name := range dataClasses {
		globals[name] = &global{name, func(_ *machine, args []any) (any, error) {
			return &Opaque{Class: name, Args: args}, nil
		}}
	}
	for _, d := range dtypes {
		if d.storage != "" {
			for _, prefix := range []string{"torch.", "torch.cuda."} {
				globals[prefix+d.storage] = &global{name: prefix + d.storage}
			}
		}
	}
	// The tensor classes of PyTorch before 0.4, whose objects say in their state
	// what they are.
	for _, kind := range []string{"Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"} {
		for _, prefix := range []string{"torch.", "torch.cuda.", "torch.sparse.", "torch.cuda.sparse."} {
			name := prefix + kind + "Tensor"
			globals[name] = &global{name, makeOldTensor}
		}
	}
}

const fromTypeName = "torch._tensor._rebuild_from_type_v2"

// named are types that are values themselves, as in defaultdict(int), and are never
// called.
var named = []string{"builtins.int", "builtins.float", "builtins.str", "builtins.bool", "builtins.bytes", "builtins.object", "builtins.Ellipsis"}

// dataClasses are classes whose objects only hold data, which trainers store beside
// the tensors: paths, dates, arguments, NumPy arrays. They become opaque values.
var dataClasses = []string{
	"builtins.range", "builtins.slice", "collections.deque",
	"argparse.Namespace", "types.SimpleNamespace",
	"pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath",
	"pathlib._local.PosixPath", "pathlib._local.PurePosixPath", "pathlib._local.WindowsPath",
	"datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
	"decimal.Decimal", "fractions.Fraction", "uuid.UUID",
	"numpy.ndarray", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
	"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer",
	"lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
	"pytorch_lightning.utilities.parsing.AttributeDict", "lightning.pytorch.utilities.parsing.AttributeDict",
	"torch.distributed.tensor.DTensor", "torch.distributed._tensor.api.DTensor",
	"torch.distributed.tensor._dtensor_spec.DTensorSpec", "torch.distributed.tensor._dtensor_spec.TensorMeta",
	"torch.distributed.device_mesh.DeviceMesh",
	"torch.distributed.tensor.placement_types.Shard", "torch.distributed.tensor.placement_types.Replicate",
	"torch.distributed.tensor.placement_types.Partial",
}

// python2Names are what protocol 2 calls these types, whichever Python wrote it.
var python2Names = map[string]string{
	"__builtin__.long": "builtins.int", "__builtin__.unicode": "builtins.str", "__builtin__.xrange": "builtins.range",
}

// findGlobal returns what a pickle names. Dtypes, layouts and other constants of torch
// become strings.
func findGlobal(module, name string) (any, error) {
	full := module + "." + name
	if modern, ok := python2Names[full]; ok {
		full = modern
	} else if module == "__builtin__" {
		full = "builtins." + name
	}
	if g, ok := globals[full]; ok {
		return g, nil
	}
	if _, ok := torchDType(full); ok || module == "torch" && torchConstant(name) {
		return full, nil
	}
	if strings.HasPrefix(full, "torch.") && strings.HasSuffix(name, "Storage") {
		return nil, fmt.Errorf("tensors of type %s are not supported", plain(full))
	}
	return nil, fmt.Errorf("contains code: %s; refusing to run it", plain(full))
}

// torchConstant reports whether torch has a value of this name: a layout, a memory
// format, a quantization scheme, or an integer type of 1 to 7 bits.
func torchConstant(name string) bool {
	switch name {
	case "strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged", "_mkldnn",
		"contiguous_format", "preserve_format", "channels_last", "channels_last_3d",
		"per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric",
		"per_channel_affine_float_qparams":
		return true
	}
	bits, ok := strings.CutPrefix(strings.TrimPrefix(name, "u"), "int")
	return ok && len(bits) == 1 && bits >= "1" && bits <= "7"
}

// torchDType finds the type called "torch.float32" or the like.
func torchDType(name string) (DType, bool) {
	for d := range dtypes[:unknownType] {
		if dtypes[d].torch != "" && "torch."+dtypes[d].torch == name {
			return DType(d), true
		}
	}
	return 0, false
}

// build gives an object its state. State dicts and tensors carry attributes
// (_metadata, the versions of their modules), which nothing needs.
func (m *machine) build(object, state any) error {
	switch o := object.(type) {
	case *Dict:
		switch state.(type) {
		case *Dict, *Tuple, nil:
			return nil
		}
	case *Opaque:
		o.State = state
		return nil
	case *numpyType:
		return o.setState(state)
	case *Tensor:
		return m.setTensor(o, state)
	}
	return fmt.Errorf("damaged pickle: sets the state of a %s to a %s", typeName(object), typeName(state))
}

// itemsOf returns the items of a container that is the only argument, if any.
// The result belongs to the container.
func itemsOf(m *machine, args []any) ([]any, error) {
	if len(args) == 0 {
		return nil, nil
	}
	if len(args) == 1 {
		switch v := args[0].(type) {
		case *List:
			return v.Items, nil
		case *Tuple:
			return v.Items, nil
		case *Set:
			return v.Items, nil
		}
	}
	return nil, errArguments
}

var errArguments = errors.New("unexpected arguments")

func makeDict(m *machine, args []any) (any, error) {
	d := &Dict{}
	if len(args) == 1 {
		if from, ok := args[0].(*Dict); ok {
			if err := m.budget.spend(128 * len(from.Keys)); err != nil {
				return nil, err
			}
			for i, key := range from.Keys {
				if err := d.set(key, from.Values[i]); err != nil {
					return nil, err
				}
			}
			return d, nil
		}
	}
	pairs, err := itemsOf(m, args)
	if err != nil {
		return nil, err
	}
	if err := m.budget.spend(128 * len(pairs)); err != nil {
		return nil, err
	}
	for _, p := range pairs {
		pair, err := itemsOf(m, []any{p})
		if err != nil || len(pair) != 2 {
			return nil, errArguments
		}
		if err := d.set(pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func makeList(m *machine, args []any) (any, error) {
	items, err := itemsOf(m, args)
	if err == nil {
		err = m.budget.spend(16 * len(items))
	}
	return &List{slices.Clone(items)}, err
}

func makeTuple(m *machine, args []any) (any, error) {
	items, err := itemsOf(m, args)
	if err == nil {
		err = m.budget.spend(16 * len(items))
	}
	return &Tuple{slices.Clone(items)}, err
}

func makeSet(m *machine, args []any) (any, error) {
	items, err := itemsOf(m, args)
	if err == nil {
		err = m.budget.spend(16 * len(items))
	}
	return &Set{slices.Clone(items)}, err
}

// makeDevice returns a device as the string that torch prints: "cuda:0".
func makeDevice(m *machine, args []any) (any, error) {
	if len(args) < 1 || len(args) > 2 {
		return nil, errArguments
	}
	kind, ok := args[0].(string)
	if !ok || len(kind) > 64 {
		return nil, errArguments
	}
	if len(args) == 2 {
		index, ok := args[1].(int64)
		if !ok {
			return nil, errArguments
		}
		kind += ":" + strconv.FormatInt(index, 10)
	}
	return kind, m.budget.spend(len(kind))
}

// makeLayout returns a layout as torch prints it: "torch.sparse_coo".
func makeLayout(_ *machine, args []any) (any, error) {
	if len(args) == 1 {
		if name, ok := args[0].(string); ok {
			return name, nil
		}
	}
	return nil, errArguments
}

// makeComplex returns a complex number of its two parts.
func makeComplex(_ *machine, args []any) (any, error) {
	if len(args) > 2 {
		return nil, errArguments
	}
	var parts [2]float64
	for i, a := range args {
		switch v := a.(type) {
		case float64:
			parts[i] = v
		case int64:
			parts[i] = float64(v)
		default:
			return nil, errArguments
		}
	}
	return complex(parts[0], parts[1]), nil
}

// makeBytes returns what a bytearray holds: nothing, bytes, or text with its
// encoding, as protocol 2 has it.
func makeBytes(m *machine, args []any) (any, error) {
	switch len(args) {
	case 0:
		return Bytes(""), nil
	case 1:
		if b, ok := args[0].(Bytes); ok {
			return b, nil
		}
		return nil, errArguments
	}
	return encodeLatin1(m, args)
}

// encodeLatin1 is how protocol 2 writes bytes: as text that it encodes.
func encodeLatin1(m *machine, args []any) (any, error) {
	if len(args) != 2 || args[1] != "latin1" && args[1] != "latin-1" {
		return nil, errArguments
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, errArguments
	}
	if err := m.budget.spend(len(text)); err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, errArguments
		}
		b = append(b, byte(r))
	}
	return Bytes(b), nil
}
