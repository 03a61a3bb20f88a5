package parquet

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// all returns the values of a column.
func all(f *File, c *Column) (values [][]byte, err error) {
	for group := range f.Groups() {
		chunk, err := f.Chunk(group, c)
		if err != nil {
			return nil, err
		}
		for page := range chunk.Pages {
			some, err := chunk.Read(page)
			if err != nil {
				return nil, err
			}
			values = append(values, some...)
		}
	}
	return values, nil
}

// TestValues: what pyarrow has written in several encodings reads as pyarrow reads it.
func TestValues(t *testing.T) {
	var want map[string][]*string
	if err := json.Unmarshal(read(t, "values.json"), &want); err != nil {
		t.Fatal(err)
	}
	for name, pages := range map[string]int{"dictionary-snappy": 2, "plain-gzip-v2": 2, "delta-zstd": 2, "delta-none-v2": 2, "pages": 11, "pages-v2": 11} {
		f := open(t, read(t, name+".parquet"))
		for column, want := range want {
			path := []string{column}
			if column == "nested" {
				path = []string{"nested", "in", "word"}
			}
			c := f.Column(path...)
			if c == nil {
				t.Fatalf("%s: no column %s", name, column)
			}
			values, err := all(f, c)
			if err != nil || len(values) != len(want) {
				t.Errorf("%s: column %s: %d values, %v", name, column, len(values), err)
				continue
			}
			for i, value := range values {
				text := string(value)
				if column == "data" || column == "fixed" {
					text = base64.StdEncoding.EncodeToString(value)
				}
				if (value == nil) != (want[i] == nil) || value != nil && text != *want[i] {
					t.Errorf("%s: column %s, row %d: %q", name, column, i, text)
					break
				}
			}
			n := 0
			for group := range f.Groups() {
				chunk, _ := f.Chunk(group, c)
				n += len(chunk.Pages)
			}
			if n != pages {
				t.Errorf("%s: column %s: %d pages, want %d", name, column, n, pages)
			}
		}
		if f.Column("list") != nil || f.Column("list", "list", "element") != nil || f.Column("nested") != nil || f.Column("gone") != nil {
			t.Errorf("%s: a column that has no one value in a row", name)
		}
	}
}

