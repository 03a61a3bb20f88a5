package audio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
)

// mp4Sound is the part of what the packets of an MP4's first sound track decode to that
// is sound, in units of the track's clock: behind what the encoder put before it, and up
// to where the last packet's duration ends. Versions of ffmpeg differ in what they cut
// off; the file's own tables do not.
type mp4Sound struct {
	timescale  int64 // units a second
	start, end int64
}

// frames returns the part in samples of the rate that was decoded.
func (s *mp4Sound) frames(rate int) (start, end int64) {
	at := func(t int64) int64 { return (t*int64(rate) + s.timescale/2) / s.timescale }
	return at(s.start), at(s.end)
}

const (
	maxMP4Boxes = 1 << 20  // in one file
	maxMP4Time  = 1 << 40  // units of a clock; 100 days at 96 kHz
	maxMP4Head  = 16 << 20 // of a stream, up to the end of its tables
)

// errMP4 ends the reading of tables that are not understood: ffmpeg then decides.
var errMP4 = errors.New("not an MP4 whose tables are understood")

// mp4Tables is what is read of an MP4 (ISO 14496-12).
type mp4Tables struct {
	r          io.ReaderAt
	boxes      int
	depth      int  // of the boxes that are read
	whole      bool // the movie's tables are read
	movieScale int64
	fragmented bool
	tracks     []*mp4Track
	track      *mp4Track // the one being read
	smpb       string    // iTunes's words on what is sound
	defaults   map[uint32]uint32
}

type mp4Track struct {
	id        uint32
	sound     bool
	timescale int64
	total     int64 // of all packets
	edits     []mp4Edit
}

type mp4Edit struct{ duration, start int64 }

// readMP4Sound finds out what is sound of a file. nil: the tables do not tell, or not in
// a way that is understood.
func readMP4Sound(r io.ReaderAt, size int64) *mp4Sound {
	t := &mp4Tables{r: r, defaults: map[uint32]uint32{}}
	if t.walk(0, size, t.box) != nil {
		return nil
	}
	for _, track := range t.tracks {
		if track.sound {
			return t.sound(track)
		}
	}
	return nil
}

func (t *mp4Tables) sound(track *mp4Track) *mp4Sound {
	s := &mp4Sound{timescale: track.timescale, end: track.total}
	edits := track.edits
	for len(edits) > 0 && edits[0].start < 0 {
		edits = edits[1:] // silence before the track begins
	}
	switch {
	case s.timescale <= 0 || s.timescale > MaxRate*8 || s.end <= 0 || len(edits) > 1:
		return nil
	case len(edits) == 1:
		e := edits[0]
		s.start = e.start
		// The movie's clock is coarse: what differs by one unit of it is not cut off.
		if t.movieScale > 0 && e.duration > 0 && e.duration < maxMP4Time {
			end := e.start + (e.duration*s.timescale+t.movieScale/2)/t.movieScale
			if end+s.timescale/t.movieScale+1 < s.end {
				s.end = end
			}
		}
	default:
		// " 00000000 00000840 000001CA 00000000003F31F6": before, behind, and between.
		if f := strings.Fields(t.smpb); len(f) >= 4 {
			before, err1 := strconv.ParseInt(f[1], 16, 32)
			between, err2 := strconv.ParseInt(f[3], 16, 48)
			if err1 == nil && err2 == nil && between > 0 && before+between <= s.end {
				s.start, s.end = before, before+between
			}
		}
	}
	if s.start >= s.end {
		return nil
	}
	return s
}

// walk calls f with the boxes between two offsets.
func (t *mp4Tables) walk(at, end int64, f func(kind string, at, end int64) error) error {
	t.depth++
	defer func() { t.depth-- }()
	var head [16]byte
	for at+8 <= end {
		if t.boxes++; t.boxes > maxMP4Boxes {
			return errMP4
		}
		if n, err := t.r.ReadAt(head[:min(16, end-at)], at); err != nil && n < 8 {
			return errMP4
		}
		size, header := int64(binary.BigEndian.Uint32(head[:])), int64(8)
		switch size {
		case 0: // up to the end
			size = end - at
		case 1:
			size, header = int64(min(binary.BigEndian.Uint64(head[8:]), 1<<62)), 16
		}
		if size < header || size > end-at {
			if kind := string(head[4:8]); kind == "mdat" {
				return nil // cut short, which ffmpeg may live with
			}
			if t.depth == 1 && t.whole {
				return nil // what is no box behind the last one
			}
			return errMP4
		}
		if err := f(string(head[4:8]), at+header, at+size); err != nil {
			return err
		}
		t.whole = t.whole || t.depth == 1 && string(head[4:8]) == "moov"
		at += size
	}
	return nil
}

// box reads a box of any level that matters here.
func (t *mp4Tables) box(kind string, at, end int64) error {
	switch kind {
	case "moov", "mdia", "minf", "stbl", "edts", "udta", "ilst", "moof", "traf":
		return t.walk(at, end, t.box)
	case "meta":
		return t.walk(at+4, end, t.box)
	case "trak":
		t.track = &mp4Track{}
		t.tracks = append(t.tracks, t.track)
		err := t.walk(at, end, t.box)
		t.track = nil
		return err
	case "mvex":
		t.fragmented = true
		return t.walk(at, end, t.box)
	case "----":
		return t.itunes(at, end)
	case "mvhd", "mdhd", "tkhd", "hdlr", "trex", "tfhd":
		b := make([]byte, min(end-at, 36))
		if _, err := t.r.ReadAt(b, at); err != nil || len(b) < 20 {
			return errMP4
		}
		return t.header(kind, b)
	case "elst", "stts", "trun":
		return t.table(kind, at, end)
	}
	return nil
}

