package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// IndexName is the file in Options.CacheDir.
const IndexName = "speech-index.jsonl"

// indexVersion changes with the format, and whenever the same file would be found
// to be something else: decoding, resampling, cutting.
const indexVersion = 1

// An entry is what is known of a file: a line of the index.
type entry struct {
	Path    string `json:"path"`  // below the root, with slashes
	Size    int64  `json:"size"`  // bytes
	ModTime int64  `json:"mtime"` // nanoseconds since 1970
	// Samples at the header's rate; 0 of a file that could not be decoded.
	Samples      int64   `json:"samples"`
	Pieces       []piece `json:"pieces,omitempty"`
	SilentPieces int     `json:"silent_pieces,omitempty"`
	Skip         Reason  `json:"skip,omitempty"`
	Fault        string  `json:"fault,omitempty"` // for a report; "" if it is too short

	lasting bool // true of the file as long as it does not change
}

// header is the first line of an index: what its entries depend on besides their
// files.
type header struct {
	Version   int     `json:"facodec_speech_index"`
	Rate      int     `json:"rate"`
	Min       int64   `json:"min_samples"`
	Max       int64   `json:"max_samples"`
	SilenceDB float64 `json:"silence_db"`
}

// trailer is the last line: a file that was cut at the end of a line, or changed,
// is seen.
type trailer struct {
	Files  int    `json:"files"`
	SHA256 string `json:"sha256"` // of all lines before
}

func (l limits) header() header {
	return header{indexVersion, l.rate, l.min, l.max, SilenceDB}
}

// errOther: the index is sound, and was made with other options or by another
// version.
var errOther = errors.New("made with other options")

// format writes an index. Entries that do not last, or whose paths JSON cannot
// hold, are left out: their files are looked at each time.
func format(h header, entries []entry) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	line := func(v any) {
		if err := enc.Encode(v); err != nil {
			panic(err) // numbers and strings only
		}
	}
	line(h)
	n := 0
	for _, e := range entries {
		if e.lasting && utf8.ValidString(e.Path) {
			line(e)
			n++
		}
	}
	sum := sha256.Sum256(b.Bytes())
	line(trailer{n, hex.EncodeToString(sum[:])})
	return b.Bytes()
}

// parse reads an index. Whatever data is, what it returns without an error could
// have been written by format: paths are in order and below the root, pieces lie in
// their files and have a length that h allows.
func parse(data []byte, h header) ([]entry, error) {
	if len(data) == 0 || data[len(data)-1] != '\n' {
		return nil, errors.New("it is cut short")
	}
	end := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	var t trailer
	if err := strict(data[end:], &t); err != nil || t.SHA256 == "" {
		return nil, errors.New("it is cut short")
	}
	body := data[:end]
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != t.SHA256 {
		return nil, errors.New("it is damaged: its checksum is another")
	}
	first, body, _ := bytes.Cut(body, []byte("\n"))
	var found header
	// A later version may have more in its header.
	if err := json.Unmarshal(first, &found); err != nil || found.Version == 0 {
		return nil, errors.New("line 1: not the header of an index")
	}
	if found != h {
		return nil, errOther
	}
	var entries []entry
	for n := 2; len(body) > 0; n++ {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte("\n"))
		var e entry
		if err := strict(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: not an entry of an index", n)
		}
		if err := e.check(h); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(entries) > 0 && entries[len(entries)-1].Path >= e.Path {
			return nil, fmt.Errorf("line %d: the paths are not in order", n)
		}
		e.lasting = true
		entries = append(entries, e)
	}
	if len(entries) != t.Files {
		return nil, fmt.Errorf("it has %s, and says %d", plural.Of(len(entries), "file"), t.Files)
	}
	return entries, nil
}

// strict decodes one JSON value that has no unknown fields and nothing behind it.
func strict(line []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// maxSamples is what no file reaches: 10,000 years. Sums below it do not overflow.
const maxSamples = 1 << 53

func (e *entry) check(h header) error {
	switch {
	case !fs.ValidPath(e.Path) || e.Path == ".":
		return errors.New("the path does not lie in the folder")
	case e.Size < 0 || e.Samples < 0 || e.Samples > maxSamples || e.SilentPieces < 0:
		return errors.New("a number is out of range")
	case e.Skip != "" && !slices.Contains(reasons, e.Skip):
		return errors.New("the reason is unknown")
	case (e.Skip == "") != (len(e.Pieces) > 0):
		return errors.New("there are neither pieces nor a reason, or both")
	}
	last := int64(-1)
	for _, p := range e.Pieces {
		if p.Start <= last || p.Start > e.Samples || p.Samples < h.Min || p.Samples > h.Max || p.Samples > e.Samples-p.Start {
			return errors.New("a piece does not lie in its file")
		}
		last = p.Start
	}
	return nil
}

// readIndex returns the entries of the index in dir by path. What cannot be
// trusted is told, and is as if it were not there.
func readIndex(dir string, h header, tell func(path, reason string)) map[string]entry {
	if dir == "" {
		return nil
	}
	file := filepath.Join(dir, IndexName)
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a file")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	var entries []entry
	if err == nil {
		entries, err = parse(data, h)
	}
	if err != nil && !errors.Is(err, errOther) {
		tell(file, fmt.Sprintf("this index is not used, and is rebuilt: %v", fileerr.Cause(err)))
	}
	known := make(map[string]entry, len(entries))
	for _, e := range entries {
		known[e.Path] = e
	}
	return known
}

// writeIndex makes the index in dir say what entries say. A set is as good without
// an index, so that a failure is told and nothing more.
func writeIndex(dir string, h header, entries []entry, tell func(path, reason string)) {
	if dir == "" {
		return
	}
	file := filepath.Join(dir, IndexName)
	if err := writeFile(file, format(h, entries)); err != nil {
		tell(dir, fmt.Sprintf("the index cannot be kept, and the next start decodes all files: %v", fileerr.Cause(err)))
	}
}

func writeFile(file string, data []byte) error {
	// One that says the same is left alone: a start on a full disk succeeds.
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := atomicfile.Create(file)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}
