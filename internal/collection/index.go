package collection

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// indexVersion changes with the format, and whenever the same shard would be found to
// hold something else.
const indexVersion = 3

// A shard is a file with many recordings in it, as it was when it was searched.
type shard struct {
	path    string
	kind    Kind
	size    int64
	modTime int64  // nanoseconds since 1970
	column  string // with the sound, of a table
}

// A record is an item of a shard, or a fault: a line of its index.
type record struct {
	Key     string `json:"key,omitempty"`
	Offset  int64  `json:"offset"` // in bytes of a tar; the row in a table
	Size    int64  `json:"size"`   // in bytes; 0 in a table
	Ext     string `json:"ext,omitempty"`
	Speaker string `json:"speaker,omitempty"`
	Fault   string `json:"fault,omitempty"`
}

// indexHeader is the first line of an index: what its records depend on.
type indexHeader struct {
	Version int    `json:"facodec_shard_index"`
	Shard   string `json:"shard"` // the path as it was named
	Size    int64  `json:"size"`
	ModTime int64  `json:"mtime"`
	Field   string `json:"speaker_field"`
}

// indexTrailer is the last line: an index that was cut, or changed, is seen.
type indexTrailer struct {
	Records int64  `json:"records"`
	SHA256  string `json:"sha256"` // of all lines before
}

// maxIndexLine is what a line of an index may have; a name in a tar archive can be of
// any length.
const maxIndexLine = 1 << 20

// shard yields the items of a shard or a table, from its index or, where there is none,
// while it writes one.
func (s *Set) shard(ctx context.Context, path string, kind Kind) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Item{}, &Fault{path, "", fileerr.Cause(err)})
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("is not a file")
		}
		if err != nil {
			yield(Item{}, &Fault{path, "", fileerr.Cause(err)})
			return
		}
		sh := &shard{path: path, kind: kind, size: info.Size(), modTime: info.ModTime().UnixNano()}
		if kind == Parquet {
			if sh.column, err = soundColumn(f, sh.size); err != nil {
				yield(Item{}, &Fault{path, "", err})
				return
			}
		}
		field := s.options.speakerField()
		next := func(rec record) bool {
			if ctx.Err() != nil {
				return false
			}
			if rec.Fault != "" {
				return yield(Item{}, &Fault{path, rec.Key, errors.New(rec.Fault)})
			}
			return yield(Item{Key: rec.Key, Extension: rec.Ext, Speaker: rec.Speaker, shard: sh, offset: rec.Offset, size: rec.Size}, nil)
		}
		if s.options.IndexDir == "" {
			sh.scan(f, field, next)
			return
		}
		name := s.indexName(path)
		if known, err := openIndex(name, sh, field); err == nil {
			defer known.Close()
			known.each(next)
			return
		}
		w, err := createIndex(name, sh, field)
		if err != nil {
			yield(Item{}, fileerr.Write(name, err))
			return
		}
		defer w.file.Discard()
		whole := true
		sh.scan(f, field, func(rec record) bool {
			w.add(rec)
			whole = next(rec)
			return whole
		})
		if !whole || ctx.Err() != nil {
			return
		}
		if err := w.commit(sh, field); err != nil {
			yield(Item{}, fileerr.Write(name, err))
		}
	}
}

// scan finds the records of a shard. Their keys are clean: JSON has no letters for all
// that a name may hold.
func (sh *shard) scan(f *os.File, field field, each func(record) bool) {
	found := func(rec record) bool {
		key, err := CleanKey(rec.Key)
		if err != nil && rec.Fault == "" {
			rec = record{Fault: err.Error()}
		}
		rec.Key = key
		return each(rec)
	}
	if sh.kind == Tar {
		scanTar(f, sh.size, field, found)
		return
	}
	scanTable(f, sh.size, sh.column, filepath.Base(sh.path), field, found)
}

// indexName is where the index of a shard lies: shards of one name may lie in several
// folders.
func (s *Set) indexName(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(s.options.IndexDir, filepath.Base(path)+"-"+hex.EncodeToString(sum[:4])+".jsonl")
}

// An index is read line by line.
type index struct {
	*os.File
	shard *shard
	start int64 // of the records
	end   int64 // of the trailer
}

