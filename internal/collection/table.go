package collection

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/facodec-go/facodec/internal/fileerr"
)

const (
	// openTables is how many tables are kept open while nobody reads from them.
	openTables = 4
	// keptBytes is how much of a table's sound is kept: a page holds many rows, items
	// are read more than once, and by several goroutines almost in order.
	keptBytes = 32 << 20
)

// tables are those that are open.
type tables struct {
	mu     sync.Mutex
	open   []*table // in order of use
	closed bool
}

// A table is an open Parquet file. A row can be read only with its page, and its page
// only behind those before it in its group.
type table struct {
	users int // under the mutex of tables

	mu     sync.Mutex
	shard  *shard
	f      *os.File
	file   *parquet.File
	starts []int64 // the first row of each group, and the end of the last

	group int // that cursor reads, -1 for none
	at    *cursor
	next  int64 // the row that at yields

	kept  map[int64][]byte
	order []int64 // of kept, the oldest first
	bytes int
}

// read returns the sound in a row of a table.
func (ts *tables) read(sh *shard, row int64) ([]byte, error) {
	t, err := ts.take(sh)
	if err != nil {
		return nil, err
	}
	defer ts.leave(t)
	return t.read(row)
}

// take returns the table of a shard, open, until leave.
func (ts *tables) take(sh *shard) (*table, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		return nil, errors.New("the collection is closed")
	}
	if i := slices.IndexFunc(ts.open, func(t *table) bool { return t.shard == sh }); i >= 0 {
		t := ts.open[i]
		ts.open = append(slices.Delete(ts.open, i, i+1), t)
		t.users++
		return t, nil
	}
	f, err := sh.open()
	if err != nil {
		return nil, err
	}
	t := &table{users: 1, shard: sh, f: f, group: -1, kept: map[int64][]byte{}}
	if t.file, err = openParquet(f, sh.size); err != nil {
		f.Close()
		return nil, err
	}
	rows := int64(0)
	for _, g := range t.file.Metadata().RowGroups {
		t.starts = append(t.starts, rows)
		rows += g.NumRows
	}
	t.starts = append(t.starts, rows)
	ts.open = append(ts.open, t)
	for i := 0; i < len(ts.open) && len(ts.open) > openTables; {
		if ts.open[i].users > 0 {
			i++
			continue
		}
		ts.open[i].f.Close()
		ts.open = slices.Delete(ts.open, i, i+1)
	}
	return t, nil
}

func (ts *tables) leave(t *table) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t.users--; ts.closed && t.users == 0 {
		t.f.Close()
	}
}

func (ts *tables) close() error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var errs []error
	for _, t := range ts.open {
		if t.users == 0 {
			errs = append(errs, t.f.Close())
		}
	}
	ts.open, ts.closed = nil, true
	return errors.Join(errs...)
}

// open opens a shard that is still what was searched.
func (sh *shard) open() (*os.File, error) {
	f, err := os.Open(sh.path)
	if err != nil {
		return nil, fileerr.Cause(err)
	}
	info, err := f.Stat()
	if err == nil && (info.Size() != sh.size || info.ModTime().UnixNano() != sh.modTime) {
		err = errors.New("the shard has changed since it was searched")
	}
	if err != nil {
		f.Close()
		return nil, fileerr.Cause(err)
	}
	return f, nil
}

func (t *table) read(row int64) (data []byte, err error) {
	defer guard(&err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if data, ok := t.kept[row]; ok {
		return data, nil
	}
	if row < 0 || row >= t.starts[len(t.starts)-1] {
		return nil, fmt.Errorf("the table has no row %d", row)
	}
	group, _ := slices.BinarySearch(t.starts, row+1)
	group--
	if group != t.group || row < t.next {
		c := column(t.file, t.shard.column, "bytes")
		if c == nil {
			return nil, errors.New("the shard has changed since it was searched")
		}
		t.reset()
		t.at, t.group, t.next = newCursor(t.file, group, c), group, t.starts[group]
		// A page index, where there is one, takes us to the page.
		if err := t.at.pages.SeekToRow(row - t.next); err != nil {
			t.reset()
			return nil, err
		}
		t.next = row
	}
	for {
		v, err := t.at.next()
		if err != nil {
			t.reset()
			return nil, err
		}
		now := t.next
		t.next++
		if v.IsNull() {
			if now == row {
				return nil, errors.New("the row has no bytes of sound, only a path or nothing; embed the sound when the table is written")
			}
			continue
		}
		value := bytes.Clone(v.ByteArray())
		t.keep(now, value)
		if now == row {
			return value, nil
		}
	}
}

// reset forgets the place in the table.
func (t *table) reset() {
	if t.at != nil {
		t.at.close()
	}
	t.at, t.group = nil, -1
}

// keep remembers a row in place of the oldest.
func (t *table) keep(row int64, value []byte) {
	if _, ok := t.kept[row]; ok || len(value) > keptBytes/4 {
		return
	}
	t.kept[row] = value
	t.order = append(t.order, row)
	t.bytes += len(value)
	for t.bytes > keptBytes {
		t.bytes -= len(t.kept[t.order[0]])
		delete(t.kept, t.order[0])
		t.order = t.order[1:]
	}
}