// header reads a box of fixed size; what follows two dates is further back where those
// have 64 bits.
func (t *mp4Tables) header(kind string, b []byte) error {
	be := binary.BigEndian
	dated := b[12:]
	if b[0] == 1 {
		dated = b[20:]
	}
	switch {
	case kind == "trex":
		t.defaults[be.Uint32(b[4:])] = be.Uint32(b[12:])
	case kind == "tfhd":
		return t.fragment(b)
	case len(dated) < 4:
		return errMP4
	case kind == "mvhd":
		t.movieScale = int64(be.Uint32(dated))
	case t.track == nil:
	case kind == "mdhd":
		t.track.timescale = int64(be.Uint32(dated))
	case kind == "tkhd":
		t.track.id = be.Uint32(dated)
	case kind == "hdlr":
		t.track.sound = t.track.sound || string(b[8:12]) == "soun"
	}
	return nil
}

// fragment begins what a fragment has of a track, with its own default duration in 0x8.
func (t *mp4Tables) fragment(b []byte) error {
	be := binary.BigEndian
	flags, id := be.Uint32(b)&0xffffff, be.Uint32(b[4:])
	t.track = nil
	for _, track := range t.tracks {
		if track.id == id {
			t.track = track
		}
	}
	at := 8
	for _, f := range []struct {
		flag uint32
		size int
	}{{1, 8}, {2, 4}} {
		if flags&f.flag != 0 {
			at += f.size
		}
	}
	if flags&8 != 0 {
		if len(b) < at+4 {
			return errMP4
		}
		t.defaults[id] = be.Uint32(b[at:])
	}
	return nil
}

// table reads a box with one entry for each edit, each run of packets of one duration,
// or each packet of a fragment.
func (t *mp4Tables) table(kind string, at, end int64) error {
	if t.track == nil {
		return nil
	}
	be := binary.BigEndian
	r := bufio.NewReader(io.NewSectionReader(t.r, at, end-at))
	var b [20]byte
	if _, err := io.ReadFull(r, b[:8]); err != nil {
		return errMP4
	}
	version, flags, count := b[0], be.Uint32(b[:])&0xffffff, int64(be.Uint32(b[4:]))
	size := 8
	switch {
	case kind == "elst" && version == 1:
		size = 20
	case kind == "elst":
		size = 12
	case kind == "trun":
		if flags&1 != 0 {
			r.Discard(4)
		}
		if flags&4 != 0 {
			r.Discard(4)
		}
		size = 0
		for flag := uint32(0x100); flag <= 0x800; flag <<= 1 {
			if flags&flag != 0 {
				size += 4
			}
		}
		if flags&0x100 == 0 {
			// All have the duration that is the default.
			return t.track.add(count, int64(t.defaults[t.track.id]))
		}
	}
	if count > (end-at)/int64(max(size, 1)) {
		return errMP4
	}
	for range count {
		if _, err := io.ReadFull(r, b[:size]); err != nil {
			return errMP4
		}
		err := error(nil)
		switch {
		case kind == "stts":
			err = t.track.add(int64(be.Uint32(b[:])), int64(be.Uint32(b[4:])))
		case kind == "trun":
			err = t.track.add(1, int64(be.Uint32(b[:])))
		case len(t.track.edits) > 16:
			err = errMP4
		case version == 1:
			t.track.edits = append(t.track.edits, mp4Edit{int64(be.Uint64(b[:])), int64(be.Uint64(b[8:]))})
		default:
			t.track.edits = append(t.track.edits, mp4Edit{int64(be.Uint32(b[:])), int64(int32(be.Uint32(b[4:])))})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add adds packets of a duration each.
func (t *mp4Track) add(count, duration int64) error {
	if duration > 0 && count > maxMP4Time/duration {
		return errMP4
	}
	if t.total += count * duration; t.total > maxMP4Time {
		return errMP4
	}
	return nil
}

// itunes reads a piece of iTunes's metadata: the three boxes of which are who means it,
// its name, and its text behind 8 bytes.
func (t *mp4Tables) itunes(at, end int64) error {
	b := make([]byte, min(end-at, 1<<10))
	if _, err := t.r.ReadAt(b, at); err != nil {
		return errMP4
	}
	if _, text, ok := bytes.Cut(b, []byte("iTunSMPB")); ok && t.smpb == "" && len(text) > 16 {
		t.smpb = string(text[16:])
	}
	return nil
}

// mp4Head reads the tables of a stream, if they come before the sound, and returns what
// it has read.
func mp4Head(r io.Reader) []byte {
	var head []byte
	for {
		at := len(head)
		head = append(head, make([]byte, 8)...)
		n, err := io.ReadFull(r, head[at:])
		if err != nil {
			return head[:at+n]
		}
		size, kind := int(binary.BigEndian.Uint32(head[at:])), string(head[at+4:])
		if size < 8 || size > maxMP4Head-at || kind == "mdat" || kind == "moof" {
			return head
		}
		// No more memory than there is content, whatever the size says.
		body, err := io.ReadAll(io.LimitReader(r, int64(size-8)))
		head = append(head, body...)
		if err != nil || len(body) < size-8 || kind == "moov" {
			return head
		}
	}
}
