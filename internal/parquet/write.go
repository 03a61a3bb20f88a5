package parquet

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"github.com/facodec-go/facodec/internal/float16"
	"github.com/facodec-go/facodec/internal/plural"
)

// A Type is that of the values of a column that is written.
type Type int

const (
	String Type = iota
	Int32
	Int64
	Float32
	Float16
)

// A Field is a column that is written.
type Field struct {
	Name string
	Type Type
	// Lists is how many lists a value lies in: 0, 1 or 2.
	Lists int
	// Optional columns, without lists, may be null.
	Optional bool
}

// groupBytes is how much of a group of rows is kept in memory.
const groupBytes = 8 << 20

// A Writer writes a table, in groups of rows of some megabytes, compressed with Zstandard.
// Each column is given a value in each row.
type Writer struct {
	out     io.Writer
	at      int64
	columns []*columnWriter
	groups  []writtenGroup
	rows    int64 // of the group
	total   int64
	zstd    *zstd.Encoder
}

// A columnWriter is a column of the group of rows that is being collected.
type columnWriter struct {
	Field
	data                     []byte // PLAIN
	repetitions, definitions runs
	values                   int64 // with nulls and empty lists
}

// A writtenGroup is a group of rows that was written.
type writtenGroup struct {
	rows   int64
	chunks []writtenChunk
}

type writtenChunk struct {
	at, plain, packed, values int64 // with the header of the page
}

// NewWriter begins a table.
func NewWriter(out io.Writer, fields []Field) (*Writer, error) {
	w := &Writer{out: out}
	for _, f := range fields {
		w.columns = append(w.columns, &columnWriter{Field: f})
	}
	var err error
	if w.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
		return nil, err
	}
	return w, w.write([]byte("PAR1"))
}

func (w *Writer) write(b []byte) error {
	n, err := w.out.Write(b)
	w.at += int64(n)
	return err
}

// String sets a string of the row.
func (w *Writer) String(column int, s string) {
	c := w.columns[column]
	c.level(0, c.deepest())
	c.data = binary.LittleEndian.AppendUint32(c.data, uint32(len(s)))
	c.data = append(c.data, s...)
}

// Null leaves an optional column of the row without a value.
func (w *Writer) Null(column int) { w.columns[column].level(0, 0) }

// Int sets a number of the row.
func (w *Writer) Int(column int, v int64) {
	c := w.columns[column]
	c.level(0, c.deepest())
	c.integer(v)
}

// Ints sets lists of numbers of the row.
func (w *Writer) Ints(column int, lists [][]int32) {
	c := w.columns[column]
	if len(lists) == 0 {
		c.level(0, 0)
	}
	for i, list := range lists {
		level := min(i, 1) // 0 begins a row, 1 a list in it, 2 goes on in that
		if len(list) == 0 {
			c.level(level, 1)
		}
		for _, v := range list {
			c.level(level, 2)
			c.integer(int64(v))
			level = 2
		}
	}
}

// Floats sets a list of numbers of the row.
func (w *Writer) Floats(column int, list []float32) {
	c := w.columns[column]
	if len(list) == 0 {
		c.level(0, 0)
	}
	for i, v := range list {
		c.level(min(i, 1), 1)
		if c.Type == Float16 {
			c.data = binary.LittleEndian.AppendUint16(c.data, float16.FromFloat32(v))
		} else {
			c.data = binary.LittleEndian.AppendUint32(c.data, math.Float32bits(v))
		}
	}
}

func (c *columnWriter) integer(v int64) {
	if c.Type == Int64 {
		c.data = binary.LittleEndian.AppendUint64(c.data, uint64(v))
	} else {
		c.data = binary.LittleEndian.AppendUint32(c.data, uint32(v))
	}
}

// deepest returns the definition level of a value.
func (c *columnWriter) deepest() int {
	if c.Optional {
		return 1
	}
	return c.Lists
}

