package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/facodec-go/facodec/internal/plural"
)

// What a page may claim to hold: memory is taken for it before it is decompressed.
const (
	maxPage   = 1 << 30
	maxRatio  = 200 // uncompressed to compressed, of pages over freePage and chunks over freeChunk
	freePage  = 4 << 20
	freeChunk = 64 << 20
)

// A Chunk is the pages of a column in a group of rows.
type Chunk struct {
	file       *File
	column     *Column
	codec      int64
	dictionary *Page
	Pages      []Page

	entries [][]byte // of the dictionary, once read
}

// A Page is where some rows of a column lie.
type Page struct {
	First int64 // row in the group
	Rows  int64

	offset int64 // of the compressed bytes
	header pageHeader
}

// A pageHeader stands in front of each page.
type pageHeader struct {
	kind          int64 // 0 data, 2 dictionary, 3 data of version 2
	plain, packed int64 // bytes
	crc           uint32
	hasCRC        bool
	values        int64
	encoding      int64
	levels        int64 // encoding of the definition levels, version 1
	definitions   int64 // bytes of the definition levels, version 2
	repetitions   int64
	uncompressed  bool // version 2
}

// Chunk walks the headers of the pages of a column in a group of rows. They must lie in
// the file and have as many rows as the group.
func (f *File) Chunk(group int, c *Column) (*Chunk, error) {
	ch, err := f.chunk(group, c)
	if err != nil {
		return nil, fmt.Errorf("is damaged: column %s in group %d: %w", c.Name, group, err)
	}
	return ch, nil
}

func (f *File) chunk(group int, c *Column) (*Chunk, error) {
	g := &f.groups[group]
	info := &g.chunks[c.leaf]
	switch {
	case info.encrypted:
		return nil, errors.New("it is encrypted")
	case info.outside:
		return nil, errors.New("it lies in another file")
	case info.kind != c.kind:
		return nil, fmt.Errorf("its values have type %d, in the table %d", info.kind, c.kind)
	}
	ch := &Chunk{file: f, column: c, codec: info.codec}
	at, end, err := info.span(f.size)
	if err != nil {
		return nil, err
	}
	rows, plain := int64(0), int64(0)
	for at < end {
		h, length, err := f.pageHeader(at, end)
		if err != nil {
			return nil, fmt.Errorf("the header of a page: %w", err)
		}
		at += length
		if h.packed < 0 || h.packed > end-at || h.plain < 0 || h.plain > maxPage || h.plain > freePage && h.plain/maxRatio > h.packed {
			return nil, fmt.Errorf("or is written with pages over %d MB: a page of %s in %d", maxPage>>20, plural.Of(h.plain, "byte"), h.packed)
		}
		if h.kind != 1 && (h.values < 0 || h.kind != 2 && h.values > g.rows-rows || h.kind == 2 && h.values > f.size) {
			return nil, fmt.Errorf("a page of %s", plural.Of(h.values, "value"))
		}
		// Time stays in proportion to the file, too.
		if plain += h.plain; plain > freeChunk && plain/maxRatio > info.packed {
			return nil, fmt.Errorf("over %s in %d", plural.Of(plain, "byte"), info.packed)
		}
		p := Page{offset: at, header: h}
		switch h.kind {
		case 0, 3:
			p.First, p.Rows = rows, h.values
			rows += h.values
			if h.values > 0 {
				ch.Pages = append(ch.Pages, p)
			}
		case 2:
			if ch.dictionary != nil || rows > 0 {
				return nil, errors.New("a dictionary behind the first page")
			}
			ch.dictionary = &p
		}
		at += h.packed
	}
	if rows != g.rows {
		return nil, fmt.Errorf("it has %d of %s", rows, plural.Of(g.rows, "row"))
	}
	return ch, nil
}

