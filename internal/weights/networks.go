package weights

import "fmt"

// containers are the keys under which trainers keep the weights, beside optimizers
// and counters: the upstream trainer's, Lightning's, and those of many scripts.
var containers = []string{"net", "state_dict", "model_state_dict", "model", "module"}

// enterTree takes the unpickled tree of a PyTorch file apart into named tensors
// and everything else. The upstream trainer writes
//
//	{"net": {"encoder": {key: tensor}, …}, "optimizer": …, "iters": …, "epoch": …}
//
// and publishes the networks alone, {"encoder": {key: tensor}, …}; the pitch
// network's file has a single state dict, {"net": {key: tensor}}, and so has one of
// Lightning, {"state_dict": {"encoder.<key>": tensor}}.
func (f *File) enterTree(root any, b *budget) error {
	top, ok := root.(*Dict)
	if !ok {
		return fmt.Errorf("not a checkpoint: the file holds a %s, not a dict of tensors", typeName(root))
	}
	f.root, f.values = root, map[string]any{}
	networks, wrapper := unwrap(top)
	for i, key := range networks.Keys {
		name, ok := key.(string)
		if !ok {
			continue // only in Root
		}
		switch v := networks.Values[i].(type) {
		case *Tensor:
			f.flat = true
			if err := f.enter("", name, v, b); err != nil {
				return err
			}
		case *Dict:
			if wrapper == "" && !isStateDict(v) {
				f.values[name] = v
			} else if err := f.enterNetwork(name, v, b); err != nil {
				return err
			}
		default:
			if wrapper != "" {
				name = wrapper + "." + name
			}
			f.values[name] = v
		}
	}
	if wrapper != "" {
		for i, key := range top.Keys {
			if name, ok := key.(string); ok && name != wrapper {
				f.values[name] = top.Values[i]
			}
		}
	}
	return nil
}

// unwrap returns the dict that holds the networks, and the key of top that it
// stands under; "" for top itself.
func unwrap(top *Dict) (networks *Dict, wrapper string) {
	for _, key := range containers {
		v, _ := top.Lookup(key)
		d, ok := v.(*Dict)
		switch {
		case !ok:
		case key == "net", holdsTensors(d) && !holdsNetworks(top):
			return d, key
		}
	}
	return top, ""
}

// holdsTensors reports whether a dict is a state dict or one of state dicts.
func holdsTensors(d *Dict) bool {
	for _, v := range d.Values {
		switch v := v.(type) {
		case *Tensor:
			return true
		case *Dict:
			if isStateDict(v) {
				return true
			}
		}
	}
	return false
}

// holdsNetworks reports whether a dict has the state dict of an encoder.
func holdsNetworks(d *Dict) bool {
	v, _ := d.Lookup("encoder")
	encoder, ok := v.(*Dict)
	return ok && isStateDict(encoder)
}

func (f *File) enterNetwork(network string, state *Dict, b *budget) error {
	for i, key := range state.Keys {
		name, ok := key.(string)
		if !ok {
			continue
		}
		t, ok := state.Values[i].(*Tensor)
		if !ok {
			f.values["net."+network+"."+name] = state.Values[i]
		} else if err := f.enter(network+".", name, t, b); err != nil {
			return err
		}
	}
	return nil
}

// enter adds one tensor. One dict may stand in many places, so the names made
// of it are paid for.
func (f *File) enter(prefix, key string, t *Tensor, b *budget) error {
	if err := b.spend(768 + 12*len(prefix) + 12*len(key)); err != nil {
		return err
	}
	f.entries = append(f.entries, entry{prefix + key, t})
	return nil
}

// isStateDict reports whether a dict holds named tensors and nothing else, as
// against an optimizer's state.
func isStateDict(d *Dict) bool {
	for i, key := range d.Keys {
		_, named := key.(string)
		_, tensor := d.Values[i].(*Tensor)
		if !named || !tensor {
			return false
		}
	}
	return len(d.Keys) > 0
}