// TestRefused: what is not read, or is not as it should be, is an error that says what.
func TestRefused(t *testing.T) {
	plain := read(t, "delta-none-v2.parquet")
	damaged := bytes.Clone(plain)
	whole := open(t, plain)
	chunk, err := whole.Chunk(0, whole.Column("text"))
	if err != nil {
		t.Fatal(err)
	}
	damaged[chunk.Pages[0].offset+100]++
	tail := func(footer ...byte) []byte {
		data := append([]byte("PAR1"), footer...)
		data = binary.LittleEndian.AppendUint32(data, uint32(len(footer)))
		return append(data, "PAR1"...)
	}
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "is no Parquet table"},
		{"cut", plain[:len(plain)-9], "is no Parquet table"},
		{"footer", append([]byte("PAR1\xff\xff\xff\x7f"), "PAR1"...), "a footer of 2147483647 bytes in a file of 12"},
		{"encrypted", append([]byte("PARE\x00\x00\x00\x00"), "PARE"...), "is encrypted"},
		{"brotli", read(t, "brotli.parquet"), "is compressed with Brotli"},
		{"lz4", read(t, "lz4.parquet"), "is compressed with LZ4"},
		{"checksum", damaged, "a page of rows 0 to 24: its checksum is another"},
		// Counts and lengths that the footer cannot hold. Memory for 2^30 columns would
		// be 100 GB.
		{"count", tail(0x15, 2, 0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x04), "its footer: it ends early"},
		{"length", tail(0x68, 0xff, 0xff, 0xff, 0xff, 0x07), "its footer: it ends early"},
		{"children", tail(0x29, 0x1c, 0x48, 1, 'x', 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0), "it has fewer columns than it says"},
		{"nested", tail(bytes.Repeat([]byte{0x1c}, 200)...), "nested more than 32 deep"},
	} {
		f, err := Open(bytes.NewReader(test.data), int64(len(test.data)))
		if err == nil {
			_, err = all(f, f.Column("text"))
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestClaims: a page that claims what cannot be in it is refused before memory is taken.
func TestClaims(t *testing.T) {
	f := open(t, read(t, "delta-none-v2.parquet"))
	for name, change := range map[string]func(g *group, c *chunk){
		"more rows than bytes":      func(g *group, c *chunk) { g.rows = 1 << 40 },
		"does not lie in the file":  func(g *group, c *chunk) { c.packed = 1 << 40 },
		"pages do not lie":          func(g *group, c *chunk) { c.data = f.size - 1 },
		"it has 25 of 30 rows":      func(g *group, c *chunk) { g.rows = 30 },
		"a page of 25 values":       func(g *group, c *chunk) { g.rows = 7 },
		"lies in another file":      func(g *group, c *chunk) { c.outside = true },
		"in group 0: the header of": func(g *group, c *chunk) { c.data = 3000 },
	} {
		f := open(t, read(t, "delta-none-v2.parquet"))
		change(&f.groups[0], &f.groups[0].chunks[0])
		err := f.check()
		if err == nil {
			_, err = all(f, f.Column("text"))
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
	for name, header := range map[string]pageHeader{
		"levels are longer":   {kind: 3, plain: 10, packed: 10, values: 3, definitions: 1 << 40},
		"does not decompress": {kind: 3, plain: 1 << 29, packed: 10, values: 3},
		"no dictionary":       {kind: 3, plain: 0, packed: 0, values: 0, encoding: encodingDictionary},
		"encoding 9":          {kind: 3, plain: 0, packed: 0, values: 0, encoding: 9},
	} {
		chunk := &Chunk{file: f, column: f.Column("text"), Pages: []Page{{offset: 4, Rows: header.values, header: header}}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := chunk.Read(0)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), name) || after.TotalAlloc-before.TotalAlloc > 1<<20 {
			t.Errorf("%v, want %s; %d bytes were taken", err, name, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

// TestBits: numbers of every width at every place.
func TestBits(t *testing.T) {
	data := []byte{0x91, 0x5a, 0x3c, 0xf7, 0x08, 0xe1, 0x6d, 0xb2, 0x4f, 0xaa}
	for width := range uint(65) {
		for bit := range uint64(16) {
			want := uint64(0)
			for i := range width {
				at := bit + uint64(i)
				want |= uint64(data[at/8]>>(at%8)&1) << i
			}
			if got := bits(data, bit, width); got != want {
				t.Fatalf("%d bits at %d: %x, want %x", width, bit, got, want)
			}
		}
	}
}

// FuzzFile: whatever a file says, memory is in proportion to it, and the values are as
// many as the rows.
func FuzzFile(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.parquet")
	for _, name := range names {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var columns []*Column
		var leaves func(c *Column)
		leaves = func(c *Column) {
			if c.leaf >= 0 && !c.repeated {
				columns = append(columns, c)
			}
			for _, child := range c.Children {
				leaves(child)
			}
		}
		leaves(table.root)
		for _, c := range columns {
			rows := 0
			for group := range table.Groups() {
				rows += int(table.Rows(group))
			}
			if values, err := all(table, c); err == nil && len(values) != rows {
				t.Errorf("column %s: %d values in %d rows", c.Name, len(values), rows)
			}
		}
	})
}

// FuzzPage reads pages of every encoding and compression, of a header that may say
// anything of them.
func FuzzPage(f *testing.F) {
	for _, name := range []string{"dictionary-snappy", "plain-gzip-v2", "delta-zstd", "delta-none-v2"} {
		table := open(f, read(f, name+".parquet"))
		for _, column := range []string{"text", "data", "fixed", "i32", "i64", "f64", "flag"} {
			chunk, err := table.Chunk(1, table.Column(column))
			if err != nil {
				f.Fatal(err)
			}
			p := chunk.Pages[0]
			data, err := chunk.load(&p)
			if err != nil {
				f.Fatal(err)
			}
			h := p.header
			f.Add(data, chunk.column.kind, chunk.codec, h.kind, h.encoding, h.plain, h.values, h.definitions)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, kind, codec, page, encoding, plain, values, definitions int64) {
		if values < 0 || values > 1000 || plain < 0 || plain > freePage {
			return
		}
		entries := slices.Repeat([][]byte{[]byte("x")}, 40)
		c := &Chunk{
			file: &File{r: bytes.NewReader(data), size: int64(len(data))}, column: &Column{kind: kind, width: 4, optional: 1}, codec: codec, entries: entries,
			Pages: []Page{{Rows: values, header: pageHeader{kind: page, packed: int64(len(data)), plain: plain, values: values, encoding: encoding, levels: encodingRLE, definitions: definitions}}},
		}
		if got, err := c.Read(0); err == nil && int64(len(got)) != values {
			t.Errorf("%d values, want %d", len(got), values)
		}
	})
}
