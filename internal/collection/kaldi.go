package collection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// maxLine is what a line of a list or of Kaldi may have, in bytes.
const maxLine = 64 << 10

// textLines yields the lines of a file that are not empty, with their numbers; a fault of
// one, or of the file, which ends it.
func textLines(file string) iter.Seq2[numbered, error] {
	return func(yield func(numbered, error) bool) {
		f, err := os.Open(file)
		if err != nil {
			yield(numbered{}, &Fault{file, "", fileerr.Cause(err)})
			return
		}
		defer f.Close()
		n := 0
		for line, err := range lines(f, maxLine) {
			n++
			if n == 1 {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			}
			switch {
			case err == errLongLine:
				err = &Fault{file, at(n), err}
			case err != nil:
				err = &Fault{file, "", fileerr.Cause(err)}
			case len(bytes.TrimSpace(line)) == 0:
				continue
			}
			if !yield(numbered{n, string(line)}, err) {
				return
			}
		}
	}
}

type numbered struct {
	n    int
	text string
}

// beside returns where a path in a list leads: one that is relative lies beside the list,
// or, if it does not, in the working directory, as for the tools that write such lists.
func beside(list, name string) string {
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) {
		return name
	}
	near := filepath.Join(filepath.Dir(list), name)
	if _, err := os.Stat(near); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return near
}

// list yields the files of a list, a path in each line; and the items of the collections
// among them. The key of a file is its path in the list, without the extension.
func (s *Set) list(ctx context.Context, file string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for line, err := range textLines(file) {
			if err != nil {
				if !yield(Item{}, err) {
					return
				}
				continue
			}
			kind, err := KindOf(line.text)
			if err == nil && kind == List {
				err = errors.New("a list in a list is not opened")
			}
			if err == nil && kind != None && s.options.FilesOnly {
				err = errors.New("is no recording, but a collection of some")
			}
			path := ""
			if err == nil {
				path, err = regular(file, line.text)
			}
			if err != nil {
				if !yield(Item{}, &Fault{file, fmt.Sprintf("line %d, %s", line.n, line.text), err}) {
					return
				}
				continue
			}
			if kind == None {
				key := strings.TrimSuffix(filepath.ToSlash(line.text), filepath.Ext(line.text))
				if !yield(Item{Key: key, file: path, listed: true}, nil) {
					return
				}
				continue
			}
			for it, err := range s.read(ctx, path) {
				if !yield(it, err) {
					return
				}
			}
		}
	}
}

// regular returns the path of a file that a list names, which must be there: what is
// wrong is said before hours of work.
func regular(list, name string) (string, error) {
	path := beside(list, name)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fileerr.Cause(err)
	case info.IsDir():
		return "", errors.New("is a folder; a list names files")
	case !info.Mode().IsRegular():
		return "", errors.New("is a pipe or a device")
	}
	return path, nil
}

// kaldi yields the recordings of a wav.scp, or their segments where the file segments
// lies beside it. utt2spk, if it does too and speakers are asked for, has their
// labels. Files, not commands, are what a wav.scp may name here.
func (s *Set) kaldi(scp string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		fault := func(line numbered, file string, err error) bool {
			return yield(Item{}, &Fault{file, at(line.n), err})
		}
		speakers := map[string]string{}
		if s.options.Speakers {
			file := filepath.Join(filepath.Dir(scp), "utt2spk")
			for line, err := range textLines(file) {
				key, speaker := fields(line.text)
				switch {
				case errors.Is(err, fs.ErrNotExist):
				case err != nil && !yield(Item{}, err):
					return
				case err == nil && speaker == "" && !fault(line, file, errors.New("want an utterance and its speaker")):
					return
				case err == nil:
					speakers[key] = speaker
				}
			}
		}
		segments := filepath.Join(filepath.Dir(scp), "segments")
		_, err := os.Stat(segments)
		cut := err == nil
		recordings := map[string]string{}
		for line, err := range textLines(scp) {
			if err != nil {
				if !yield(Item{}, err) {
					return
				}
				continue
			}
			key, path, err := parseSCP(line.text)
			if err == nil {
				path, err = regular(scp, path)
			}
			if err != nil {
				if key != "" {
					err = fmt.Errorf("%s: %w", printable(key), err)
				}
				if !fault(line, scp, err) {
					return
				}
				continue
			}
			if cut {
				recordings[key] = path
			} else if !yield(Item{Key: key, Speaker: speakers[key], file: path}, nil) {
				return
			}
		}
		if !cut {
			return
		}
		for line, err := range textLines(segments) {
			if err != nil {
				if !yield(Item{}, err) {
					return
				}
				continue
			}
			key, recording, seg, err := parseSegment(line.text)
			path, known := recordings[recording]
			if err == nil && !known {
				err = fmt.Errorf("%s: its recording %s is not in %s, or cannot be used", printable(key), printable(recording), filepath.Base(scp))
			}
			if err != nil {
				if !fault(line, segments, err) {
					return
				}
				continue
			}
			if !yield(Item{Key: key, Speaker: speakers[key], file: path, segment: seg}, nil) {
				return
			}
		}
	}
}

// fields divides a line at the first white space.
func fields(line string) (key, rest string) {
	line = strings.TrimSpace(line)
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimSpace(line[i:])
}

// parseSCP reads a line of wav.scp: a key, and a path, which may have spaces.
func parseSCP(line string) (key, path string, err error) {
	key, path = fields(line)
	switch {
	case path == "":
		return key, "", errors.New("want a recording and its path")
	case strings.HasSuffix(path, "|"), strings.HasPrefix(path, "|"):
		return key, "", errors.New("is a command, and none is run; write its output to a file, and name that")
	case path == "-":
		return key, "", errors.New("is standard input; name a file")
	}
	if i := strings.LastIndexByte(path, ':'); i > 0 && strings.HasSuffix(path[:i], ".ark") && isNumber(path[i+1:]) {
		return key, "", errors.New("is a place in an archive of Kaldi; copy it to files (wav-copy), and name those")
	}
	return key, path, nil
}

// parseSegment reads a line of segments: an utterance, its recording, where it starts
// and where it ends in seconds, -1 for the end of the recording, and, if there is one
// more, the channel.
func parseSegment(line string) (key, recording string, seg segment, err error) {
	parts := strings.Fields(line)
	if len(parts) != 4 && len(parts) != 5 {
		return "", "", seg, errors.New("want an utterance, its recording, start and end in seconds")
	}
	start, err := strconv.ParseFloat(parts[2], 64)
	end, err2 := strconv.ParseFloat(parts[3], 64)
	if err != nil || err2 != nil || !(start >= 0) || !(end > start || end == -1) {
		return "", "", seg, fmt.Errorf("%s: from %s to %s is no segment", printable(parts[0]), printable(parts[2]), printable(parts[3]))
	}
	seg.start = start
	if end != -1 {
		seg.length = end - start
	}
	if len(parts) == 5 {
		channel, err := strconv.Atoi(parts[4])
		if err != nil || channel < 0 || channel > 1<<16 {
			return "", "", seg, fmt.Errorf("%s: %s is no channel", printable(parts[0]), printable(parts[4]))
		}
		seg.channel = channel + 1
	}
	return parts[0], parts[1], seg, seg.check()
}
