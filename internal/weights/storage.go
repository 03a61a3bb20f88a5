package weights

import (
	"sync"
	"sync/atomic"
)

// content is the bytes of an opened file: mapped, or in memory.
type content struct {
	data    []byte
	mapping []byte // what to unmap; nil where data is in the Go heap
	closed  atomic.Bool
}

func (c *content) close() error {
	if c.closed.Swap(true) {
		return errClosed
	}
	mapping := c.mapping
	c.data, c.mapping = nil, nil
	if mapping == nil {
		return nil
	}
	return unmap(mapping)
}

// A storage is a run of bytes that one or several tensors lie in.
type storage struct {
	file       *content
	start, end int // in file.data
	bigEndian  bool

	// inflate gives the bytes of a compressed storage, which are kept once
	// asked for; nil for bytes that lie in the file as they are.
	inflate  func(packed []byte) ([]byte, error)
	once     sync.Once
	inflated []byte
	err      error

	// damage, if not nil, says what is wrong with bytes that lie in the file as they are. It is asked once.
	damage  func(raw []byte) error
	checked sync.Once
}

func (s *storage) bytes() ([]byte, error) {
	if s.file.closed.Load() {
		return nil, errClosed
	}
	packed := s.file.data[s.start:s.end]
	if s.damage != nil {
		s.checked.Do(func() { s.err = s.damage(packed) })
		if s.err != nil {
			return nil, s.err
		}
	}
	if s.inflate == nil {
		return packed, nil
	}
	s.once.Do(func() { s.inflated, s.err = s.inflate(packed) })
	return s.inflated, s.err
}

// release gives the whole pages inside [start, start+length) back. Only mapped
// pages: advising the same on Go's own memory would turn it into zeros.
func (s *storage) release(start, length int) {
	if s.file.mapping == nil || s.inflate != nil || s.file.closed.Load() {
		return
	}
	start += s.start
	end := min(start+length, s.end)
	start = (start + pageSize - 1) / pageSize * pageSize
	end = end / pageSize * pageSize
	if start < end {
		discard(s.file.mapping[start:end])
	}
}
