package collection

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What a page of a table may claim to hold; memory is taken for it before it is read.
const (
	maxPageBytes = 1 << 30
	maxPageRows  = 1 << 24
	maxRatio     = 1000 // uncompressed to compressed, for pages over maxFree
	maxFree      = 1 << 20
)

// guard makes a panic of package parquet, which trusts a file in places, an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("is a damaged table: %v", p)
	}
}

// openParquet reads the footer of a table.
func openParquet(r io.ReaderAt, size int64) (table *parquet.File, err error) {
	defer guard(&err)
	var tail [8]byte
	if _, err := r.ReadAt(tail[:], max(0, size-8)); err != nil || size < 12 || string(tail[4:]) != "PAR1" {
		return nil, errors.New("is no Parquet table, or is cut short: PAR1 does not stand at its end")
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 {
		return nil, fmt.Errorf("is damaged: its footer would be longer than the file")
	}
	table, err = parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("is damaged: %w", err)
	}
	return table, nil
}

// soundColumn returns the name of the column with the sound: the one that Hugging Face
// datasets call Audio, or the one of the form struct{bytes, path}; one called audio
// goes before others.
func soundColumn(r io.ReaderAt, size int64) (name string, err error) {
	defer guard(&err)
	table, err := openParquet(r, size)
	if err != nil {
		return "", err
	}
	var dataset struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if text, ok := table.Lookup("huggingface"); ok {
		json.Unmarshal([]byte(text), &dataset) // without it the form of the columns tells
	}
	var named, formed []string
	for _, c := range table.Root().Columns() {
		if column(table, c.Name(), "bytes") == nil {
			continue
		}
		var feature struct {
			Type string `json:"_type"`
		}
		json.Unmarshal(dataset.Info.Features[c.Name()], &feature)
		if feature.Type == "Audio" {
			named = append(named, c.Name())
		}
		if feature.Type == "" && column(table, c.Name(), "path") != nil {
			formed = append(formed, c.Name())
		}
	}
	all := named
	if all == nil {
		all = formed
	}
	switch {
	case slices.Contains(all, "audio"):
		return "audio", nil
	case len(all) == 0:
		return "", fmt.Errorf("has no column of sound, struct{bytes, path}; its columns are %s", strings.Join(columnNames(table), ", "))
	case len(all) > 1:
		return "", fmt.Errorf("has several columns of sound, %s; leave one, or call it audio", strings.Join(all, ", "))
	}
	return all[0], nil
}

func columnNames(table *parquet.File) []string {
	var names []string
	for _, c := range table.Root().Columns() {
		names = append(names, c.Name())
	}
	return names
}

// column returns a leaf of a table with at most one value in a row, or nil.
func column(table *parquet.File, names ...string) *parquet.Column {
	c := table.Root()
	for _, name := range names {
		if c = c.Column(name); c == nil {
			return nil
		}
	}
	if !c.Leaf() || c.MaxRepetitionLevel() > 0 {
		return nil
	}
	return c
}

// scanTable calls found with each row of a table. The key is the path beside the bytes,
// without its extension, or base, the table's name, and the row's number.
// field is the column with the speaker, "" for none. The sound itself is not read.
func scanTable(f *os.File, size int64, sound, base, field string, found func(record) bool) {
	if err := scanRows(f, size, sound, base, field, found); err != nil {
		found(record{Fault: err.Error()})
	}
}

// errLeft: the caller has seen enough.
var errLeft = errors.New("left")

