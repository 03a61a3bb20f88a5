package collection

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/parquet"
)

const (
	// openTables is how many tables are kept open while nobody reads from them.
	openTables = 4
	// keptBytes is how much of a table's sound is kept beside the page that was read last:
	// items are read more than once, and by several goroutines almost in order.
	keptBytes = 32 << 20
)

// tables are those that are open.
type tables struct {
	mu     sync.Mutex
	open   []*table // in order of use
	closed bool
}

// A table is an open Parquet file. A row can be read only with its page.
type table struct {
	users int // under the mutex of tables

	mu     sync.Mutex
	shard  *shard
	f      *os.File
	file   *parquet.File
	column *parquet.Column
	starts []int64 // the first row of each group, and the end of the last

	group int // of chunk, -1 for none
	chunk *parquet.Chunk
	pages []openPage // the last used at the end
}

// An openPage is a page of a table that was read.
type openPage struct {
	first  int64 // row in the table
	values [][]byte
	bytes  int
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
	t, err := newTable(f, sh)
	if err != nil {
		f.Close()
		return nil, err
	}
	t.f = f
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

func newTable(r io.ReaderAt, sh *shard) (*table, error) {
	file, err := parquet.Open(r, sh.size)
	if err != nil {
		return nil, err
	}
	t := &table{users: 1, shard: sh, file: file, column: file.Column(sh.column, "bytes"), group: -1}
	if t.column == nil {
		return nil, errors.New("the shard has changed since it was searched")
	}
	rows := int64(0)
	for group := range file.Groups() {
		t.starts = append(t.starts, rows)
		rows += file.Rows(group)
	}
	t.starts = append(t.starts, rows)
	return t, nil
}

// read returns the sound in a row, which is not to be changed.
func (t *table) read(row int64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if row < 0 || row >= t.starts[len(t.starts)-1] {
		return nil, fmt.Errorf("the table has no row %d", row)
	}
	page, err := t.page(row)
	if err != nil {
		return nil, err
	}
	value := page.values[row-page.first]
	if value == nil {
		return nil, errors.New("the row has no bytes of sound, only a path or nothing; embed the sound when the table is written")
	}
	return value, nil
}

// page returns the page with a row of the table.
func (t *table) page(row int64) (openPage, error) {
	for i, p := range t.pages {
		if row >= p.first && row-p.first < int64(len(p.values)) {
			t.pages = append(slices.Delete(t.pages, i, i+1), p)
			return p, nil
		}
	}
	group, _ := slices.BinarySearch(t.starts, row+1)
	group--
	if group != t.group {
		chunk, err := t.file.Chunk(group, t.column)
		if err != nil {
			return openPage{}, err
		}
		t.group, t.chunk = group, chunk
	}
	i, _ := slices.BinarySearchFunc(t.chunk.Pages, row-t.starts[group]+1, func(p parquet.Page, row int64) int { return cmp.Compare(p.First, row) })
	i--
	values, err := t.chunk.Read(i)
	if err != nil {
		return openPage{}, err
	}
	p := openPage{first: t.starts[group] + t.chunk.Pages[i].First, values: values}
	kept := 0
	for _, value := range values {
		p.bytes += len(value)
	}
	for _, old := range t.pages {
		kept += old.bytes
	}
	for len(t.pages) > 0 && kept > keptBytes {
		kept -= t.pages[0].bytes
		t.pages = slices.Delete(t.pages, 0, 1)
	}
	t.pages = append(t.pages, p)
	return p, nil
}
