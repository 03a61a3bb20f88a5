package weights

import (
	"errors"
	"fmt"
	"slices"
)

// stepObject is the part of pickle that runs code elsewhere. Here every
// function is looked up among those of globals.go.
func (m *machine) stepObject(op byte) error {
	switch op {
	case opGlobal, opStackGlobal, opInst:
		g, err := m.named(op)
		if err != nil {
			return err
		}
		if op != opInst {
			m.push(g)
			return nil
		}
		args, err := m.popMark()
		if err != nil {
			return err
		}
		return m.call(g, slices.Clone(args))
	case opObj:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return errUnderflow
		}
		return m.call(items[0], slices.Clone(items[1:]))
	case opReduce, opNewObj:
		items, err := m.popN(2)
		if err != nil {
			return err
		}
		args, ok := items[1].(*Tuple)
		if !ok {
			return fmt.Errorf("damaged pickle: a %s as arguments", typeName(items[1]))
		}
		return m.call(items[0], args.Items)
	case opBuild:
		state, err := m.pop()
		if err != nil {
			return err
		}
		object, err := m.top()
		if err != nil {
			return err
		}
		return m.build(object, state)
	case opBinPersID:
		return m.stepPersistent()
	}
	if op == opNewObjEx {
		return errors.New("contains code: an object made with keywords; refusing to run it")
	}
	return errors.New("contains code: an object of the extension registry; refusing to run it")
}

// stepPersistent resolves the reference to a storage.
func (m *machine) stepPersistent() error {
	id, err := m.pop()
	if err != nil {
		return err
	}
	v, err := m.persistent(id)
	if err != nil {
		return err
	}
	m.push(v)
	return nil
}

// named reads a function's or class's name and finds it.
func (m *machine) named(op byte) (any, error) {
	var module, name string
	if op == opStackGlobal {
		items, err := m.popN(2)
		if err != nil {
			return nil, err
		}
		var ok1, ok2 bool
		module, ok1 = items[0].(string)
		name, ok2 = items[1].(string)
		if !ok1 || !ok2 {
			return nil, errors.New("damaged pickle: a global's name is not a string")
		}
		return findGlobal(module, name)
	}
	module, err := m.line()
	if err != nil {
		return nil, err
	}
	if name, err = m.line(); err != nil {
		return nil, err
	}
	return findGlobal(module, name)
}

// call runs one of the known functions and pushes its result.
func (m *machine) call(function any, args []any) error {
	g, ok := function.(*global)
	if !ok {
		return fmt.Errorf("damaged pickle: calls a %s", typeName(function))
	}
	if g.call == nil {
		return fmt.Errorf("contains code: a call of %s; refusing to run it", g.name)
	}
	v, err := g.call(m, args)
	if err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	m.push(v)
	return nil
}
