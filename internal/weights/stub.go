package weights

import "errors"

const opProto = 0x80

func (f *File) readTorchZip() error    { return errors.New("not yet") }
func (f *File) readTorchLegacy() error { return errors.New("not yet") }

type (
	Bytes string
	List  struct{ Items []any }
	Tuple struct{ Items []any }
	Set   struct{ Items []any }
)