// pageHeader reads the header at an offset, and returns its length. Headers are short,
// but for those with long values in their statistics.
func (f *File) pageHeader(at, end int64) (h pageHeader, length int64, err error) {
	for window := int64(512); ; window *= 16 {
		data := make([]byte, min(window, end-at))
		if n, err := f.r.ReadAt(data, at); n < len(data) {
			return h, 0, noEOF(err)
		}
		d := &decoder{data: data}
		if h = d.pageHeader(); d.err == nil {
			return h, int64(d.pos), nil
		}
		if d.err != errShort || window >= end-at || window > 16<<20 {
			return h, 0, d.err
		}
	}
}

func (d *decoder) pageHeader() (h pageHeader) {
	h.kind = -1
	set := func(to *int64, kind byte) bool {
		*to = d.number(kind)
		return true
	}
	d.structure(thriftStruct, func(id int64, kind byte) bool {
		switch id {
		case 1:
			return set(&h.kind, kind)
		case 2:
			return set(&h.plain, kind)
		case 3:
			return set(&h.packed, kind)
		case 4:
			h.crc, h.hasCRC = uint32(d.number(kind)), true
			return true
		case 5, 7: // of a data page, of a dictionary
			d.structure(kind, func(id int64, kind byte) bool {
				switch id {
				case 1:
					return set(&h.values, kind)
				case 2:
					return set(&h.encoding, kind)
				case 3:
					if kind != thriftTrue && kind != thriftFalse { // a dictionary's is whether it is sorted
						return set(&h.levels, kind)
					}
				}
				return false
			})
			return true
		case 8:
			d.structure(kind, func(id int64, kind byte) bool {
				switch id {
				case 1:
					return set(&h.values, kind)
				case 4:
					return set(&h.encoding, kind)
				case 5:
					return set(&h.definitions, kind)
				case 6:
					return set(&h.repetitions, kind)
				case 7:
					h.uncompressed = !d.boolean(kind)
					return true
				}
				return false
			})
			return true
		}
		return false
	})
	return h
}

// Read returns the values of a page, one for each row, nil for null; of a column of
// numbers, their text. They may be parts of one block of memory, and are not to be
// changed.
func (c *Chunk) Read(page int) (values [][]byte, err error) {
	// What decompresses is not ours, and has never been seen to panic.
	defer func() {
		if p := recover(); p != nil {
			values, err = nil, fmt.Errorf("is damaged: column %s: %v", c.column.Name, p)
		}
	}()
	if values, err = c.read(&c.Pages[page]); err != nil {
		return nil, fmt.Errorf("is damaged: column %s: a page of rows %d to %d: %w", c.column.Name, c.Pages[page].First, c.Pages[page].First+c.Pages[page].Rows-1, err)
	}
	return values, nil
}

func (c *Chunk) read(p *Page) ([][]byte, error) {
	h := &p.header
	packed, err := c.load(p)
	if err != nil {
		return nil, err
	}
	var levels, data []byte
	if h.kind == 3 { // levels are in front, uncompressed
		front := h.repetitions + h.definitions
		if h.repetitions < 0 || h.definitions < 0 || front < 0 || front > int64(len(packed)) || front > h.plain {
			return nil, errors.New("its levels are longer than the page")
		}
		levels = packed[h.repetitions:front]
		codec := c.codec
		if h.uncompressed {
			codec = 0
		}
		if data, err = decompress(codec, packed[front:], h.plain-front); err != nil {
			return nil, err
		}
	} else {
		if data, err = decompress(c.codec, packed, h.plain); err != nil {
			return nil, err
		}
		if c.column.optional > 0 {
			if h.levels != encodingRLE {
				return nil, fmt.Errorf("its levels have encoding %d, which is not supported", h.levels)
			}
			if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
				return nil, errors.New("its levels are longer than the page")
			}
			n := binary.LittleEndian.Uint32(data)
			levels, data = data[4:4+n], data[4+n:]
		}
	}
	present, n, err := definitions(levels, c.column.optional, int(p.Rows))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	if h.encoding == encodingDictionary || h.encoding == encodingPlainDictionary {
		if entries, err = c.readDictionary(); err != nil {
			return nil, err
		}
	}
	values, err := c.column.decode(h.encoding, data, n, entries)
	if err != nil || present == nil {
		return values, err
	}
	all := make([][]byte, p.Rows)
	for i := range all {
		if present[i] {
			all[i], values = values[0], values[1:]
		}
	}
	return all, nil
}

