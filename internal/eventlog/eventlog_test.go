package eventlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/facodec-go/facodec/audio"
)

// noon is the tests' time.
var noon = time.UnixMilli(1_764_000_000_125)

// start opens a log at noon.
func start(t *testing.T, dir string, last int64) *Log {
	t.Helper()
	log, err := open(dir, last, nil, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func (l *Log) mustLog(t *testing.T, step int64, values ...Scalar) {
	t.Helper()
	if err := l.Scalars(step, values); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func readLog(t *testing.T, path string) (entries []Entry) {
	t.Helper()
	err := ReadFile(path, func(e Entry) error { entries = append(entries, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// eventFiles are a run's, in the order in which TensorBoard reads them.
func eventFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, EventsName))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // sorted by name
		paths = append(paths, filepath.Join(dir, EventsName, e.Name()))
	}
	return paths
}

// TestLines: the text of log.jsonl, which other programs read.
func TestLines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "run")
	log := start(t, dir, -1)
	log.mustLog(t, 0, Scalar{"val/mel_loss", 2.5})
	log.mustLog(t, 10, Scalar{"train/mel_loss", 0.1}, Scalar{"train/lr", 1e-4}, Scalar{"b", 1e-7}, Scalar{"a", math.NaN()})
	log.mustLog(t, 10)
	log.mustLog(t, 10, Scalar{`<"é\>`, math.Inf(1)}, Scalar{"n", math.Inf(-1)}, Scalar{"z", math.Copysign(0, -1)}, Scalar{"big", 1e300})
	want := `{"step":0,"time":1764000000.125,"scalars":{"val/mel_loss":2.5}}
{"step":10,"time":1764000000.125,"scalars":{"train/mel_loss":0.1,"train/lr":0.0001,"b":1e-07,"a":"NaN"}}
{"step":10,"time":1764000000.125,"scalars":{"\u003c\"é\\\u003e":"Infinity","n":"-Infinity","z":-0,"big":1e+300}}
`
	path := filepath.Join(dir, FileName)
	if got := readText(t, path); got != want { // before Flush or Close
		t.Errorf("log is\n%s", got)
	}
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	entries := readLog(t, path)
	if len(entries) != 3 || entries[1].Step != 10 || !entries[1].Time.Equal(noon) {
		t.Fatalf("%+v", entries)
	}
	if got := entries[2].Scalars; got[0] != (Scalar{`<"é\>`, math.Inf(1)}) || got[1].Value != math.Inf(-1) ||
		!math.Signbit(got[2].Value) || got[3].Value != 1e300 {
		t.Errorf("%+v", got)
	}
	if got := entries[1].Scalars; len(got) != 4 || got[0] != (Scalar{"train/mel_loss", 0.1}) || !math.IsNaN(got[3].Value) {
		t.Errorf("%+v", got)
	}
}

// TestRefuses: what would spoil a log is an error and leaves no trace.
func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	log := start(t, dir, -1)
	log.mustLog(t, 5, Scalar{"a", 1})
	files := append(eventFiles(t, dir), filepath.Join(dir, FileName))
	var before []string
	for _, path := range files {
		before = append(before, readText(t, path))
	}
	img := image.NewGray(image.Rect(0, 0, 2, 2))
	for want, err := range map[string]error{
		"step 4 after step 5":  log.Scalars(4, []Scalar{{"a", 1}}),
		`tag "b" twice`:        log.Scalars(6, []Scalar{{"b", 1}, {"b", 2}}),
		"tag is empty":         log.Scalars(6, []Scalar{{"", 1}}),
		"not UTF-8":            log.Scalars(6, []Scalar{{"\xff", 1}}),
		"cannot be printed":    log.Image(6, "a\nb", img),
		"a tag of 257 bytes":   log.Audio(6, strings.Repeat("x", 257), 24000, nil),
		"invalid image size":   log.Image(6, "empty", image.NewGray(image.Rectangle{})),
		"3 Hz":                 log.Audio(6, "slow", 3, nil),
		"invalid argument":     errOf(Open(filepath.Join(dir, "\x00"), 0)),
		"not a directory":      errOf(Open(filepath.Join(dir, FileName, "x"), 0)),
		"is a directory":       errOf(Open(folderInPlace(t), 0)),
		"log.jsonl: line 1: i": errOf(Open(damaged(t), 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("not one line: %v", err)
		}
	}
	for i, path := range files {
		if readText(t, path) != before[i] {
			t.Errorf("%s is another", path)
		}
	}
	log.mustLog(t, 6, Scalar{"a", 2})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := log.Scalars(7, []Scalar{{"a", 1}}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := log.Flush(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func errOf(_ *Log, err error) error { return err }

// TestProbe: a log that cannot be written is told from one that can, and neither is touched.
func TestProbe(t *testing.T) {
	written := t.TempDir()
	start(t, written, -1).mustLog(t, 1, Scalar{"a", 1})
	before := readText(t, filepath.Join(written, FileName))
	noFolder := t.TempDir()
	if err := os.WriteFile(filepath.Join(noFolder, EventsName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]error{
		t.TempDir(): nil, written: nil, folderInPlace(t): syscall.EISDIR, noFolder: syscall.ENOTDIR, filepath.Join(written, "missing"): fs.ErrNotExist,
	} {
		entries, _ := os.ReadDir(dir)
		if err := Probe(dir); !errors.Is(err, want) || err != nil && !strings.HasPrefix(err.Error(), "write "+dir) {
			t.Errorf("%s: error %v, want %v", dir, err, want)
		}
		if left, _ := os.ReadDir(dir); len(left) != len(entries) {
			t.Errorf("%s: left %v", dir, left)
		}
	}
	if got := readText(t, filepath.Join(written, FileName)); got != before {
		t.Errorf("the log is %q, was %q", got, before)
	}
}

func folderInPlace(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func damaged(t *testing.T) string {
	dir := t.TempDir()
	text := "is no log\n" + `{"step":1,"time":0,"scalars":{}}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestResume: a run that is resumed at a step says nothing twice, whatever its end
// looked like.
func TestResume(t *testing.T) {
	const whole = `{"step":0,"time":1.000,"scalars":{"a":0}}` + "\n" +
		`{"step":10,"time":1.000,"scalars":{"a":10}}` + "\n" +
		`{"step":10,"time":1.000,"scalars":{"b":10}}` + "\n" +
		`{"step":20,"time":1.000,"scalars":{"a":20}}` + "\n"
	for name, c := range map[string]struct {
		text string
		last int64
		want int // bytes kept
	}{
		"at a line":        {whole, 10, strings.Index(whole, `{"step":20`)},
		"between lines":    {whole, 19, strings.Index(whole, `{"step":20`)},
		"at the end":       {whole, 20, len(whole)},
		"later":            {whole, 1000, len(whole)},
		"at the start":     {whole, 0, strings.Index(whole, `{"step":10`)},
		"new":              {whole, -1, 0},
		"new, not a log":   {"junk\n" + whole, -1, 0},
		"no file":          {"", 5, 0},
		"torn":             {whole + `{"step":30,"ti`, 30, len(whole)},
		"torn later":       {whole + `{"step":30,"ti`, 10, strings.Index(whole, `{"step":20`)},
		"zeros":            {whole + strings.Repeat("\x00", 3000), 30, len(whole)},
		"many zeros":       {whole + strings.Repeat("\x00", 3<<20), 30, len(whole)},
		"no end of a line": {strings.TrimSuffix(whole, "\n"), 30, len(whole)},
		"empty lines":      {whole + "\n \n", 30, len(whole)},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		log := start(t, dir, c.last)
		text := readText(t, path)
		if text != whole[:c.want] {
			t.Errorf("%s: keeps %q", name, text)
		}
		log.mustLog(t, max(c.last, 0), Scalar{"c", 1})
		if got := readText(t, path); !strings.HasPrefix(got, text) || strings.Count(got[len(text):], "\n") != 1 {
			t.Errorf("%s: goes on with %q", name, got[len(text):])
		}
		readLog(t, path)
	}
}

// TestEquallyResumed: n + m steps, and n + k, a kill, and m again from n, are the
// same lines.
func TestEquallyResumed(t *testing.T) {
	dir, want := t.TempDir(), t.TempDir()
	run := func(log *Log, from, to int64) {
		for step := from; step <= to; step++ {
			log.mustLog(t, step, Scalar{"loss", 1 / float64(step+1)})
		}
	}
	run(start(t, want, -1), 0, 50)
	run(start(t, dir, -1), 0, 37)
	run(start(t, dir, 20), 21, 50)
	if got := readText(t, filepath.Join(dir, FileName)); got != readText(t, filepath.Join(want, FileName)) {
		t.Errorf("the resumed run's log is another:\n%s", got)
	}
}

// TestReopen: what is written again of the last step is in no file twice, and the rest of
// the step in each.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	log := start(t, dir, -1)
	log.mustLog(t, 3, Scalar{"train/a", 1}, Scalar{"train/b", 2})
	log.mustLog(t, 3, Scalar{"val/a", 3})
	log.mustLog(t, 4, Scalar{"train/a", 5})
	log.Close()
	want := strings.Split(readText(t, filepath.Join(dir, FileName)), "\n")[0] + "\n"
	log, err := Reopen(dir, 3, func(e Entry) bool { return e.Scalars[0].Tag == "val/a" })
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if got := readText(t, filepath.Join(dir, FileName)); got != want {
		t.Errorf("keeps %q, want %q", got, want)
	}
	log.mustLog(t, 3, Scalar{"val/a", 4})
	files := eventFiles(t, dir)
	var got []string
	for _, e := range readEvents(t, files[len(files)-1])[1:] {
		if e.session == 1 {
			got = append(got, fmt.Sprintf("%dS", e.step))
		}
		for _, v := range e.values {
			got = append(got, fmt.Sprintf("%d%s%v", e.step, v.tag, *v.simple))
		}
	}
	if want := "[3S 3train/a1 3train/b2 3val/a4]"; fmt.Sprint(got) != want {
		t.Errorf("events %v, want %s", got, want)
	}
}

// full is a file on a disk that is full after some bytes.
type full struct {
	*os.File
	room     int64
	stubborn int // how many cuts fail
}

func (f *full) WriteAt(p []byte, off int64) (int, error) {
	if n := f.room - off; n < int64(len(p)) {
		if n > 0 {
			f.File.WriteAt(p[:n], off)
		}
		return int(max(n, 0)), &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.WriteAt(p, off)
}

func (f *full) Truncate(n int64) error {
	if f.stubborn > 0 {
		f.stubborn--
		return &os.PathError{Op: "truncate", Path: f.Name(), Err: syscall.EIO}
	}
	return f.File.Truncate(n)
}

// TestFullDisk: whichever file finds no room, at every byte: the error says which,
// both files stay as they were, and once there is room the log goes on.
func TestFullDisk(t *testing.T) {
	value := []Scalar{{"train/mel_loss", 1.5}}
	for _, stubborn := range []int{0, 1} {
		for _, which := range []string{"log.jsonl", eventsPrefix} {
			for extra := range int64(30) {
				dir := t.TempDir()
				log := start(t, dir, -1)
				log.mustLog(t, 1, value...)
				tail := log.lines
				if which == eventsPrefix {
					tail = log.events
				}
				disk := &full{tail.file.(*os.File), tail.end + extra, stubborn}
				tail.file = disk
				err := log.Scalars(2, value)
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), which) {
					t.Fatalf("%s: %v", which, err)
				}
				paths := append(eventFiles(t, dir), filepath.Join(dir, FileName))
				if stubborn == 0 {
					for i, want := range []int64{log.events.end, log.lines.end} {
						if got := int64(len(readText(t, paths[i]))); got != want {
							t.Fatalf("%s: %d bytes, want %d", paths[i], got, want)
						}
					}
				}
				disk.room = 1 << 20
				log.mustLog(t, 3, Scalar{"b", 1}) // shorter than what was torn
				var got []int64
				for _, e := range readLog(t, paths[1]) {
					got = append(got, e.Step)
				}
				for _, e := range readEvents(t, paths[0])[2:] {
					got = append(got, e.step)
				}
				if !slices.Equal(got, []int64{1, 3, 1, 3}) {
					t.Fatalf("%s full after %d bytes: steps %v", which, extra, got)
				}
			}
		}
	}
}

// TestFileInPlace: what is no folder stays.
func TestFileInPlace(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, EventsName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, 0); err == nil || !strings.Contains(err.Error(), EventsName) {
		t.Errorf("opened with a file in the folder's place: %v", err)
	}
}

// TestEvents reads a run's events with the reader below, which shares nothing with
// the writer but what TensorFlow's formats say.
func TestEvents(t *testing.T) {
	dir := t.TempDir()
	log := start(t, dir, -1)
	log.mustLog(t, 0, Scalar{"a", 1.5}, Scalar{"b", math.NaN()})
	log.mustLog(t, 1<<40, Scalar{"train/é", -0.1})
	picture := image.NewRGBA(image.Rect(3, 3, 10, 8))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i*7) | 3
	}
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 255
	}
	if err := log.Image(7, "pic", picture); err != nil {
		t.Fatal(err)
	}
	for _, img := range []image.Image{image.NewGray(image.Rect(0, 0, 4, 2)), image.NewNRGBA(image.Rect(0, 0, 4, 2))} {
		if err := log.Image(7, "pic", img); err != nil {
			t.Fatal(err)
		}
	}
	samples := []float32{0, 0.5, -0.5, 2, float32(math.NaN()), float32(math.Inf(-1))}
	if err := log.Audio(8, "vc/pred_audio", 24000, samples); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(float64(samples[4])) {
		t.Error("Audio changed the samples")
	}
	events := readEvents(t, eventFiles(t, dir)[0])
	if events[1].session != 1 || events[1].step != 0 {
		t.Errorf("second event is %+v", events[1])
	}
	events = slices.Delete(events, 1, 2)
	if len(events) != 7 {
		t.Fatalf("%d events", len(events))
	}
	if e := events[0]; e.version != "brain.Event:2" || e.wall != 1764000000.125 {
		t.Errorf("first event is %+v", e)
	}
	if e := events[1]; e.step != 0 || len(e.values) != 2 || e.values[0].tag != "a" || *e.values[0].simple != 1.5 ||
		!math.IsNaN(float64(*e.values[1].simple)) || e.wall != 1764000000.125 {
		t.Errorf("%+v", e)
	}
	if e := events[2]; e.step != 1<<40 || e.values[0].tag != "train/é" || *e.values[0].simple != -0.1 {
		t.Errorf("%+v", e)
	}
	v := events[3].values[0]
	if got := v.image; events[3].step != 7 || v.tag != "pic" || got[1] != uint64(5) || got[2] != uint64(7) || got[3] != uint64(3) {
		t.Errorf("picture is %v", got)
	}
	img, err := png.Decode(bytes.NewReader(v.image[4].([]byte)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := color.RGBAModel.Convert(img.At(6, 4)), picture.At(9, 7); got != want {
		t.Errorf("the last pixel is %v, want %v", got, want)
	}
	if a, b := events[4].values[0].image[3], events[5].values[0].image[3]; a != uint64(1) || b != uint64(4) {
		t.Errorf("%v and %v channels of grey and transparent pictures", a, b)
	}
	v = events[6].values[0]
	if got := v.audio; v.tag != "vc/pred_audio" || got[1] != float32(24000) || got[2] != uint64(1) || got[3] != uint64(6) ||
		string(got[5].([]byte)) != "audio/wav" {
		t.Errorf("sound is %v", got)
	}
	in, err := audio.NewReaderAt(bytes.NewReader(v.audio[4].([]byte)), "sound", 24000)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 10)
	n, err := in.Read(got)
	if want := []float32{0, 0.5, -0.5, 32767. / 32768, 0, 0}; err != nil || !reflect.DeepEqual(got[:n], want) {
		t.Errorf("samples are %v, %v", got[:n], err)
	}
}

// TestEventFiles: each start has its file, in the order of names whatever the
// clock says, and tells where it goes on.
func TestEventFiles(t *testing.T) {
	dir := t.TempDir()
	for i, last := range []int64{-1, 20, 12, -1} {
		log := start(t, dir, last)
		log.mustLog(t, last+1, Scalar{"a", float64(i)})
		log.Close()
	}
	files := eventFiles(t, dir)
	if len(files) != 4 || !strings.Contains(files[0], "tfevents.1764000000.") || !strings.Contains(files[3], "tfevents.1764000003.") {
		t.Fatalf("%q", files)
	}
	for i, want := range []string{"[0S 0a0]", "[21S 21a1]", "[13S 13a2]", "[0S 0a3]"} {
		var got []string
		for _, e := range readEvents(t, files[i])[1:] {
			switch {
			case e.session == 1:
				got = append(got, fmt.Sprintf("%dS", e.step))
			default:
				got = append(got, fmt.Sprintf("%d%s%v", e.step, e.values[0].tag, *e.values[0].simple))
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("file %d: %v, want %s", i, got, want)
		}
	}
}

// TestChecksum: the test vectors of RFC 3720, B.4, masked as TensorFlow's
// core/lib/hash/crc32c.h does.
func TestChecksum(t *testing.T) {
	for crc, data := range map[uint32][]byte{
		0x8a9136aa: make([]byte, 32),
		0x62a8ab43: bytes.Repeat([]byte{0xff}, 32),
	} {
		if got, want := maskedCRC(data), (crc>>15|crc<<17)+0xa282ead8; got != want {
			t.Errorf("%#x, want %#x", got, want)
		}
	}
}

// A testEvent is an event as the reader understood it.
type testEvent struct {
	wall    float64
	step    int64
	version string
	session uint64
	values  []testValue
}

type testValue struct {
	tag          string
	simple       *float32
	image, audio map[uint64]any
}

// readEvents reads an event file: every byte, or the test fails.
func readEvents(t *testing.T, path string) (events []testEvent) {
	t.Helper()
	in := strings.NewReader(readText(t, path))
	for in.Len() > 0 {
		var head struct {
			Length uint64
			CRC    uint32
		}
		if err := binary.Read(in, binary.LittleEndian, &head); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		length := binary.LittleEndian.AppendUint64(nil, head.Length)
		data, crc := make([]byte, head.Length), uint32(0)
		if _, err := io.ReadFull(in, data); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := binary.Read(in, binary.LittleEndian, &crc); err != nil || head.CRC != bitwiseCRC(length) || crc != bitwiseCRC(data) {
			t.Fatalf("%s: checksums %#x and %#x, %v", path, head.CRC, crc, err)
		}
		events = append(events, eventOf(t, data))
	}
	return events
}

// bitwiseCRC is the masked CRC-32C, bit by bit.
func bitwiseCRC(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ crc&1*0x82f63b78
		}
	}
	crc = ^crc
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// fields calls do for each field of a message: uint64, float64, float32 or []byte.
func fields(t *testing.T, data []byte, do func(field uint64, v any)) {
	t.Helper()
	uvarint := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			t.Fatalf("no varint at %x", data)
		}
		data = data[n:]
		return v
	}
	for len(data) > 0 {
		key := uvarint()
		var v any
		switch key & 7 {
		case 0:
			v = uvarint()
		case 1:
			v, data = math.Float64frombits(binary.LittleEndian.Uint64(data)), data[8:]
		case 2:
			n := uvarint()
			v, data = data[:n:n], data[n:]
		case 5:
			v, data = math.Float32frombits(binary.LittleEndian.Uint32(data)), data[4:]
		default:
			t.Fatalf("wire type %d", key&7)
		}
		do(key>>3, v)
	}
}

func eventOf(t *testing.T, data []byte) (e testEvent) {
	t.Helper()
	fields(t, data, func(field uint64, v any) {
		switch field {
		case 1:
			e.wall = v.(float64)
		case 2:
			e.step = int64(v.(uint64))
		case 3:
			e.version = string(v.([]byte))
		case 5:
			fields(t, v.([]byte), func(_ uint64, v any) {
				value := testValue{image: map[uint64]any{}, audio: map[uint64]any{}}
				fields(t, v.([]byte), func(field uint64, v any) {
					switch field {
					case 1:
						value.tag = string(v.([]byte))
					case 2:
						x := v.(float32)
						value.simple = &x
					case 4:
						fields(t, v.([]byte), func(field uint64, v any) { value.image[field] = v })
					case 6:
						fields(t, v.([]byte), func(field uint64, v any) { value.audio[field] = v })
					default:
						t.Fatalf("field %d of a value", field)
					}
				})
				e.values = append(e.values, value)
			})
		case 7:
			fields(t, v.([]byte), func(_ uint64, v any) { e.session = v.(uint64) })
		default:
			t.Fatalf("field %d of an event", field)
		}
	})
	return e
}
