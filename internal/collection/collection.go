package collection

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// Options say how a Set reads.
type Options struct {
	// IndexDir is the folder of the indexes of shards; it is made where it is missing.
	// Without one, shards are searched every time.
	IndexDir string
	// Speakers asks for Item.Speaker. Tar shards and tables have it in SpeakerField,
	// Kaldi in utt2spk, Lhotse in the supervisions of a cut.
	Speakers bool
	// SpeakerField is the field of the JSON beside the sound in a tar shard, or the
	// column of a table, that names the speaker. That it cannot be read is a fault.
	// With "" it is "speaker", and what cannot be read is no label.
	SpeakerField string
	// FilesOnly refuses collections in lists, for who can only open files.
	FilesOnly bool
}

// A field names what has the speaker of an item; "" for none.
type field struct {
	name     string
	optional bool // that it cannot be read is no fault
}

func (o Options) speakerField() field {
	switch {
	case !o.Speakers:
		return field{}
	case o.SpeakerField == "":
		return field{"speaker", true}
	}
	return field{o.SpeakerField, false}
}

// String is what an index says of it.
func (f field) String() string {
	if f.optional {
		return f.name + "?"
	}
	return f.name
}

// A Fault is something in a corpus that cannot be used. It names the file, and the key
// or the line where it is of one.
type Fault struct {
	File string // the shard or manifest
	Key  string // or "line 12"; "" for the file itself
	Err  error
}

func (f *Fault) Error() string {
	if f.Key == "" {
		return f.File + ": " + f.Err.Error()
	}
	return f.File + ": " + printable(f.Key) + ": " + f.Err.Error()
}

func (f *Fault) Unwrap() error { return f.Err }

// A Set is the items of some collections, each key once. Its methods may be called
// by several goroutines at a time, as may Item.Open.
type Set struct {
	options Options
	tables  tables

	mu   sync.Mutex
	keys map[string]string // what has the key; by the key as file systems tell it
}

// New returns a Set that has read nothing yet.
func New(o Options) *Set {
	return &Set{options: o, keys: map[string]string{}}
}

// Close closes the tables that items were read from. No item can be opened afterwards.
func (s *Set) Close() error { return s.tables.close() }

// Items yields the items of the collection path in the order in which they lie in it.
// An error is a *Fault, of an item or of the whole file, and more may follow; or the
// context's, which is the last. That there is nothing in it is a fault, too.
func (s *Set) Items(ctx context.Context, path string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		empty := true
		for it, err := range s.read(ctx, path) {
			empty = false
			if ctx.Err() != nil {
				yield(Item{}, ctx.Err())
				return
			}
			if err == nil {
				it, err = s.claim(it, path)
			}
			if !yield(it, err) {
				return
			}
		}
		switch {
		case ctx.Err() != nil:
			yield(Item{}, ctx.Err())
		case empty:
			yield(Item{}, &Fault{path, "", errors.New("holds no recordings: it is empty")})
		}
	}
}

// read yields the items of a collection, with keys as they stand there.
func (s *Set) read(ctx context.Context, path string) iter.Seq2[Item, error] {
	kind, err := KindOf(path)
	if err != nil {
		return failed(path, err)
	}
	switch kind {
	case Tar, Parquet:
		return s.shard(ctx, path, kind)
	case Lhotse:
		return s.lhotse(path)
	case Kaldi:
		return s.kaldi(path)
	case List:
		return s.list(ctx, strings.TrimPrefix(path, "@"))
	}
	return failed(path, fmt.Errorf("is not a collection: want .tar, .parquet, .jsonl, .jsonl.gz, .scp or @list"))
}

// failed is the sequence of a collection that cannot be read at all.
func failed(path string, err error) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		yield(Item{}, &Fault{path, "", fileerr.Cause(err)})
	}
}

// claim cleans the item's key and sees to it that no other item has it.
func (s *Set) claim(it Item, path string) (Item, error) {
	key, err := CleanKey(it.Key)
	if err != nil {
		return Item{}, &Fault{path, it.Key, err}
	}
	place := key
	// Where file systems usually do not tell A from a, neither may we.
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		place = strings.ToLower(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, taken := s.keys[place]; taken {
		return Item{}, &Fault{path, it.Key, fmt.Errorf("has the same key as an item of %s", other)}
	}
	s.keys[place] = path // one string for all items of a shard
	it.Key, it.set = key, s
	if it.shard == nil && it.segment == (segment{}) {
		it.Extension = filepath.Ext(it.file)
	}
	if it.Unit = filepath.Base(path); it.shard == nil {
		it.Unit = key
	}
	return it, nil
}