func (c *columnWriter) level(repetition, definition int) {
	c.repetitions.add(repetition)
	c.definitions.add(definition)
	c.values++
}

// EndRow ends a row, in which every column was set.
func (w *Writer) EndRow() error {
	w.rows++
	size := 0
	for _, c := range w.columns {
		size += len(c.data)
	}
	if size < groupBytes {
		return nil
	}
	return w.flush()
}

// flush writes a group of rows, a page for each column.
func (w *Writer) flush() error {
	g := writtenGroup{rows: w.rows}
	for _, c := range w.columns {
		var page []byte
		if c.Lists > 0 {
			page = c.repetitions.append(page)
		}
		if c.deepest() > 0 {
			page = c.definitions.append(page)
		}
		page = append(page, c.data...)
		if len(page) > math.MaxInt32 {
			return fmt.Errorf("column %s: a row of %s", c.Name, plural.Of(len(page), "byte"))
		}
		packed := w.zstd.EncodeAll(page, nil)
		var e encoder
		e.integer(1, 0)
		e.integer(2, int64(len(page)))
		e.integer(3, int64(len(packed)))
		e.integer(4, int64(int32(crc32.ChecksumIEEE(packed))))
		e.structure(5, func() {
			e.integer(1, c.values)
			e.integer(2, encodingPlain)
			e.integer(3, encodingRLE)
			e.integer(4, encodingRLE)
		})
		e.end()
		g.chunks = append(g.chunks, writtenChunk{w.at, int64(len(e.b) + len(page)), int64(len(e.b) + len(packed)), c.values})
		if err := w.write(append(e.b, packed...)); err != nil {
			return err
		}
		*c = columnWriter{Field: c.Field, data: c.data[:0]}
	}
	w.groups = append(w.groups, g)
	w.total += w.rows
	w.rows = 0
	return nil
}

// Close writes what is left and the footer. It does not close what the table is written to.
func (w *Writer) Close() error {
	if w.rows > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	footer := w.footer()
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	return w.write(append(footer, "PAR1"...))
}

func (w *Writer) footer() []byte {
	var e encoder
	e.integer(1, 2)
	schema := []schemaElement{{name: "schema", kind: -1, repetition: -1, children: int64(len(w.columns)), converted: -1}}
	for _, c := range w.columns {
		schema = append(schema, c.elements()...)
	}
	e.list(2, thriftStruct, len(schema), func(i int) { schema[i].append(&e) })
	e.long(3, w.total)
	e.list(4, thriftStruct, len(w.groups), func(i int) { w.appendGroup(&e, &w.groups[i]) })
	e.binary(6, "facodec")
	e.end()
	return e.b
}

// Physical and logical types, and what the latter were before.
var writtenTypes = map[Type]struct{ kind, width, converted, logical int64 }{
	String:  {typeByteArray, 0, 0, 1},
	Int32:   {typeInt32, 0, -1, 0},
	Int64:   {typeInt64, 0, -1, 0},
	Float32: {typeFloat, 0, -1, 0},
	Float16: {typeFixed, 2, -1, 15},
}

const (
	convertedList = 3
	logicalList   = 3
)

// elements returns what the schema has of a column: lists have three levels.
func (c *columnWriter) elements() (all []schemaElement) {
	name := c.Name
	for range c.Lists {
		all = append(all,
			schemaElement{name: name, kind: -1, children: 1, converted: convertedList, logical: logicalList},
			schemaElement{name: "list", kind: -1, repetition: 2, children: 1, converted: -1})
		name = "element"
	}
	t := writtenTypes[c.Type]
	leaf := schemaElement{name: name, kind: t.kind, width: t.width, converted: t.converted, logical: t.logical}
	if c.Optional {
		leaf.repetition = 1
	}
	return append(all, leaf)
}

