package collection

import (
	"archive/tar"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/plural"
)

// maxJSON is how long the JSON beside a recording may be.
const maxJSON = 1 << 20

// A member is a file in a tar shard.
type member struct {
	extension    string // behind the sample's key and a dot
	offset, size int64
}

// A sample is the members of a shard, one behind the other, that share a key.
type sample struct {
	key     string
	sound   []member
	speaker string
	err     error // of its JSON
}

// scanTar calls found with each recording of a WebDataset shard of size bytes. As in
// webdataset (tariterators.py, base_plus_ext), a sample is the members whose names are
// the same up to the first dot behind the last slash; folders, links and names that
// begin with __ are none. A sample with several recordings is several items, called
// after their extensions, too. field is that of the JSON with the speaker, "" for
// none. A fault of the shard ends it; found returns false to end, too. A shard of other
// files alone is a fault.
func scanTar(r io.ReadSeeker, size int64, field field, found func(record) bool) {
	t := tar.NewReader(r)
	var now sample
	others := map[string]int{} // files that are no recordings, by extension
	reported := false
	each := found
	found = func(rec record) bool {
		reported = true
		return each(rec)
	}
	end := int64(0) // of the last member, padded
	for {
		header, err := t.Next()
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // names are cleaned
			if !now.report(found) {
				return
			}
			if fault := tarFault(err, r, end); fault != nil {
				found(record{Fault: fault.Error()})
			} else if !reported && len(others) > 0 {
				found(record{Fault: noRecordings(others)})
			}
			return
		}
		key, extension, ok := splitName(header.Name)
		if key != now.key {
			if !now.report(found) {
				return
			}
			now = sample{key: key}
		}
		if sparse(header) {
			if !found(record{Key: header.Name, Fault: "is a sparse file; write the shard with an ordinary tar"}) {
				return
			}
			continue
		}
		at, err := r.Seek(0, io.SeekCurrent) // package tar reads whole blocks and nothing ahead
		if err == nil && header.Size > size-at {
			err = errors.New("is cut short: the shard ends in it, and what lay behind is lost")
		}
		if err != nil {
			if now.report(found) {
				found(record{Key: header.Name, Fault: err.Error()})
			}
			return
		}
		end = at + (header.Size+511)/512*512
		switch {
		case header.Typeflag != tar.TypeReg:
		case !ok:
			others[""]++
		case audio.HasExtension("." + extension):
			now.sound = append(now.sound, member{extension, at, header.Size})
			continue
		case field.name != "" && strings.EqualFold(extension, "json"):
			if now.speaker, now.err = readSpeaker(t, header.Size, field.name); field.optional {
				now.err = nil
			}
			others[".json"]++
		default:
			others[strings.ToLower(path.Ext("."+extension))]++
		}
	}
}

// noRecordings says what a shard holds instead, the most frequent extensions first.
func noRecordings(others map[string]int) string {
	const most = 5
	total := 0
	var parts []string
	byCount := slices.SortedFunc(maps.Keys(others), func(a, b string) int { return cmp.Or(others[b]-others[a], strings.Compare(a, b)) })
	for i, extension := range byCount {
		total += others[extension]
		switch {
		case i == most:
			parts = append(parts, plural.Of(len(byCount)-most, "other extension"))
		case i < most && extension == "":
			parts = append(parts, fmt.Sprintf("%d without extension", others[extension]))
		case i < most:
			parts = append(parts, fmt.Sprintf("%d %s", others[extension], extension))
		}
	}
	return fmt.Sprintf("holds no recordings: %d passed over (%s), looked for %s", total, strings.Join(parts, ", "), strings.Join(audio.Extensions(), " "))
}

// report calls found with the recordings of a sample.
func (s *sample) report(found func(record) bool) bool {
	for _, m := range s.sound {
		rec := record{Key: s.key, Ext: strings.ToLower(path.Ext("." + m.extension)), Offset: m.offset, Size: m.size, Speaker: s.speaker}
		if len(s.sound) > 1 {
			rec.Key += "." + strings.TrimSuffix(m.extension, path.Ext("."+m.extension))
		}
		if s.err != nil {
			rec = record{Key: rec.Key, Fault: s.err.Error()}
		}
		if !found(rec) {
			return false
		}
	}
	return true
}

// splitName divides a member's name into the key and the extension of webdataset.
func splitName(name string) (key, extension string, ok bool) {
	dir, base := path.Split(name)
	if strings.HasPrefix(base, "__") || strings.HasPrefix(base, "._") {
		return "", "", false
	}
	stem, extension, ok := strings.Cut(base, ".")
	return dir + stem, extension, ok && stem != ""
}

// sparse tells whether a member's bytes do not lie in the archive as they are.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// tarFault says what an error of the archive is, nil for its proper end: a block of
// zeros, without which a shard was cut between two members. end is where the last
// member ends.
func tarFault(err error, r io.ReadSeeker, end int64) error {
	switch {
	case err == io.EOF:
		var block [512]byte
		if _, err := r.Seek(end, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, block[:]); err != nil || block != [512]byte{} {
			return errors.New("is cut short, or was never closed: the blocks that end a tar archive are missing")
		}
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("is cut short: what lay behind is lost")
	case errors.Is(err, tar.ErrHeader) && end == 0:
		return errors.New("is not a tar archive")
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("is damaged at byte %d: what lies behind is lost", end)
	}
	return err
}

// readSpeaker returns a field of the JSON object that r holds. A number is a label, too;
// an object without the field has none.
func readSpeaker(r io.Reader, size int64, field string) (string, error) {
	if size > maxJSON {
		return "", fmt.Errorf("its JSON has %s", plural.Of(size, "byte"))
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("its JSON cannot be read: %w", err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return "", fmt.Errorf("its JSON is broken: %w", err)
	}
	return label(object[field], field)
}

// label reads a string or a number as a speaker's label.
func label(value json.RawMessage, field string) (string, error) {
	if len(value) == 0 || string(value) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text, nil
	}
	var number json.Number
	if err := json.Unmarshal(value, &number); err != nil {
		return "", fmt.Errorf("%s in its JSON is neither a text nor a number", field)
	}
	return number.String(), nil
}
