package collection

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/parquet"
	"github.com/facodec-go/facodec/internal/plural"
)

// soundColumn returns the name of the column with the sound: the one that Hugging Face
// datasets call Audio, or the one of the form struct{bytes, path}; one called audio
// goes before others.
func soundColumn(r io.ReaderAt, size int64) (name string, err error) {
	table, err := parquet.Open(r, size)
	if err != nil {
		return "", err
	}
	var dataset struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if text := table.Metadata("huggingface"); text != "" {
		json.Unmarshal([]byte(text), &dataset) // without it the form of the columns tells
	}
	var named, formed []string
	for _, c := range table.Columns() {
		if table.Column(c.Name, "bytes") == nil {
			continue
		}
		var feature struct {
			Type string `json:"_type"`
		}
		json.Unmarshal(dataset.Info.Features[c.Name], &feature)
		if feature.Type == "Audio" {
			named = append(named, c.Name)
		}
		if feature.Type == "" && table.Column(c.Name, "path") != nil {
			formed = append(formed, c.Name)
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
		return "", fmt.Errorf("has no column of sound, struct{bytes, path}; its columns are %s", table.Names())
	case len(all) > 1:
		return "", fmt.Errorf("has several columns of sound, %s; leave one, or call it audio", strings.Join(all, ", "))
	}
	return all[0], nil
}

// scanTable calls found with each row of a table. The key is the path beside the bytes,
// without its extension, or base, the table's name, and the row's number.
// field is the column with the speaker, "" for none. The sound itself is not read.
func scanTable(r io.ReaderAt, size int64, sound, base string, field field, found func(record) bool) {
	if err := scanRows(r, size, sound, base, field, found); err != nil && err != errLeft {
		found(record{Fault: err.Error()})
	}
}

// errLeft: the caller has seen enough.
var errLeft = errors.New("left")

func scanRows(r io.ReaderAt, size int64, sound, base string, field field, found func(record) bool) error {
	table, err := parquet.Open(r, size)
	if err != nil {
		return err
	}
	bytes, paths := table.Column(sound, "bytes"), table.Column(sound, "path")
	var speakers *parquet.Column
	if field.name != "" {
		if speakers = table.Column(field.name); speakers == nil {
			speakers = table.Column(strings.Split(field.name, ".")...)
		}
		if speakers == nil && !field.optional {
			return fmt.Errorf("has no column %q with the speaker; its columns are %s", field.name, table.Names())
		}
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	row := int64(0)
	for group := range table.Groups() {
		if _, err := table.Chunk(group, bytes); err != nil {
			return err
		}
		keys, err := newCursor(table, group, paths)
		if err != nil {
			return err
		}
		labels, err := newCursor(table, group, speakers)
		if err != nil {
			return err
		}
		for range table.Rows(group) {
			rec := record{Offset: row}
			if rec.Key, err = keys.text(); err != nil {
				return err
			}
			if rec.Speaker, err = labels.text(); err != nil {
				return err
			}
			rec.Ext = path.Ext(rec.Key)
			if rec.Key = strings.TrimSuffix(rec.Key, rec.Ext); !audio.HasExtension(rec.Ext) {
				rec.Ext = ""
			}
			if rec.Key == "" {
				rec.Key = fmt.Sprintf("%s-%08d", stem, row)
			}
			row++
			if !found(rec) {
				return errLeft
			}
		}
	}
	return nil
}

// A cursor reads the values of a column in a group of rows one after the other.
type cursor struct {
	chunk  *parquet.Chunk
	page   int
	values [][]byte
}

// newCursor returns a cursor; of no column all values are null.
func newCursor(table *parquet.File, group int, c *parquet.Column) (*cursor, error) {
	if c == nil {
		return &cursor{}, nil
	}
	chunk, err := table.Chunk(group, c)
	return &cursor{chunk: chunk}, err
}

// maxText is how long a key or a label may be, in bytes. Pages may name the same text
// many times over.
const maxText = 4096

// text returns the next value, "" for null.
func (c *cursor) text() (string, error) {
	if c.chunk == nil {
		return "", nil
	}
	for len(c.values) == 0 {
		var err error
		if c.values, err = c.chunk.Read(c.page); err != nil {
			return "", err
		}
		c.page++
	}
	value := c.values[0]
	if c.values = c.values[1:]; len(value) > maxText {
		return "", fmt.Errorf("has a key or a label of %s", plural.Of(len(value), "byte"))
	}
	return string(value), nil
}
