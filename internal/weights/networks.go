package weights

import "fmt"

// enterTree takes the unpickled tree of a PyTorch file apart into named tensors
// and everything else. The originals write
//
//	{"net": {"encoder": {key: tensor}, …}, "optimizer": …, "iters": …, "epoch": …}
//
// and publish the networks alone, {"encoder": {key: tensor}, …}; the pitch
// network's file has a single state dict, {"net": {key: tensor}}.
func (f *File) enterTree(root any, b *budget) error {
	top, ok := root.(*Dict)
	if !ok {
		return fmt.Errorf("not a checkpoint: the file holds a %s, not a dict of tensors", typeName(root))
	}
	f.root, f.values = root, map[string]any{}
	net, wrapped := top.Lookup("net")
	networks, ok := net.(*Dict)
	if wrapped = wrapped && ok; !wrapped {
		networks = top
	}
	for i, key := range networks.Keys {
		name, ok := key.(string)
		if !ok {
			continue // only in Root
		}
		switch v := networks.Values[i].(type) {
		case *Tensor:
			if err := f.enter("", name, v, b); err != nil {
				return err
			}
		case *Dict:
			if !wrapped && !isStateDict(v) {
				f.values[name] = v
			} else if err := f.enterNetwork(name, v, b); err != nil {
				return err
			}
		default:
			if wrapped {
				name = "net." + name
			}
			f.values[name] = v
		}
	}
	if wrapped {
		for i, key := range top.Keys {
			if name, ok := key.(string); ok && name != "net" {
				f.values[name] = top.Values[i]
			}
		}
	}
	return nil
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
	if err := b.spend(512 + 4*len(prefix) + 4*len(key)); err != nil {
		return err
	}
	return f.add(prefix+canonicalKey(key), prefix+key, t)
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