func scanRows(r io.ReaderAt, size int64, sound, base, field string, found func(record) bool) (err error) {
	defer guard(&err)
	table, err := openParquet(r, size)
	if err != nil {
		return err
	}
	bytes, paths := column(table, sound, "bytes"), column(table, sound, "path")
	var speakers *parquet.Column
	if field != "" {
		if speakers = column(table, field); speakers == nil {
			return fmt.Errorf("has no column %q with the speaker; its columns are %s", field, strings.Join(columnNames(table), ", "))
		}
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	row := int64(0)
	for group := range table.RowGroups() {
		if err := checkPages(r, size, table, group, bytes, paths, speakers); err != nil {
			return err
		}
		keys := newCursor(table, group, paths)
		labels := newCursor(table, group, speakers)
		err := func() error {
			defer keys.close()
			defer labels.close()
			for range table.Metadata().RowGroups[group].NumRows {
				rec := record{Offset: row}
				if rec.Key, err = keys.text(); err != nil {
					return err
				}
				if rec.Speaker, err = labels.text(); err != nil {
					return err
				}
				rec.Key = strings.TrimSuffix(rec.Key, path.Ext(rec.Key))
				if rec.Key == "" {
					rec.Key = fmt.Sprintf("%s-%08d", stem, row)
				}
				row++
				if !found(rec) {
					return errLeft
				}
			}
			return nil
		}()
		if err == errLeft {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is damaged at row %d: %w", row, err)
		}
	}
	return nil
}

// checkPages walks the headers of the pages of some columns: they lie in the file, are
// of a size that can be, and have as many rows as the group.
func checkPages(r io.ReaderAt, size int64, table *parquet.File, group int, columns ...*parquet.Column) error {
	g := &table.Metadata().RowGroups[group]
	head := make([]byte, 64<<10)
	for _, c := range columns {
		if c == nil {
			continue
		}
		chunk := &g.Columns[c.Index()].MetaData
		from := chunk.DataPageOffset
		if d := chunk.DictionaryPageOffset; d > 0 && d < from {
			from = d
		}
		end := from + chunk.TotalCompressedSize
		if from < 4 || chunk.TotalCompressedSize < 0 || end > size || end < from {
			return fmt.Errorf("is damaged: column %s does not lie in the file", c.Name())
		}
		rows := int64(0)
		for from < end {
			n, err := r.ReadAt(head[:min(int64(len(head)), end-from)], from)
			if n == 0 {
				return err
			}
			var h format.PageHeader
			var protocol thrift.CompactProtocol
			in := protocol.NewReaderFromBytes(head[:n])
			if err := thrift.NewDecoder(in).Decode(&h); err != nil {
				return fmt.Errorf("is damaged: a page of column %s: %w", c.Name(), err)
			}
			values := int64(0)
			if h.DataPageHeader.Valid {
				values = int64(h.DataPageHeader.V.NumValues)
			}
			if h.DataPageHeaderV2.Valid {
				values = int64(h.DataPageHeaderV2.V.NumValues)
			}
			if h.DictionaryPageHeader.Valid && int64(h.DictionaryPageHeader.V.NumValues) > maxPageRows {
				values = -1
			}
			packed, plain := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
			from += int64(in.BytesRead()) + packed
			rows += values
			if packed < 0 || plain < 0 || from > end || plain > maxPageBytes || plain > maxFree && plain/maxRatio > packed || values < 0 || values > maxPageRows {
				return fmt.Errorf("is damaged, or written with pages over %d MB: a page of column %s holds %d bytes in %d, and %d rows", maxPageBytes>>20, c.Name(), plain, packed, values)
			}
		}
		if rows != g.NumRows {
			return fmt.Errorf("is damaged: column %s has %d of the %d rows of a group", c.Name(), rows, g.NumRows)
		}
	}
	return nil
}

// A cursor reads the values of a column one after the other.
type cursor struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	one    [1]parquet.Value
}

// newCursor returns a cursor through a group of rows; of no column all values are null.
func newCursor(table *parquet.File, group int, c *parquet.Column) *cursor {
	if c == nil {
		return &cursor{}
	}
	return &cursor{pages: table.RowGroups()[group].ColumnChunks()[c.Index()].Pages()}
}

func (c *cursor) close() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	if c.pages != nil {
		c.pages.Close()
	}
}

// next returns the next value, which is good until the one after it.
func (c *cursor) next() (parquet.Value, error) {
	for c.pages != nil {
		if c.page != nil {
			if n, err := c.values.ReadValues(c.one[:]); n == 1 {
				return c.one[0], nil
			} else if err != nil && err != io.EOF {
				return parquet.Value{}, err
			}
			parquet.Release(c.page)
			c.page = nil
		}
		var err error
		if c.page, err = c.pages.ReadPage(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return parquet.Value{}, err
		}
		c.values = c.page.Values()
	}
	return parquet.Value{}, nil
}

// text returns the next value as a text, "" for null.
func (c *cursor) text() (string, error) {
	v, err := c.next()
	switch {
	case err != nil || v.IsNull():
		return "", err
	case v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray:
		return string(v.ByteArray()), nil
	}
	return v.String(), nil
}