func (s *schemaElement) append(e *encoder) {
	if s.kind >= 0 {
		e.integer(1, s.kind)
	}
	if s.width > 0 {
		e.integer(2, s.width)
	}
	if s.repetition >= 0 {
		e.integer(3, s.repetition)
	}
	e.binary(4, s.name)
	if s.children > 0 {
		e.integer(5, s.children)
	}
	if s.converted >= 0 {
		e.integer(6, s.converted)
	}
	if s.logical > 0 {
		e.structure(10, func() { e.structure(int(s.logical), func() {}) })
	}
	e.end()
}

func (w *Writer) appendGroup(e *encoder, g *writtenGroup) {
	plain, packed := int64(0), int64(0)
	for _, c := range g.chunks {
		plain += c.plain
		packed += c.packed
	}
	e.list(1, thriftStruct, len(g.chunks), func(i int) {
		c, column := g.chunks[i], w.columns[i]
		e.long(2, 0)
		e.structure(3, func() {
			e.integer(1, writtenTypes[column.Type].kind)
			e.list(2, thriftI32, 2, func(i int) { e.varint([]int64{encodingPlain, encodingRLE}[i]) })
			path := []string{column.Name}
			for range column.Lists {
				path = append(path, "list", "element")
			}
			e.list(3, thriftBinary, len(path), func(i int) { e.text(path[i]) })
			e.integer(4, 6) // Zstandard
			e.long(5, c.values)
			e.long(6, c.plain)
			e.long(7, c.packed)
			e.long(9, c.at)
		})
		e.end()
	})
	e.long(2, plain)
	e.long(3, g.rows)
	e.long(6, packed)
	e.end()
}

// runs are levels, the same ones together.
type runs struct {
	levels []byte
	counts []uint64
}

func (r *runs) add(level int) {
	if n := len(r.levels); n > 0 && r.levels[n-1] == byte(level) {
		r.counts[n-1]++
		return
	}
	r.levels = append(r.levels, byte(level))
	r.counts = append(r.counts, 1)
}

// append writes the runs as RLE, of one or two bits, behind their length in bytes.
func (r *runs) append(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for i, level := range r.levels {
		b = append(binary.AppendUvarint(b, r.counts[i]<<1), level)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// An encoder writes Thrift's compact protocol, fields in order of their numbers.
type encoder struct {
	b    []byte
	last int
}

func (e *encoder) field(id int, kind byte) {
	if delta := id - e.last; delta > 0 && delta < 16 {
		e.b = append(e.b, byte(delta)<<4|kind)
	} else {
		e.b = append(e.b, kind)
		e.varint(int64(id))
	}
	e.last = id
}

func (e *encoder) varint(v int64) { e.b = binary.AppendUvarint(e.b, uint64(v<<1^v>>63)) }

func (e *encoder) integer(id int, v int64) {
	e.field(id, thriftI32)
	e.varint(v)
}

func (e *encoder) long(id int, v int64) {
	e.field(id, thriftI64)
	e.varint(v)
}

func (e *encoder) text(s string) { e.b = append(binary.AppendUvarint(e.b, uint64(len(s))), s...) }

func (e *encoder) binary(id int, s string) {
	e.field(id, thriftBinary)
	e.text(s)
}

// structure writes a field whose own fields inner writes.
func (e *encoder) structure(id int, inner func()) {
	e.field(id, thriftStruct)
	e.last = 0
	inner()
	e.end()
	e.last = id
}

// list writes a field of n elements. Those that are structures end themselves.
func (e *encoder) list(id int, kind byte, n int, element func(i int)) {
	e.field(id, thriftList)
	if n < 15 {
		e.b = append(e.b, byte(n)<<4|kind)
	} else {
		e.b = binary.AppendUvarint(append(e.b, 0xf0|kind), uint64(n))
	}
	for i := range n {
		e.last = 0
		element(i)
	}
	e.last = id
}

func (e *encoder) end() { e.b = append(e.b, 0) }
