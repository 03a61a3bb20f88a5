package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

var oggClips = []clip{
	{"mono16k.ogg", Info{"ogg", "vorbis", 16000, 1, -1}, 100},
	{"stereo44k.ogg", Info{"ogg", "vorbis", 44100, 2, -1}, 100},
	{"speech.opus", Info{"ogg", "opus", 48000, 1, -1}, 100},
	{"hybrid.opus", Info{"ogg", "opus", 48000, 1, -1}, 100},
	{"stereo.opus", Info{"ogg", "opus", 48000, 2, -1}, 100},
}

func TestOggAgainstReference(t *testing.T) { checkClips(t, oggClips) }

// oggPages cuts a file into its pages.
func oggPages(t testing.TB, file []byte) (pages [][]byte) {
	t.Helper()
	for len(file) > 0 {
		n := 27 + int(file[26])
		for _, size := range file[27:n] {
			n += int(size)
		}
		pages = append(pages, file[:n])
		file = file[n:]
	}
	return pages
}

// sumPage puts the right checksum into a page that was changed.
func sumPage(page []byte) []byte {
	clear(page[22:26])
	binary.LittleEndian.PutUint32(page[22:], crcOgg(page))
	return page
}

// onePage makes the page of a stream of another kind.
func onePage(serial uint32, flags byte, packet string) []byte {
	page := append([]byte("OggS\x00"), flags)
	page = append(page, make([]byte, 20)...)
	binary.LittleEndian.PutUint32(page[14:], serial)
	page = append(page, 1, byte(len(packet)))
	return sumPage(append(page, packet...))
}

// editPages changes pages of a clip, each by its own function, and their checksums.
func editPages(t testing.TB, name string, edit func(i int, page []byte)) []byte {
	pages := oggPages(t, clipBytes(t, name))
	for i, page := range pages {
		edit(i, page)
		sumPage(page)
	}
	return bytes.Join(pages, nil)
}

func mustReadBytes(t testing.TB, content []byte) []float32 {
	t.Helper()
	samples, _, err := readPath(writeFile(t, "x.ogg", content))
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// The header's gain, here 12 dB down, is applied.
func TestOpusGain(t *testing.T) {
	plain, _ := mustRead(t, "speech.opus")
	quiet := mustReadBytes(t, editPages(t, "speech.opus", func(i int, page []byte) {
		if i == 0 {
			binary.LittleEndian.PutUint16(page[28+16:], uint16(0x10000-12*256))
		}
	}))
	gain := math.Pow(10, -12./20)
	for i, x := range plain {
		if math.Abs(float64(quiet[i])-gain*float64(x)) > 1e-7 {
			t.Fatalf("sample %d is %v, want %v times %v", i, quiet[i], gain, x)
		}
	}
}

// The pre-skip and the count on the last page are obeyed to the sample.
func TestOpusIsCut(t *testing.T) {
	whole, _ := mustRead(t, "speech.opus")
	cut := mustReadBytes(t, editPages(t, "speech.opus", func(i int, page []byte) {
		le := binary.LittleEndian
		if i == 0 {
			le.PutUint16(page[28+10:], le.Uint16(page[28+10:])+100)
		}
		if page[5]&oggLast != 0 {
			le.PutUint64(page[6:], le.Uint64(page[6:])-7)
		}
	}))
	mustEqual(t, "cut", cut, whole[100:len(whole)-7])
}

// A stream cut out of a longer one counts from where it was.
func TestOggThatBeginsLater(t *testing.T) {
	for _, name := range []string{"stereo44k.ogg", "stereo.opus"} {
		whole, _ := mustRead(t, name)
		later := mustReadBytes(t, editPages(t, name, func(i int, page []byte) {
			le := binary.LittleEndian
			if g := le.Uint64(page[6:]); g != 0 && g != math.MaxUint64 {
				le.PutUint64(page[6:], g+1e9)
			}
		}))
		// With all sound on one page nothing tells where it began, only that.
		if len(oggPages(t, clipBytes(t, name))) > 3 {
			mustEqual(t, name, later, whole)
		} else if len(later) < len(whole) {
			t.Errorf("%s: %d of %d samples", name, len(later), len(whole))
		}
	}
}

// Recordings one after the other are decoded one after the other.
func TestChainedOgg(t *testing.T) {
	a, _ := mustRead(t, "speech.opus")
	b, _ := mustRead(t, "stereo.opus")
	both := append(clipBytes(t, "speech.opus"), clipBytes(t, "stereo.opus")...)
	mustEqual(t, "both", mustReadBytes(t, both), append(a, b...))
}

// One of another codec and rate is converted to the rate of the first.
func TestChainedOggOfAnotherKind(t *testing.T) {
	opus, vorbis := clipBytes(t, "speech.opus"), clipBytes(t, "stereo44k.ogg")
	a, _ := mustRead(t, "speech.opus")
	b, _ := mustRead(t, "stereo44k.ogg")
	resampler, err := NewResampler(44100, 48000)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append([]float32{}, a...), resampler.Flush(resampler.Process(nil, b))...)
	want = append(want, a...)
	content := bytes.Join([][]byte{opus, vorbis, opus}, nil)
	mustEqual(t, "three", mustReadBytes(t, content), want)
	if _, _, err := readStrict(writeFile(t, "x.ogg", content)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a strict reader says %v", err)
	}
}

// Of several streams the first with sound is read.
func TestOggWithOtherStreams(t *testing.T) {
	pages := oggPages(t, clipBytes(t, "mono16k.ogg"))
	want, _ := mustRead(t, "mono16k.ogg")
	file := bytes.Join([][]byte{onePage(7, oggFirst, "fishead\x00 of a skeleton"), pages[0],
		onePage(8, oggFirst, "Speex   comes second")}, nil)
	for _, page := range pages[1:] {
		file = append(append(file, onePage(7, 0, "something")...), page...)
	}
	mustEqual(t, "with others", mustReadBytes(t, file), want)
}

