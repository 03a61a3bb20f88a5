package dataset

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/collection"
	"github.com/facodec-go/facodec/internal/fileerr"
)

// A reader reads the samples of a recording, mono, see audio.Reader.
type reader interface {
	Read(dst []float32) (int, error)
	Info() audio.Info
	Close() error
}

// An opener opens a recording at a rate in Hz, 0 for its own.
type opener func(ctx context.Context, rate int) (reader, error)

func openFile(path string) opener {
	return func(_ context.Context, rate int) (reader, error) {
		if rate == 0 {
			return audio.Open(path)
		}
		return audio.OpenAt(path, rate)
	}
}

func openItem(it collection.Item) opener {
	return func(ctx context.Context, rate int) (reader, error) {
		return it.Open(ctx, audio.Options{Rate: rate})
	}
}

// shardIndex is the folder of the indexes of shards in Options.CacheDir.
const shardIndex = "shard-index"

// collections returns the paths that root stands for where it is a corpus and no folder.
func collections(root string) ([]string, error) {
	if info, err := os.Stat(root); err == nil && info.IsDir() {
		return nil, nil
	}
	paths, err := collection.Expand(root)
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		kind, err := collection.KindOf(p)
		if err != nil {
			return nil, fileerr.In(p, err)
		}
		if kind == collection.None {
			if len(paths) > 1 {
				return nil, fileerr.In(p, errors.New("is no corpus; want .tar, .parquet, .jsonl, wav.scp or @list"))
			}
			return nil, nil
		}
	}
	return paths, nil
}

// gatherItems lists the items of corpora in order of their keys. What cannot be used is
// told.
func gatherItems(ctx context.Context, paths []string, o *Options, bad *badCount, tell func(path, reason string)) ([]found, map[string]collection.Item, error) {
	from := collection.Options{Speakers: o.SpeakerField != "", SpeakerField: o.SpeakerField}
	if o.CacheDir != "" {
		from.IndexDir = filepath.Join(o.CacheDir, shardIndex)
	}
	set := collection.New(from) // tables stay open as long as the items are in use
	items := map[string]collection.Item{}
	var list []found
	for _, p := range paths {
		for it, err := range set.Items(ctx, p) {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			var size, version int64
			if err == nil {
				size, version, err = identityOf(it)
			}
			if err == nil && o.SpeakerField != "" && it.Speaker == "" {
				err = &collection.Fault{File: p, Key: it.Key, Err: ErrNoSpeakers}
			}
			bad.total++
			if err != nil {
				bad.bad++
				fault, ok := errors.AsType[*collection.Fault](err)
				switch {
				case !ok:
					tell(p, fileerr.Cause(err).Error())
				case fault.Key == "":
					tell(fault.File, fault.Err.Error())
				default:
					tell(fault.File+": "+fault.Key, fault.Err.Error())
				}
				continue
			}
			path := it.Key + it.Extension
			items[path] = it
			list = append(list, found{path, "", openItem(it), size, version})
		}
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.path, b.path) })
	return list, items, bad.check()
}

// A badCount counts what is bad of a corpus.
type badCount struct {
	share      float64 // that may be; 0 for any
	bad, total int
}

// add counts what was found in a recording, which is in the total.
func (b *badCount) add(e entry) {
	if e.Skip != "" && e.Skip != TooShort && e.Skip != Silent {
		b.bad++
	}
}

func (b *badCount) check() error {
	share := max(b.share, 0)
	if b.share == 0 || b.bad <= 1 || float64(b.bad) <= share*float64(b.total) {
		return nil
	}
	return &TooManyBadError{b.bad, b.total, share}
}

func identityOf(it collection.Item) (size, version int64, err error) {
	if size, _, err = it.Stat(); err == nil {
		version, err = it.Version()
	}
	return size, version, err
}

// find returns the size and the time of what is at a path of the set, and what opens it.
func (s *Set) find(path string) (size, modTime int64, open opener, err error) {
	if it, ok := s.items[path]; ok {
		size, modTime, err = identityOf(it)
		return size, modTime, openItem(it), err
	}
	file := filepath.Join(s.root, filepath.FromSlash(path))
	info, err := os.Stat(file)
	if err != nil {
		return 0, 0, nil, err
	}
	return info.Size(), info.ModTime().UnixNano(), openFile(file), nil
}