// definitions returns which of n rows have a value, nil for all, and how many do.
func definitions(levels []byte, most, n int) (present []bool, count int, err error) {
	if most == 0 {
		return nil, n, nil
	}
	width := uint(0)
	for 1<<width <= most {
		width++
	}
	runs := hybrid{data: levels, width: width}
	present = make([]bool, n)
	for i := range present {
		level, err := runs.next()
		if err != nil {
			return nil, 0, fmt.Errorf("its levels: %w", err)
		}
		if level == uint32(most) {
			present[i] = true
			count++
		}
	}
	return present, count, nil
}

// readDictionary returns the entries of the chunk's dictionary.
func (c *Chunk) readDictionary() ([][]byte, error) {
	if c.entries != nil {
		return c.entries, nil
	}
	p := c.dictionary
	if p == nil {
		return nil, errors.New("it has no dictionary")
	}
	if e := p.header.encoding; e != encodingPlain && e != encodingPlainDictionary {
		return nil, fmt.Errorf("a dictionary of encoding %d", e)
	}
	packed, err := c.load(p)
	if err == nil {
		packed, err = decompress(c.codec, packed, p.header.plain)
	}
	if err == nil {
		c.entries, err = c.column.decode(encodingPlain, packed, int(p.header.values), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("its dictionary: %w", err)
	}
	return c.entries, nil
}

// load reads the bytes of a page, as they are compressed.
func (c *Chunk) load(p *Page) ([]byte, error) {
	data := make([]byte, p.header.packed)
	if n, err := c.file.r.ReadAt(data, p.offset); n < len(data) {
		return nil, noEOF(err)
	}
	if p.header.hasCRC && crc32.ChecksumIEEE(data) != p.header.crc {
		return nil, errors.New("its checksum is another")
	}
	return data, nil
}

func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var codecs = []string{"none", "Snappy", "gzip", "LZO", "Brotli", "LZ4", "Zstandard", "LZ4_RAW"}

// zstdDecoder is for the calls of all goroutines. It starts none.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxPage))
})

// decompress returns the size bytes that packed holds. No more memory is taken than for
// them.
func decompress(codec int64, packed []byte, size int64) ([]byte, error) {
	var data []byte
	var err error
	switch codec {
	case 0:
		data = packed
	case 1:
		var n int
		if n, err = snappy.DecodedLen(packed); err == nil && int64(n) != size {
			err = fmt.Errorf("%s where %d should be", plural.Of(n, "byte"), size)
		}
		if err == nil {
			data, err = snappy.Decode(nil, packed)
		}
	case 2:
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(packed)); err == nil {
			data = make([]byte, size)
			if _, err = io.ReadFull(z, data); err == nil {
				var more [1]byte
				if n, _ := z.Read(more[:]); n > 0 {
					err = errors.New("more bytes than there should be")
				}
			}
		}
	case 6:
		var z *zstd.Decoder
		if z, err = zstdDecoder(); err == nil {
			data, err = z.DecodeAll(packed, make([]byte, 0, size))
		}
	default:
		name := fmt.Sprint(codec)
		if codec > 0 && codec < int64(len(codecs)) {
			name = codecs[codec]
		}
		return nil, fmt.Errorf("it is compressed with %s, which is not supported; write the table with Snappy, gzip or Zstandard", name)
	}
	if err == nil && int64(len(data)) != size {
		err = fmt.Errorf("%s where %d should be", plural.Of(len(data), "byte"), size)
	}
	if err != nil {
		return nil, fmt.Errorf("it does not decompress: %w", err)
	}
	return data, nil
}