func TestOggFaults(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	opus, vorbis := clipBytes(t, "speech.opus"), clipBytes(t, "mono16k.ogg")
	pages := oggPages(t, vorbis)
	header := func(name string, at int, value byte) []byte {
		return editPages(t, name, func(i int, page []byte) {
			if i == 0 {
				page[28+at] = value
			}
		})
	}
	for name, c := range map[string]struct {
		content []byte
		fault   error
		say     string
	}{
		"text":                  {[]byte(strings.Repeat("OggS is how it begins. ", 100)), ErrTruncated, "Ogg page"},
		"only magic":            {[]byte("OggS"), ErrTruncated, "page"},
		"first page only":       {pages[0], ErrTruncated, "first"},
		"no last page":          {bytes.Join(pages[:len(pages)-1], nil), ErrEmpty, "no samples"},
		"a page missing":        {append(bytes.Clone(opus[:len(oggPages(t, opus)[0])]), bytes.Join(oggPages(t, opus)[2:], nil)...), ErrCorrupt, "missing"},
		"checksum":              {append(bytes.Clone(vorbis[:len(vorbis)-1]), vorbis[len(vorbis)-1]^1), ErrCorrupt, "checksum"},
		"speex behind":          {append(bytes.Clone(opus), append(onePage(1, oggFirst, "Speex   1.2"), onePage(1, 0, "x")...)...), ErrUnsupported, "second recording in the file is Ogg Speex"},
		"speex":                 {onePage(1, oggFirst, "Speex   1.2"), ErrNoFFmpeg, "Speex"},
		"flac":                  {onePage(1, oggFirst, "\x7fFLAC"), ErrNoFFmpeg, "FLAC"},
		"only video":            {append(onePage(1, oggFirst, "\x80theora"), onePage(1, 0, "x")...), ErrNoFFmpeg, "Ogg without"},
		"opus, many channels":   {withMapping(t, 2, "\x02\x00\x00\x01"), ErrNoFFmpeg, "several streams"},
		"opus, no table":        {header("speech.opus", 18, 1), ErrCorrupt, "table of channels"},
		"opus, wrong table":     {withMapping(t, 1, "\x01\x00\x01"), ErrCorrupt, "table of channels"},
		"opus, 0 channels":      {header("speech.opus", 9, 0), ErrCorrupt, "0 channels"},
		"opus, 9 channels":      {header("speech.opus", 9, 9), ErrCorrupt, "9 channels"},
		"opus, version":         {header("speech.opus", 8, 0x21), ErrUnsupported, "version"},
		"vorbis, 0 channels":    {header("mono16k.ogg", 11, 0), ErrCorrupt, "0 channels"},
		"vorbis, 255 channels":  {header("mono16k.ogg", 11, 255), ErrNoFFmpeg, "255 channels"},
		"vorbis, rate":          {header("mono16k.ogg", 15, 255), ErrRate, "Hz"},
		"vorbis, block sizes":   {header("mono16k.ogg", 28, 0xFF), ErrCorrupt, "blocks"},
		"vorbis, version":       {header("mono16k.ogg", 7, 1), ErrUnsupported, "version"},
		"vorbis without setup":  {append(bytes.Clone(pages[0]), onePage(binary.LittleEndian.Uint32(pages[0][14:]), 0, "x")...), ErrTruncated, "headers"},
		"vorbis, huge codebook": {editSetup(t, "\xff\xff\xff\xff\xff\xff\xff\xff"), ErrCorrupt, "codebooks"},
		"vorbis, zeros":         {editSetup(t, strings.Repeat("\x00", 500)), ErrCorrupt, "codebooks"},
	} {
		_, _, err := readPath(writeFile(t, "x", c.content))
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %v, want %v", name, err, c.fault)
			continue
		}
		checkMessage(t, err, c.say)
	}
}

// withMapping is speech.opus with a table of channels of family 1.
func withMapping(t *testing.T, channels byte, table string) []byte {
	pages := oggPages(t, clipBytes(t, "speech.opus"))
	head := string(pages[0][28:28+9]) + string(channels) + string(pages[0][28+10:28+18]) + "\x01" + table
	first := onePage(binary.LittleEndian.Uint32(pages[0][14:]), oggFirst, head)
	return append(first, bytes.Join(pages[1:], nil)...)
}

// editSetup overwrites the first codebook of a Vorbis file, behind its "BCV".
func editSetup(t *testing.T, with string) []byte {
	return editPages(t, "mono16k.ogg", func(i int, page []byte) {
		if at := bytes.Index(page, []byte("\x05vorbis")); i > 0 && at >= 0 {
			copy(page[at+7+1+3:], with)
		}
	})
}

// Floor 0, of the first encoders only, goes to ffmpeg.
func TestVorbisFloor0(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	content := editPages(t, "mono16k.ogg", func(i int, page []byte) {
		at := bytes.Index(page, []byte("\x05vorbis"))
		if i == 0 || at < 0 {
			return
		}
		r := lsbReader{b: page[at+7:]}
		for range r.bits(8) + 1 {
			r.codebook()
		}
		r.skip(16 * int(r.bits(6)+1))
		r.bits(6)
		if r.b[r.pos/8]>>(r.pos%8)&1 != 1 {
			t.Fatal("no floor 1 here")
		}
		r.b[r.pos/8] ^= 1 << (r.pos % 8)
	})
	_, _, err := readPath(writeFile(t, "x.ogg", content))
	if !errors.Is(err, ErrNoFFmpeg) {
		t.Fatal(err)
	}
	checkMessage(t, err, "floor 0")
}
