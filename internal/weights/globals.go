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
// string or a tensor out of its arguments, and does nothing else.
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
		"builtins.int":       nil,
		"builtins.float":     nil,
		"builtins.str":       nil,
		"builtins.bool":      nil,
		"builtins.bytes":     nil,
		"_codecs.encode":     encodeLatin1,

		"torch.Size":                                 makeTuple,
		"torch.device":                               makeDevice,
		"torch.Tensor":                               nil,
		"torch.nn.parameter.Parameter":               nil,
		"torch.storage.UntypedStorage":               nil,
		"torch.UntypedStorage":                       nil,
		"torch._utils._rebuild_tensor":               rebuildTensor,
		"torch._utils._rebuild_tensor_v2":            rebuildTensor,
		"torch._utils._rebuild_tensor_v3":            rebuildTensorV3,
		"torch._utils._rebuild_parameter":            rebuildParameter,
		"torch._utils._rebuild_parameter_with_state": rebuildParameter,
		"torch._tensor._rebuild_from_type_v2":        rebuildFromType,

		"numpy.dtype":                   makeNumpyType,
		"numpy.core.multiarray.scalar":  makeNumpyScalar,
		"numpy._core.multiarray.scalar": makeNumpyScalar,
	} {
		globals[name] = &global{name, call}
	}
	for _, d := range dtypes {
		globals["torch."+d.storage] = &global{name: "torch." + d.storage}
	}
}

// findGlobal returns what a pickle names. A torch dtype is a string here.
func findGlobal(module, name string) (any, error) {
	module = strings.Replace(module, "__builtin__", "builtins", 1) // Python 2's name, which protocol 2 keeps
	if g, ok := globals[module+"."+name]; ok {
		return g, nil
	}
	if _, ok := torchDType("torch." + name); module == "torch" && (ok || slices.Contains(otherDTypes, name)) {
		return "torch." + name, nil
	}
	full := module + "." + name
	if module == "torch" && strings.HasSuffix(name, "Storage") {
		return nil, fmt.Errorf("tensors of type %.40q are not supported", full)
	}
	return nil, fmt.Errorf("contains code: %s; refusing to run it", plain(full))
}

// otherDTypes may be named, but tensors of them are not supported.
var otherDTypes = []string{"uint16", "uint32", "uint64", "complex32", "complex64", "complex128",
	"float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"}

// torchDType finds the type called "torch.float32" or the like.
func torchDType(name string) (DType, bool) {
	for d := range dtypes {
		if "torch."+dtypes[d].torch == name {
			return DType(d), true
		}
	}
	return 0, false
}

// build gives an object its state. State dicts carry attributes (_metadata,
// the versions of their modules), which nothing needs.
func build(object, state any) error {
	switch o := object.(type) {
	case *Dict:
		if _, ok := state.(*Dict); ok {
			return nil
		}
	case *numpyType:
		return o.setState(state)
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
