package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/facodec-go/facodec/internal/plural"
)

// The container of PyTorch before 1.6 is a row of pickles (a magic number, a
// version, facts about the machine, the object, the keys of its storages), and
// then each storage: its number of elements, and their bytes.
type torchLegacy struct {
	file     *content
	storages map[string]*legacyStorage
}

type legacyStorage struct {
	storage
	dtype    DType
	elements int
	found    bool
}

// legacyMagic is the first pickle of a legacy file.
var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const legacyVersion = 1001

// legacyText is how a legacy file starts in protocols 0 and 1.
const legacyText = "L119547037146038801333356L\n."

func (f *File) readTorchLegacy() error {
	l := &torchLegacy{file: f.content, storages: map[string]*legacyStorage{}}
	data := f.content.data
	b := newBudget(len(data))
	m := newMachine(data, b, l.storage)
	magic, err := m.run()
	if err != nil {
		return err
	}
	if n, ok := magic.(*big.Int); !ok || n.Cmp(legacyMagic) != 0 {
		return fmt.Errorf("not a PyTorch file: a pickle that starts with a %s, not with torch's magic number", typeName(magic))
	}
	version, err := m.run()
	if err != nil {
		return err
	}
	if version != int64(legacyVersion) {
		return errors.New("the version of this PyTorch file is not supported")
	}
	machine, err := m.run()
	if err != nil {
		return err
	}
	if facts, ok := machine.(*Dict); ok {
		if little, ok := facts.Lookup("little_endian"); ok && little != true {
			return errors.New("big-endian byte order is not supported")
		}
	}
	root, err := m.run()
	if err != nil {
		return err
	}
	keys, err := m.run()
	if err != nil {
		return err
	}
	list, ok := keys.(*List)
	if !ok {
		return errors.New("damaged: the keys of the storages are missing")
	}
	if err := l.locate(list.Items, m.pos); err != nil {
		return err
	}
	return f.enterTree(root, b)
}

// storage resolves a reference to a storage, whose place is known only once the
// pickle is through.
func (l *torchLegacy) storage(id any) (any, error) {
	s, err := parseStorageID(id)
	if err != nil {
		return nil, err
	}
	store, ok := l.storages[s.key]
	if !ok {
		store = &legacyStorage{storage: storage{file: l.file}, dtype: s.dtype, elements: s.elements}
		l.storages[s.key] = store
	}
	if store.dtype != s.dtype || store.elements != s.elements {
		return nil, fmt.Errorf("damaged: storage %s has two types or sizes", plain(s.key))
	}
	ref := &storageRef{store: &store.storage, dtype: s.dtype, untyped: s.untyped, length: s.elements}
	if s.view == nil {
		return ref, nil
	}
	// PyTorch 0.4 and older: (key of the view, offset, elements).
	view, ok := s.view.(*Tuple)
	if !ok || len(view.Items) != 3 {
		return nil, errStorageID
	}
	offset, ok1 := view.Items[1].(int64)
	length, ok2 := view.Items[2].(int64)
	if !ok1 || !ok2 || offset < 0 || length < 0 || offset > int64(s.elements) || length > int64(s.elements)-offset {
		return nil, errStorageID
	}
	ref.base, ref.length = int(offset), int(length)
	return ref, nil
}

// locate finds the storages behind the pickles.
func (l *torchLegacy) locate(keys []any, at int) error {
	data := l.file.data
	for _, k := range keys {
		key, _ := k.(string)
		s, ok := l.storages[key]
		if !ok {
			return fmt.Errorf("damaged: storage %s belongs to no tensor", plain(key))
		}
		if s.found {
			return fmt.Errorf("damaged: storage %s occurs twice", plain(key))
		}
		if len(data)-at < 8 {
			return fmt.Errorf("truncated: storage %s is missing", plain(key))
		}
		n := binary.LittleEndian.Uint64(data[at:])
		at += 8
		if n != uint64(s.elements) {
			return fmt.Errorf("damaged: storage %s has %s, its tensors expect %d", plain(key), plural.Of(n, "element"), s.elements)
		}
		if size := s.dtype.Size(); s.elements > (len(data)-at)/size {
			return fmt.Errorf("truncated: storage %s needs %s of %s, %s left", plain(key), plural.Of(n, "element"), s.dtype, plural.Of(len(data)-at, "byte"))
		}
		s.start, s.found = at, true
		at += s.elements * s.dtype.Size()
		s.end = at
	}
	for key, s := range l.storages {
		if !s.found {
			return fmt.Errorf("damaged: storage %s is not in the file", plain(key))
		}
	}
	return nil
}
