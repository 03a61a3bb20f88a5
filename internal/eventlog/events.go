package eventlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// The messages are those of TensorFlow's core/util/event.proto and
// core/framework/summary.proto, in the form that PyTorch's SummaryWriter writes
// and every version of TensorBoard reads: simple_value, image and audio, which it
// turns into the tensors of its newer form as it reads them. The numbers are those
// of the fields.
const (
	eventWallTime = 1 // double, seconds since 1970
	eventStep     = 2 // int64
	eventVersion  = 3 // string
	eventSummary  = 5 // Summary
	eventSession  = 7 // SessionLog

	summaryValue = 1 // Value, repeated

	valueTag    = 1 // string
	valueSimple = 2 // float
	valueImage  = 4 // Image
	valueAudio  = 6 // Audio

	imageHeight, imageWidth, imageColorspace, imageData = 1, 2, 3, 4

	audioRate, audioChannels, audioFrames, audioData, audioType = 1, 2, 3, 4, 5

	sessionStatus = 1 // enum
	sessionStart  = 1
)

// fileVersion is the content of a file's first record.
const fileVersion = "brain.Event:2"

// eventsPrefix begins the names by which TensorBoard knows its files.
const eventsPrefix = "events.out.tfevents."

// createEvents begins a new event file in dir, for a run whose first `last` steps
// are done.
//
// TensorBoard reads a folder's files in the order of their names, which begin with
// the second of their making: a run that is resumed within a second, or after the
// clock was set back, takes the second after the latest file's.
//
// Every file begins with a START event, the first one of a run too: of TensorBoard's
// two readers the one in Python takes the first START of a run for its beginning, and
// only later ones for a restart that drops steps (PluginEventAccumulator,
// _CheckForRestartAndMaybePurge); the data server drops steps at each. A step is dropped
// whole: what is kept of the last one follows again.
func createEvents(dir string, last int64, kept []Entry, now time.Time) (*tail, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read folder %s: %w", dir, fileerr.Cause(err))
	}
	second := now.Unix()
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), eventsPrefix)
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(rest, ".")
		if s, err := strconv.ParseInt(text, 10, 64); err == nil && s < 1e10-1 { // ten digits
			second = max(second, s+1)
		}
	}
	name := fmt.Sprintf("%s%010d.%s.%d", eventsPrefix, second, hostName(), os.Getpid())
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fileerr.Write(path, err)
	}
	t := &tail{name: path, file: f}
	start := last + 1
	if kept != nil {
		start = last
	}
	head := append(frame(versionEvent(now)), frame(startEvent(now, start))...)
	for _, e := range kept {
		head = append(head, frame(scalarsEvent(e.Time, e.Step, e.Scalars))...)
	}
	if err := t.append(head); err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	return t, nil
}

// hostName is the machine's, as far as it can be in a file's name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "host"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, name)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the checksum of TFRecord files: CRC-32C, turned and shifted, since
// a checksum of data that hold checksums is a weak one.
func maskedCRC(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// frame returns a record of a TFRecord file: the length and its checksum, the data
// and their checksum.
func frame(data []byte) []byte {
	b := make([]byte, 0, len(data)+16)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, maskedCRC(data))
}

// A message is a protocol buffer message while it is written.
type message []byte

// The wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (m message) key(field, wire uint64) message { return binary.AppendUvarint(m, field<<3|wire) }

func (m message) varint(field uint64, v int64) message {
	return binary.AppendUvarint(m.key(field, wireVarint), uint64(v))
}

func (m message) double(field uint64, v float64) message {
	return binary.LittleEndian.AppendUint64(m.key(field, wireFixed64), math.Float64bits(v))
}

func (m message) float(field uint64, v float32) message {
	return binary.LittleEndian.AppendUint32(m.key(field, wireFixed32), math.Float32bits(v))
}

func (m message) bytes(field uint64, v []byte) message {
	m = binary.AppendUvarint(m.key(field, wireBytes), uint64(len(v)))
	return append(m, v...)
}

func (m message) text(field uint64, v string) message { return m.bytes(field, []byte(v)) }

// newEvent begins an event.
func newEvent(at time.Time, step int64) message {
	return message(nil).double(eventWallTime, float64(at.UnixMicro())/1e6).varint(eventStep, step)
}

func versionEvent(at time.Time) message { return newEvent(at, 0).text(eventVersion, fileVersion) }

// startEvent makes TensorBoard forget what it has read of this step and later ones.
func startEvent(at time.Time, step int64) message {
	return newEvent(at, step).bytes(eventSession, message(nil).varint(sessionStatus, sessionStart))
}

func scalarsEvent(at time.Time, step int64, values []Scalar) message {
	var summary message
	for _, v := range values {
		summary = summary.bytes(summaryValue, message(nil).text(valueTag, v.Tag).float(valueSimple, float32(v.Value)))
	}
	return newEvent(at, step).bytes(eventSummary, summary)
}

// valueEvent is an event with one value, which is in a field of it.
func valueEvent(at time.Time, step int64, tag string, field uint64, value message) message {
	summary := message(nil).bytes(summaryValue, message(nil).text(valueTag, tag).bytes(field, value))
	return newEvent(at, step).bytes(eventSummary, summary)
}

func imageEvent(at time.Time, step int64, tag string, img image.Image) (message, error) {
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		return nil, err
	}
	size := img.Bounds().Size()
	return valueEvent(at, step, tag, valueImage, message(nil).
		varint(imageHeight, int64(size.Y)).
		varint(imageWidth, int64(size.X)).
		varint(imageColorspace, colorspace(img)).
		bytes(imageData, data.Bytes())), nil
}

// colorspace is how many channels a picture has.
func colorspace(img image.Image) int64 {
	if m := img.ColorModel(); m == color.GrayModel || m == color.Gray16Model {
		return 1
	}
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		return 3
	}
	return 4
}

func audioEvent(at time.Time, step int64, tag string, rate, frames int, wav []byte) message {
	return valueEvent(at, step, tag, valueAudio, message(nil).
		float(audioRate, float32(rate)).
		varint(audioChannels, 1).
		varint(audioFrames, int64(frames)).
		bytes(audioData, wav).
		text(audioType, "audio/wav"))
}
