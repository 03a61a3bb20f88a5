package eventlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// An Entry is a line of log.jsonl:
//
//	{"step":120,"time":1763996400.125,"scalars":{"train/lr":0.0001,"train/mel_loss":1.25}}
//
// The time is in seconds since 1970, the scalars stand in the order in which they
// were logged, each with as many digits as it takes to read the same number again.
// JSON has no NaN and no infinities: they are the strings "NaN", "Infinity" and
// "-Infinity", which Python's float() reads, and JavaScript's Number().
type Entry struct {
	Step    int64
	Time    time.Time // to the millisecond
	Scalars []Scalar
}

// appendLine appends an entry as a line.
func appendLine(b []byte, e Entry) []byte {
	b = append(b, `{"step":`...)
	b = strconv.AppendInt(b, e.Step, 10)
	b = append(b, `,"time":`...)
	b = strconv.AppendFloat(b, float64(e.Time.UnixMilli())/1000, 'f', 3, 64)
	b = append(b, `,"scalars":{`...)
	for i, s := range e.Scalars {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s.Tag)
		b = append(b, ':')
		b = appendNumber(b, s.Value)
	}
	return append(b, "}}\n"...)
}

func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings have a JSON form
	}
	return append(b, text...)
}

func appendNumber(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// parseLine reads a line without its end. Keys that it does not know are passed
// over. tags holds the tags that were met, so that each is in memory once.
func parseLine(line []byte, tags map[string]string) (Entry, error) {
	var form struct {
		Step    *int64   `json:"step"`
		Time    *float64 `json:"time"`
		Scalars object   `json:"scalars"`
	}
	if err := json.Unmarshal(line, &form); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return Entry{}, fmt.Errorf("%s is a %s", wrong.Field, wrong.Value)
		}
		return Entry{}, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	const longestTime = 1e11 // seconds, the year 5138
	switch {
	case form.Step == nil || *form.Step < 0:
		return Entry{}, errors.New("no step")
	case form.Time == nil || !(math.Abs(*form.Time) < longestTime):
		return Entry{}, errors.New("no time")
	case form.Scalars == nil:
		return Entry{}, errors.New("no scalars")
	}
	e := Entry{Step: *form.Step, Time: time.UnixMilli(int64(math.Round(*form.Time * 1000)))}
	var err error
	e.Scalars, err = form.Scalars.scalars(tags)
	return e, err
}

// An object is the text of a JSON object that is valid JSON. Its members are read
// here and not by encoding/json, whose maps know no order and whose tokens are slow.
type object []byte

// UnmarshalJSON takes the text.
func (o *object) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return fmt.Errorf("scalars are %.20q and not an object", text)
	}
	*o = text // read before the line's buffer is used again
	return nil
}

func (o object) scalars(tags map[string]string) ([]Scalar, error) {
	rest := bytes.TrimLeft(o[1:], space)
	var scalars []Scalar
	for rest[0] != '}' {
		var key, value []byte
		key, rest = cutToken(rest)
		rest = bytes.TrimLeft(rest, space+":")
		value, rest = cutToken(rest)
		rest = bytes.TrimLeft(rest, space+",")
		tag, err := tagOf(key, tags)
		if err != nil {
			return nil, err
		}
		v, err := numberOf(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tag, err)
		}
		scalars = append(scalars, Scalar{tag, v})
	}
	return scalars, nil
}

// space is what JSON has between tokens.
const space = " \t\r\n"

// cutToken cuts a string or a number off the front of valid JSON; what is neither
// is cut somewhere and is no number.
func cutToken(text []byte) (token, rest []byte) {
	if text[0] != '"' {
		n := bytes.IndexAny(text[1:], space+",:{}[]\"") + 1
		return text[:n], text[n:]
	}
	n := 1
	for text[n] != '"' {
		if text[n] == '\\' {
			n++
		}
		n++
	}
	return text[:n+1], text[n+1:]
}

func tagOf(key []byte, tags map[string]string) (string, error) {
	if tag, ok := tags[string(key)]; ok {
		return tag, nil
	}
	var tag string
	if err := json.Unmarshal(key, &tag); err != nil {
		return "", err
	}
	if err := checkTag(tag); err != nil {
		return "", err
	}
	tags[string(key)] = tag
	return tag, nil
}

func numberOf(value []byte) (float64, error) {
	switch string(value) {
	case `"NaN"`:
		return math.NaN(), nil
	case `"Infinity"`:
		return math.Inf(1), nil
	case `"-Infinity"`:
		return math.Inf(-1), nil
	}
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return 0, fmt.Errorf("%.20q is no number", value)
	}
	v, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no number", value)
	}
	return v, nil
}

