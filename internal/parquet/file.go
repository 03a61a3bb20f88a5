// Package parquet reads columns of Parquet tables, of whatever origin: strings, bytes and
// numbers that stand at most once in a row, as a column of sound and the labels beside it
// do. Lists and maps are not read.
//
// A table is not trusted. Every length, count and offset in it is compared with the file
// before memory is taken for it, so that memory and time stay in proportion to the
// file's size; what is damaged, or not supported, is an error.
//
// The format is that of Apache Parquet (apache/parquet-format, parquet.thrift and
// Encodings.md). Read are the encodings PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY,
// DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY, pages of both
// versions, and the compressions Snappy, gzip and Zstandard.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// A File is a table of which the footer was read. Its methods may be called by several
// goroutines at a time.
type File struct {
	r      io.ReaderAt
	size   int64
	root   *Column
	groups []group
	meta   map[string]string
}

// A group is a group of rows.
type group struct {
	rows   int64
	chunks []chunk // of each leaf
}

// A chunk is where the pages of a column lie in a group of rows.
type chunk struct {
	kind         int64 // of the values
	codec        int64
	packed       int64 // bytes, with the headers of pages
	data         int64 // offset of the first data page
	dictionary   int64 // offset, 0 for none
	encrypted    bool
	outside      bool // in another file
	hasStructure bool
}

// A Column is a column of a table, or a structure of some.
type Column struct {
	Name     string
	Children []*Column // nil of a leaf

	kind     int64 // of a leaf's values
	width    int64 // of FIXED_LEN_BYTE_ARRAY, in bytes
	unsigned bool
	leaf     int  // index among the leaves
	optional int  // how many columns on the way to it may be null
	repeated bool // whether one of them is a list
}

const (
	maxFooter  = 256 << 20 // bytes
	maxColumns = 1 << 16
)

// Open reads the footer of a table of size bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	var tail [8]byte
	if size >= 12 {
		if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
			return nil, err
		}
	}
	switch string(tail[4:]) {
	case "PAR1":
	case "PARE":
		return nil, errors.New("is encrypted")
	default:
		return nil, errors.New("is no Parquet table, or is cut short: PAR1 does not stand at its end")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > size-12 || n > maxFooter {
		return nil, fmt.Errorf("is damaged: a footer of %s in a file of %d", plural.Of(n, "byte"), size)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil && err != io.EOF {
		return nil, err
	}
	f := &File{r: r, size: size, meta: map[string]string{}}
	if err := f.readFooter(footer); err != nil {
		return nil, fmt.Errorf("is damaged: its footer: %w", err)
	}
	return f, f.check()
}

// check compares what the footer says with the file.
func (f *File) check() error {
	total := int64(0)
	packed := map[int]int64{} // of each leaf
	for i := range f.groups {
		g := &f.groups[i]
		// A row of some use has a byte or more. What has less would make a file of a
		// kilobyte billions of rows.
		if g.rows < 0 || g.rows > f.size-total {
			return fmt.Errorf("is damaged: more rows than bytes, %d in group %d", g.rows, i)
		}
		total += g.rows
		// Nor may groups lie in each other.
		for leaf := range g.chunks {
			c := &g.chunks[leaf]
			if c.packed < 0 || c.packed > f.size-packed[leaf] {
				return fmt.Errorf("is damaged: column %d of its groups does not lie in the file", leaf)
			}
			packed[leaf] += c.packed
		}
	}
	return nil
}

// Metadata returns what the table's writer left under a key, "" for nothing. Only that
// of Hugging Face datasets, huggingface, is kept.
func (f *File) Metadata(key string) string { return f.meta[key] }

// Groups returns the number of groups of rows.
func (f *File) Groups() int { return len(f.groups) }

// Rows returns the number of rows in a group.
func (f *File) Rows(group int) int64 { return f.groups[group].rows }

// Columns returns the columns of the table.
func (f *File) Columns() []*Column { return f.root.Children }

// Column returns the leaf of that path, or nil if there is none that has at most one value
// in a row.
func (f *File) Column(path ...string) *Column {
	c := f.root
	for _, name := range path {
		if c = c.child(name); c == nil {
			return nil
		}
	}
	if c.Children != nil || c.repeated {
		return nil
	}
	return c
}

func (c *Column) child(name string) *Column {
	for _, child := range c.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func (f *File) readFooter(data []byte) error {
	d := &decoder{data: data}
	var elements []schemaElement
	d.structure(thriftStruct, func(id int64, kind byte) bool {
		switch id {
		case 2:
			d.list(kind, func(kind byte) {
				if elements = append(elements, d.schemaElement(kind)); len(elements) > maxColumns {
					d.fail(fmt.Errorf("more than %d columns", maxColumns))
				}
			})
		case 4:
			d.list(kind, func(kind byte) { f.groups = append(f.groups, d.group(kind)) })
		case 5:
			d.list(kind, func(kind byte) {
				if key, value := d.keyValue(kind); key == "huggingface" {
					f.meta[key] = value
				}
			})
		default:
			return false
		}
		return true
	})
	if d.err != nil {
		return d.err
	}
	leaves := 0
	root, rest, err := tree(elements, nil, &leaves, 0)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s in no structure", plural.Of(len(rest), "column"))
	}
	f.root = root
	for i, g := range f.groups {
		if len(g.chunks) != leaves {
			return fmt.Errorf("group %d has %s, the table %d", i, plural.Of(len(g.chunks), "column"), leaves)
		}
	}
	return nil
}

// A schemaElement is a column or a structure; those in it follow.
type schemaElement struct {
	name       string
	kind       int64
	width      int64
	repetition int64 // 0 required, 1 optional, 2 repeated
	children   int64
	converted  int64
	logical    int64 // of a Writer alone
}

func (d *decoder) schemaElement(kind byte) (e schemaElement) {
	e.kind = -1
	d.structure(kind, func(id int64, kind byte) bool {
		switch id {
		case 1:
			e.kind = d.number(kind)
		case 2:
			e.width = d.number(kind)
		case 3:
			e.repetition = d.number(kind)
		case 4:
			e.name = string(d.binary(kind))
		case 5:
			e.children = d.number(kind)
		case 6:
			e.converted = d.number(kind)
		default:
			return false
		}
		return true
	})
	return e
}

// tree makes columns of the elements of a schema, which are in the order of a walk, and
// returns those behind the first.
func tree(elements []schemaElement, parent *Column, leaves *int, depth int) (*Column, []schemaElement, error) {
	if len(elements) == 0 {
		return nil, nil, errors.New("it has fewer columns than it says")
	}
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("columns are nested more than %d deep", maxDepth)
	}
	e := elements[0]
	elements = elements[1:]
	c := &Column{Name: e.name, kind: e.kind, width: e.width, leaf: -1}
	c.unsigned = e.converted >= 11 && e.converted <= 14 // UINT_8 to UINT_64
	if parent != nil {
		c.optional, c.repeated = parent.optional, parent.repeated || e.repetition == 2
		if e.repetition != 0 {
			c.optional++
		}
	}
	if e.children <= 0 && parent != nil {
		c.leaf = *leaves
		*leaves++
		return c, elements, nil
	}
	c.Children = []*Column{}
	for range e.children {
		var child *Column
		var err error
		if child, elements, err = tree(elements, c, leaves, depth+1); err != nil {
			return nil, nil, err
		}
		c.Children = append(c.Children, child)
	}
	return c, elements, nil
}

