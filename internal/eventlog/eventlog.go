// Package eventlog writes the log of a training run, twice: as
// TensorBoard event files, with scalars, images and audio, and as log.jsonl,
// the scalars as lines of JSON. Both survive a kill of the process at any moment, and a
// resumed run continues them.
//
// A run's folder then holds
//
//	log.jsonl
//	tensorboard/events.out.tfevents.<seconds>.<host>.<process>   one for each start
//
// Everything is written to the operating system as it is logged, so that a killed
// process loses nothing; Flush also syncs it to the disk.
package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/facodec-go/facodec/audio"

	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// The names in a run's folder.
const (
	FileName   = "log.jsonl"
	EventsName = "tensorboard" // upstream's name
)

// A Scalar is a value that is logged under a tag, "train/mel_loss" say: what
// stands before the slash is TensorBoard's section.
type Scalar struct {
	Tag   string
	Value float64 // may be NaN or infinite
}

// A Log is an open training log. It serves one goroutine at a time.
//
// After an error, of a full disk say, both files are as they were before the call,
// and the log goes on with the next one.
type Log struct {
	lines  *tail // log.jsonl
	events *tail
	step   int64 // of the last scalars
	now    func() time.Time
}

// Open opens the log of a run's folder, which is made where it is not there, for a
// run whose first `last` steps are done: lines of later steps, which a run wrote
// before it stopped and will now write again, are dropped, and TensorBoard is told
// to do the same. With last -1 the run is new and nothing of an earlier one is
// kept. A last line that is torn is dropped, a log that is damaged before its end
// is an error.
func Open(dir string, last int64) (*Log, error) {
	return open(dir, last, nil, time.Now)
}

// Probe returns the error that Open would end with, as far as it can be told without
// writing to the log: its files, or their folder, cannot be written to.
func Probe(dir string) error {
	events := filepath.Join(dir, EventsName)
	if _, err := os.Lstat(events); err == nil { // else Open makes it
		if err := atomicfile.Probe(filepath.Join(events, eventsPrefix)); err != nil {
			return err
		}
	}
	lines := filepath.Join(dir, FileName)
	f, err := os.OpenFile(lines, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return atomicfile.Probe(lines)
	}
	if err != nil {
		return fileerr.Write(lines, err)
	}
	return f.Close()
}

// Reopen is Open for a run that will write some of what it logged of its last step again:
// the lines of it from the first on of which redo says so are dropped, too.
func Reopen(dir string, last int64, redo func(Entry) bool) (*Log, error) {
	return open(dir, last, redo, time.Now)
}

func open(dir string, last int64, redo func(Entry) bool, now func() time.Time) (log *Log, err error) {
	events := filepath.Join(dir, EventsName)
	if err := os.MkdirAll(events, 0o755); err != nil {
		return nil, fmt.Errorf("make folder %s: %w", events, fileerr.Cause(err))
	}
	l := &Log{step: max(last, 0), now: now}
	lines, kept, err := openLines(filepath.Join(dir, FileName), last, redo)
	if err != nil {
		return nil, err
	}
	l.lines = lines
	if l.events, err = createEvents(events, last, kept, now()); err != nil {
		l.lines.close()
		return nil, err
	}
	return l, nil
}

// Scalars logs values of a step under their tags, in their order, as one line and
// one event. Steps do not fall. A step may have several lines, those of training
// and then of validation say; their tags are different. No values are no line.
func (l *Log) Scalars(step int64, values []Scalar) error {
	if len(values) == 0 {
		return nil
	}
	if step < l.step {
		return fmt.Errorf("log %s: step %d after step %d", l.lines.name, step, l.step)
	}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		if err := checkTag(v.Tag); err != nil {
			return fmt.Errorf("log %s: step %d: %w", l.lines.name, step, err)
		}
		if seen[v.Tag] {
			return fmt.Errorf("log %s: step %d: tag %q twice", l.lines.name, step, v.Tag)
		}
		seen[v.Tag] = true
	}
	now := l.now()
	before := l.events.end
	if err := l.events.append(frame(scalarsEvent(now, step, values))); err != nil {
		return err
	}
	if err := l.lines.append(appendLine(nil, Entry{step, now, values})); err != nil {
		l.events.rollBack(before)
		return err
	}
	l.step = step
	return nil
}

// Image logs a picture of a step, only for TensorBoard, as PNG.
func (l *Log) Image(step int64, tag string, img image.Image) error {
	if err := checkTag(tag); err != nil {
		return fmt.Errorf("log %s: picture of step %d: %w", l.events.name, step, err)
	}
	event, err := imageEvent(l.now(), step, tag, img)
	if err != nil {
		return fmt.Errorf("log %s: picture %s of step %d: %w", l.events.name, tag, step, err)
	}
	return l.events.append(frame(event))
}

// Audio logs a mono recording of a step, only for TensorBoard, as 16-bit WAV of
// the given rate in Hz. Samples beyond ±1 are clipped; one that is NaN or infinite,
// which a diverging model may output, is silence.
func (l *Log) Audio(step int64, tag string, rate int, samples []float32) error {
	if err := checkTag(tag); err != nil {
		return fmt.Errorf("log %s: sound of step %d: %w", l.events.name, step, err)
	}
	wav, err := wavFile(tag, rate, samples)
	if err != nil {
		return fmt.Errorf("log %s: sound of step %d: %w", l.events.name, step, err)
	}
	return l.events.append(frame(audioEvent(l.now(), step, tag, rate, len(samples), wav)))
}

// wavFile returns the bytes of a WAV file.
func wavFile(name string, rate int, samples []float32) ([]byte, error) {
	finite := make([]float32, len(samples))
	for i, x := range samples {
		if v := float64(x); !math.IsNaN(v) && !math.IsInf(v, 0) {
			finite[i] = x
		}
	}
	var b bytes.Buffer
	w, err := audio.NewWriter(&b, name, rate, audio.S16, int64(len(samples)))
	if err != nil {
		return nil, err
	}
	if err := w.Write(finite); err != nil {
		return nil, err
	}
	if err := w.Commit(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Flush returns once all that was logged is on the disk. A trainer calls it before
// it writes a checkpoint, so that the log is never behind it.
func (l *Log) Flush() error {
	return errors.Join(l.lines.sync(), l.events.sync())
}

// Close flushes and closes the files. Nothing can be logged afterwards.
func (l *Log) Close() error {
	return errors.Join(l.lines.close(), l.events.close())
}

// checkTag refuses what would be hard to find again.
func checkTag(tag string) error {
	const longest = 256
	switch {
	case tag == "":
		return errors.New("the tag is empty")
	case len(tag) > longest:
		return fmt.Errorf("a tag of %s; %d may be", plural.Of(len(tag), "byte"), longest)
	case !utf8.ValidString(tag):
		return fmt.Errorf("tag %q is not UTF-8", tag)
	}
	for _, r := range tag {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("tag %q has a character that cannot be printed", tag)
		}
	}
	return nil
}