// Scan reads a log and hands its entries to each, in their order. An error of each
// ends it.
//
// What no good line follows is the torn end that a kill or a power cut leaves, and
// is passed over; so a log can be read while it is written. Any other line that is
// not as it should be, and a step lower than the one before, is an error that names
// the line. An Entry's scalars are the caller's.
func Scan(r io.Reader, each func(Entry) error) error {
	s := scanner{in: bufio.NewReaderSize(r, 1<<16), tags: map[string]string{}}
	return s.scan(each)
}

// ReadFile scans a log.jsonl. Its errors name the file.
func ReadFile(path string, each func(Entry) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fileerr.In(path, err)
	}
	defer f.Close()
	if err := Scan(f, each); err != nil {
		return fileerr.In(path, err)
	}
	return nil
}

// longestLine bounds what a line takes of memory: thousands of scalars.
const longestLine = 1 << 20

// A scanner reads lines.
type scanner struct {
	in     *bufio.Reader
	tags   map[string]string
	line   []byte
	closed bool  // the line has its end
	end    int64 // bytes up to the end of the line
}

func (s *scanner) scan(each func(Entry) error) error {
	var damage error // the first
	step := int64(0)
	for number := 1; ; number++ {
		long, err := s.next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if len(bytes.TrimSpace(s.line)) == 0 && !long {
			continue
		}
		e, err := Entry{}, fmt.Errorf("longer than %d bytes", longestLine)
		if !long {
			e, err = parseLine(s.line, s.tags)
		}
		switch {
		case err != nil:
			if damage == nil {
				damage = fmt.Errorf("line %d: %w", number, err)
			}
			continue
		case damage != nil:
			return damage
		case e.Step < step:
			return fmt.Errorf("line %d: step %d after step %d", number, e.Step, step)
		}
		step = e.Step
		if err := each(e); err != nil {
			return err
		}
	}
}

// next reads a line, of which a long one is passed over. io.EOF means that there is
// none.
func (s *scanner) next() (long bool, err error) {
	s.line, s.closed = s.line[:0], false
	for {
		piece, err := s.in.ReadSlice('\n')
		s.end += int64(len(piece))
		if len(s.line)+len(piece) > longestLine {
			long, s.line = true, s.line[:0]
		} else if !long {
			s.line = append(s.line, piece...)
		}
		switch {
		case err == nil:
			s.closed = true
			return long, nil
		case err == bufio.ErrBufferFull:
		case err == io.EOF && (len(s.line) > 0 || long):
			return long, nil
		default:
			return long, err
		}
	}
}

// errLater ends a scan at the first line that will be written again.
var errLater = errors.New("a later line")

// openLines opens a log.jsonl for appending to its lines of steps up to last, and of the
// last up to the first that redo, which may be nil, says is written again. As
// steps do not fall these are the first ones, and cutting the file behind them is
// all that is needed: done or not done, whenever it is interrupted, and it takes no
// room on the disk. Where redo is given, kept are the last step's lines, not nil.
func openLines(path string, last int64, redo func(Entry) bool) (t *tail, kept []Entry, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, fileerr.Write(path, err)
	}
	t = &tail{name: path, file: f}
	if kept, err = t.keep(f, last, redo); err != nil {
		f.Close()
		return nil, nil, err
	}
	return t, kept, nil
}

func (t *tail) keep(f *os.File, last int64, redo func(Entry) bool) (kept []Entry, err error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a regular file")
	}
	if err != nil {
		return nil, t.fail(err)
	}
	if redo != nil && last >= 0 {
		kept = []Entry{}
	}
	closed := true
	if last >= 0 { // a new run also gets rid of what is damaged
		s := scanner{in: bufio.NewReaderSize(f, 1<<16), tags: map[string]string{}}
		err := s.scan(func(e Entry) error {
			if e.Step > last || kept != nil && e.Step == last && redo(e) {
				return errLater
			}
			if kept != nil && e.Step == last {
				kept = append(kept, e)
			}
			t.end, closed = s.end, s.closed
			return nil
		})
		if err != nil && err != errLater {
			return nil, fileerr.In(t.name, err)
		}
	}
	if t.end < info.Size() {
		if err := f.Truncate(t.end); err != nil {
			return nil, t.fail(err)
		}
	}
	if !closed {
		return kept, t.append([]byte{'\n'})
	}
	return kept, nil
}