var errIndex = errors.New("no index of this shard as it is")

// openIndex opens an index that is whole, and of the shard as it is now.
func openIndex(name string, sh *shard, field field) (*index, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	x := &index{File: f, shard: sh}
	if err := x.check(field); err != nil {
		f.Close()
		return nil, err
	}
	return x, nil
}

func (x *index) check(field field) error {
	hash := sha256.New()
	var trailer indexTrailer
	count := int64(-2) // without the header and the trailer
	br := bufio.NewReaderSize(x, 64<<10)
	var line, before []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if err == bufio.ErrBufferFull && len(line) <= maxIndexLine {
			continue
		}
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil {
			return errIndex
		}
		if count++; count == -1 {
			var h indexHeader
			if json.Unmarshal(line, &h) != nil || h != x.shard.header(field) {
				return errIndex
			}
			x.start = int64(len(line))
		}
		hash.Write(before)
		x.end += int64(len(before))
		before, line = append(before[:0], line...), line[:0]
	}
	if json.Unmarshal(before, &trailer) != nil || trailer.Records != count || trailer.SHA256 != hex.EncodeToString(hash.Sum(nil)) {
		return errIndex
	}
	return nil
}

// each calls found with the records of a checked index.
func (x *index) each(found func(record) bool) {
	n := 1
	for line, err := range lines(io.NewSectionReader(x, x.start, x.end-x.start), maxIndexLine) {
		n++
		var rec record
		if err == nil {
			rec, err = parseRecord(line, x.shard)
		}
		if err != nil {
			rec = record{Fault: fmt.Sprintf("its index %s is broken in line %d (%v); remove it", x.Name(), n, err)}
		}
		if !found(rec) || err != nil {
			return
		}
	}
}

// parseRecord reads a line of an index. Whatever the line is, what it names lies in the
// shard.
func parseRecord(line []byte, sh *shard) (record, error) {
	var rec record
	if err := json.Unmarshal(line, &rec); err != nil {
		return rec, err
	}
	if rec.Offset < 0 || rec.Size < 0 || sh.kind == Tar && (rec.Offset > sh.size || rec.Size > sh.size-rec.Offset) {
		return rec, errors.New("an item does not lie in the shard")
	}
	if rec.Ext != "" && !audio.HasExtension(rec.Ext) {
		return rec, errors.New("an extension is none of sound")
	}
	return rec, nil
}

func (sh *shard) header(field field) indexHeader {
	return indexHeader{indexVersion, sh.path, sh.size, sh.modTime, field.String()}
}

// An indexWriter writes an index line by line. Its first error waits for commit.
type indexWriter struct {
	file  *atomicfile.File
	lines *bufio.Writer
	hash  io.Writer
	sum   func([]byte) []byte
	count int64
	err   error
}

func createIndex(name string, sh *shard, field field) (*indexWriter, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, err
	}
	f, err := atomicfile.Create(name)
	if err != nil {
		return nil, err
	}
	w := &indexWriter{file: f, lines: bufio.NewWriter(f)}
	hash := sha256.New()
	w.hash, w.sum = io.MultiWriter(w.lines, hash), hash.Sum
	w.line(sh.header(field), w.hash)
	return w, nil
}

func (w *indexWriter) line(v any, to io.Writer) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); w.err == nil && err != nil {
		w.err = err
	}
	if _, err := to.Write(b.Bytes()); w.err == nil && err != nil {
		w.err = err
	}
}

func (w *indexWriter) add(rec record) {
	w.line(rec, w.hash)
	w.count++
}

// commit ends the index. One whose shard changed meanwhile is not kept.
func (w *indexWriter) commit(sh *shard, field field) error {
	w.line(indexTrailer{w.count, hex.EncodeToString(w.sum(nil))}, w.lines)
	if err := w.lines.Flush(); w.err == nil && err != nil {
		w.err = err
	}
	if w.err != nil {
		return w.err
	}
	info, err := os.Stat(sh.path)
	if err != nil || info.Size() != sh.size || info.ModTime().UnixNano() != sh.modTime {
		return nil
	}
	if err := w.file.Commit(); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