func (d *decoder) keyValue(kind byte) (key, value string) {
	d.structure(kind, func(id int64, kind byte) bool {
		switch id {
		case 1:
			key = string(d.binary(kind))
		case 2:
			value = string(d.binary(kind))
		default:
			return false
		}
		return true
	})
	return key, value
}

func (d *decoder) group(kind byte) (g group) {
	d.structure(kind, func(id int64, kind byte) bool {
		switch id {
		case 1:
			d.list(kind, func(kind byte) { g.chunks = append(g.chunks, d.chunk(kind)) })
		case 3:
			g.rows = d.number(kind)
		default:
			return false
		}
		return true
	})
	if g.chunks == nil {
		d.fail(errors.New("a group without columns"))
	}
	return g
}

func (d *decoder) chunk(kind byte) (c chunk) {
	d.structure(kind, func(id int64, kind byte) bool {
		switch id {
		case 1:
			c.outside = len(d.binary(kind)) > 0
		case 3:
			c.hasStructure = true
			d.chunkMetadata(&c, kind)
		case 8:
			c.encrypted = true
			return false
		default:
			return false
		}
		return true
	})
	// The shortest whole one has 16 bytes: those of nothing may not fill memory.
	if !c.hasStructure && !c.encrypted {
		d.fail(errors.New("a column has no place in the file"))
	}
	return c
}

func (d *decoder) chunkMetadata(c *chunk, kind byte) {
	d.structure(kind, func(id int64, kind byte) bool {
		switch id {
		case 1:
			c.kind = d.number(kind)
		case 4:
			c.codec = d.number(kind)
		case 7:
			c.packed = d.number(kind)
		case 9:
			c.data = d.number(kind)
		case 11:
			c.dictionary = d.number(kind)
		default:
			return false
		}
		return true
	})
}

// span returns where the pages of a chunk lie.
func (c *chunk) span(size int64) (from, end int64, err error) {
	from = c.data
	if c.dictionary > 0 && c.dictionary < from {
		from = c.dictionary
	}
	if from < 4 || c.packed < 0 || from > size || c.packed > size-from {
		return 0, 0, errors.New("its pages do not lie in the file")
	}
	return from, from + c.packed, nil
}

// Names returns the names of the table's columns, for a message.
func (f *File) Names() string {
	const most = 50
	var names []string
	for i, c := range f.root.Children {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}
