package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// An Entry is a line of a manifest: a recording and what was made of it.
type Entry struct {
	Path    string  `json:"path"`              // of the recording below the corpus, with slashes
	Output  string  `json:"output"`            // below the manifest's folder, with slashes
	Offset  int64   `json:"offset"`            // of the line, in an output of lines; 0 in others
	Bytes   int64   `json:"bytes"`             // of the output, or of the line
	SHA256  string  `json:"sha256"`            // of these bytes
	Speaker string  `json:"speaker,omitempty"` // as the corpus names who speaks
	Samples int64   `json:"samples"`
	Seconds float64 `json:"seconds"`
	Frames  int     `json:"frames"`
	Settings
	Source
}

// A Source is what a recording was when an output was made of it. Entries that earlier
// versions wrote have none.
type Source struct {
	SourceBytes    int64  `json:"source_bytes,omitempty"`
	SourceSHA256   string `json:"source_sha256,omitempty"`
	SourceModified int64  `json:"source_modified,omitempty"` // nanoseconds since 1970
}

// Settings are what outputs that belong together have in common.
type Settings struct {
	What      string `json:"what"`
	Normalize bool   `json:"normalize"`
	Model     string `json:"model"` // fingerprint of all that makes codes and timbres
	// Precision is how it was computed; "" is exact, as manifests of before there were
	// others have it.
	Precision string `json:"precision,omitempty"`
}

// A key is what can be done once: a recording in a format.
type key struct{ path, ext string }

func (e Entry) key() key { return key{e.Path, outputExt(e.Output)} }

// readEntries reads a manifest. What follows the last end of a line was cut off
// by a kill, or is being written: torn says that there is such a rest. A file that
// is not there is an empty one.
func readEntries(file string) (entries []Entry, torn bool, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return entries, true, nil
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil || e.Path == "" || e.Output == "" || e.Bytes < 0 || e.Offset < 0 {
			return nil, false, fmt.Errorf("%s: line %d is not one of a manifest; without this file all outputs are made again", file, n)
		}
		entries = append(entries, e)
		data = rest
	}
	return entries, false, nil
}

// line returns the entry as a line of a manifest.
func (e Entry) line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e)
	return b.Bytes(), err
}
