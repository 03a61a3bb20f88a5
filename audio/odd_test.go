package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

// What is odd about a file and loses no sound: the same samples, a notice (or none, for
// tags, which are usual), and the error of a strict reader.
func TestOddFiles(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	mp3, opus, vorbis := clipBytes(t, "stereo44k.mp3"), clipBytes(t, "speech.opus"), clipBytes(t, "stereo44k.ogg")
	_, untagged := mp3, clipBytes(t, "untagged48k.mp3")
	ape := append([]byte("APETAGEX\xd0\x07\x00\x00\x2a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xa0"), make([]byte, 8+10)...)
	footer := append([]byte("APETAGEX\xd0\x07\x00\x00\x2a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x80"), make([]byte, 8)...)
	id3v1 := append([]byte("TAG"), strings.Repeat("x", 125)...)
	tags := map[string][]byte{
		"ID3v1":            id3v1,
		"ID3v1.2":          append(append([]byte("EXT"), strings.Repeat("y", 125)...), id3v1...),
		"enhanced TAG":     append(append([]byte("TAG+"), strings.Repeat("y", 223)...), id3v1...),
		"Lyrics3":          append([]byte("LYRICSBEGININD0000200LYR00005\xff\xfb\x94\xc4 000040LYRICS200"), id3v1...),
		"old Lyrics3":      append([]byte("LYRICSBEGINla la laLYRICSEND"), id3v1...),
		"APE":              append(bytes.Clone(ape), footer...),
		"ID3v2 at the end": []byte("ID3\x04\x00\x10\x00\x00\x00\x05abcde3DI\x04\x00\x10\x00\x00\x00\x05"),
		"zeros":            make([]byte, 5000),
	}
	junk := map[string][]byte{
		"a newline":        []byte("\n"),
		"an APE footer":    append([]byte("Title\x00x\x00"), footer...),
		"a text":           []byte(strings.Repeat("This is no sound. ", 9000)),
		"what seems frame": append(bytes.Clone(mp3[:2]), 0x90, 0x00, 1, 2, 3, 4),
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	type odd struct {
		name    string
		content []byte
		of      []byte // has the same samples
		notice  string // "": none
		fault   error  // of a strict reader
	}
	var cases []odd
	for name, tag := range tags {
		notice, fault := "", error(nil)
		if name == "ID3v2 at the end" {
			tag = tag[:15+10] // its footer is a part of it
		}
		cases = append(cases, odd{"MP3 and " + name, join(mp3, tag), mp3, notice, fault},
			odd{"untagged MP3 and " + name, join(untagged, tag), untagged, notice, fault},
			odd{"Ogg and " + name, join(vorbis, tag), vorbis, "behind the last Ogg page", ErrCorrupt})
	}
	for name, bytes := range junk {
		cases = append(cases, odd{"MP3 and " + name, join(mp3, bytes), mp3, "MP3 frame", nil},
			odd{"untagged MP3 and " + name, join(untagged, bytes), untagged, "MP3 frame", nil},
			odd{"Ogg and " + name, join(opus, bytes), opus, "behind the last Ogg page", ErrCorrupt})
	}
	for name, front := range map[string][]byte{"zeros": make([]byte, 1001), "many zeros": make([]byte, 200001), "a newline": []byte("\r\n"), "a text": []byte("This is no sound: \xff\xfb.")} {
		cases = append(cases, odd{name + " and MP3", join(front, mp3), mp3, "before the sound", ErrCorrupt},
			odd{name + " and Ogg", join(front, opus), opus, "before the sound", ErrCorrupt})
	}
	cases = append(cases, odd{"ID3, zeros and MP3", join([]byte("ID3\x04\x00\x00\x00\x00\x00\x02ab"), make([]byte, 100), mp3), mp3, "before the sound", ErrCorrupt})

	webm := clipBytes(t, "video.webm")
	flac := flacFile{rate: 16000, bits: 16, samples: flacSamples(1, 150, 16, 8), block: 64, subframe: fixed2}.build()
	cases = append(cases,
		odd{"WebM and text", join(webm, junk["a text"]), webm, "behind the end of the WebM", ErrCorrupt},
		odd{"WebM and zeros", join(webm, make([]byte, 500)), webm, "behind the end of the WebM", ErrCorrupt},
		odd{"WebM and an ID3 tag", join(webm, id3v1), webm, "behind the end of the WebM", ErrCorrupt},
		odd{"FLAC and text", join(flac, junk["a text"]), flac, "behind the last FLAC frame", ErrCorrupt})

	pages := oggPages(t, vorbis)
	numbered := func(number func(i int) int) []byte {
		return editPages(t, "stereo44k.ogg", func(i int, page []byte) { binary.LittleEndian.PutUint32(page[18:], uint32(number(i))) })
	}
	flags := func(i int, set, clear byte) []byte {
		return editPages(t, "stereo44k.ogg", func(k int, page []byte) {
			if k == i || i < 0 && k == len(pages)+i {
				page[5] = page[5]&^clear | set
			}
		})
	}
	bitten := bytes.Clone(pages[2])
	cases = append(cases,
		odd{"numbers with a hole", numbered(func(i int) int { return i + i/2*7 }), vorbis, "numbers", ErrCorrupt},
		odd{"numbers that start anew", numbered(func(i int) int { return i % 2 }), vorbis, "numbers", ErrCorrupt},
		odd{"numbers that are one", numbered(func(i int) int { return 0 }), vorbis, "numbers", ErrCorrupt},
		odd{"bytes between pages", join(pages[0], []byte("some bytes"), pages[1], []byte("OggS and more"), join(pages[2:]...)), vorbis, "between Ogg pages", ErrCorrupt},
		odd{"a damaged copy of a page", join(join(pages[:2]...), append(bitten[:len(bitten)-1], bitten[len(bitten)-1]^1), join(pages[2:]...)), vorbis, "between Ogg pages", ErrCorrupt},
		odd{"a page twice", join(join(pages[:3]...), pages[2], join(pages[3:]...)), vorbis, "twice", ErrCorrupt},
		odd{"the flag of the last page amid", flags(2, oggLast, 0), vorbis, "behind the last of its stream", ErrCorrupt},
		odd{"mapping family 1", withMapping(t, 1, "\x01\x00\x00"), opus, "", nil},
	)
	for _, c := range cases {
		want, _, err := readPath(writeFile(t, "plain", c.of))
		if err != nil {
			t.Fatal(err)
		}
		path := writeFile(t, "odd", c.content)
		for _, open := range []func() (*Reader, error){
			func() (*Reader, error) { return Open(path) },
			func() (*Reader, error) { return NewReader(onlyReader{bytes.NewReader(c.content)}, path) },
		} {
			r, err := open()
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			got, err := readAll(r)
			if err != nil || len(got) != len(want) {
				t.Errorf("%s: %d samples, %v, want %d", c.name, len(got), err, len(want))
				continue
			}
			mustEqual(t, c.name, got, want)
			if notices := strings.Join(r.Notices(), "; "); !strings.Contains(notices, c.notice) || c.notice == "" && notices != "" {
				t.Errorf("%s: notices %q, want %q", c.name, notices, c.notice)
			}
			r.Close()
		}
		if _, _, err := readStrict(path); c.notice == "" && err != nil || c.notice != "" && err == nil || c.fault != nil && !errors.Is(err, c.fault) {
			t.Errorf("%s: a strict reader says %v", c.name, err)
		}
	}
}

// Float samples in the scale of integers are told at the end, and those that are loud are not.
func TestIntegersAsFloats(t *testing.T) {
	for _, bits := range []int{32, 64} {
		for peak, want := range map[float64]string{3.9: "", 32767: "its peak is 32767 of full scale 1"} {
			f := wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: bits, data: encodeFloats(binary.LittleEndian, bits, 0.5, -peak, 0)}
			path := writeFile(t, "x.wav", f.build())
			r, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if notices := strings.Join(r.Notices(), "; "); err != nil || len(got) != 3 || got[1] != float32(-peak) || !strings.HasPrefix(notices, want) || want == "" && notices != "" {
				t.Errorf("%d bits, peak %g: %v, %v, notices %q", bits, peak, got, err, notices)
			}
			r.Close()
			if _, _, err := readStrict(path); want == "" && err != nil || want != "" && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bits, peak %g: a strict reader says %v", bits, peak, err)
			}
		}
	}
}

// A count that cannot be one, zero or less than what was before, cuts off nothing.
func TestOggWithWrongCounts(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"speech.opus", "stereo44k.ogg"} {
		all := mustReadBytes(t, editPages(t, name, func(i int, page []byte) { page[5] &^= oggLast }))
		for what, content := range map[string][]byte{
			"zeros": editPages(t, name, func(i int, page []byte) { clear(page[6:14]) }),
			"zero on the last page": editPages(t, name, func(i int, page []byte) {
				if page[5]&oggLast != 0 {
					clear(page[6:14])
				}
			}),
		} {
			got := mustReadBytes(t, content)
			mustEqual(t, name+", "+what, got, all)
			if _, _, err := readStrict(writeFile(t, name, content)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s, %s: a strict reader says %v", name, what, err)
			}
		}
	}
}

// What follows the end of a FLAC is not passed over if it is another.
func TestJoinedFLAC(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		flac := flacFile{rate: 16000, bits: 16, samples: flacSamples(1, 150, 16, 8), block: 64, subframe: fixed2}.build()
		if unknown {
			flac[21] &= 0xF0
			clear(flac[22:26])
		}
		_, _, err := readPath(writeFile(t, "two.flac", append(bytes.Clone(flac), flac...)))
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("of unknown length %v: %v", unknown, err)
		}
	}
}

// Zeros alone are no recording.
func TestZeros(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for n, fault := range map[int]error{100: ErrNoFFmpeg, 300000: ErrEmpty} {
		if _, _, err := readPath(writeFile(t, "x.mp3", make([]byte, n))); !errors.Is(err, fault) {
			t.Errorf("%d zeros: %v", n, err)
		}
	}
}

// Without its last page's flag a stream has no end that is cut off.
func TestOggWithoutLastPage(t *testing.T) {
	for _, name := range []string{"speech.opus", "stereo44k.ogg"} {
		whole, _ := mustRead(t, name)
		open := editPages(t, name, func(i int, page []byte) { page[5] &^= oggLast })
		got := mustReadBytes(t, open)
		if len(got) < len(whole) || len(got) > len(whole)+5760 {
			t.Errorf("%s: %d samples, want %d or some more", name, len(got), len(whole))
		}
		mustEqual(t, name, got[:len(whole)], whole)
		// Another recording behind such a one.
		both := mustReadBytes(t, append(bytes.Clone(open), open...))
		mustEqual(t, name+" twice", both, append(append([]float32{}, got...), got...))
	}
}

// Where pages, and sound with them, are missing, it is an error with the number of
// samples.
func TestOggWithMissingSound(t *testing.T) {
	for _, name := range []string{"stereo44k.ogg", "stereo.opus"} {
		pages := oggPages(t, clipBytes(t, name))
		for _, flip := range []bool{false, true} {
			lost := len(pages) - 2
			if lost < 3 {
				continue
			}
			changed := bytes.Join(append(append([][]byte{}, pages[:lost]...), pages[lost+1:]...), nil)
			if flip {
				changed = bytes.Join(pages, nil)
				changed[len(bytes.Join(pages[:lost], nil))+100] ^= 4
			}
			_, _, err := readPath(writeFile(t, "x.ogg", changed))
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkMessage(t, err, "missing before")
		}
	}
}

// A recording cut out of an MP3 keeps the count of the whole; with a part of a frame at
// the end, too.
func TestTrimmedMP3(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	content := clipBytes(t, "stereo44k.mp3")
	whole, _ := mustRead(t, "stereo44k.mp3")
	var frames []int // where they begin
	for at := 0; at < len(content); {
		h, _ := parseMP3Header(content[at:])
		frames = append(frames, at)
		at += h.size
	}
	for _, c := range []struct {
		n       int
		samples int // of whole frames
		notice  string
	}{
		{frames[10], 9*1152 - 576 - mp3Decay, "the MP3 tag tells of"},
		{frames[10] + 2, 9*1152 - 576 - mp3Decay, "in the header"},
		{frames[10] + 20, 9*1152 - 576 - mp3Decay, "the last MP3 frame has 20"},
		{frames[11] - 1, 10*1152 - 576 - mp3Decay, "the last MP3 frame has"},
	} {
		path := writeFile(t, "x.mp3", content[:c.n])
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(r)
		if err != nil || len(got) != c.samples || r.Samples() != int64(c.samples) {
			t.Errorf("cut to %d bytes: %d samples, %v, want %d", c.n, len(got), err, c.samples)
		}
		mustEqual(t, "cut", got[:9*1152-576-mp3Decay], whole[:9*1152-576-mp3Decay])
		if !strings.Contains(strings.Join(r.Notices(), "; "), c.notice) {
			t.Errorf("cut to %d bytes: notices %q", c.n, r.Notices())
		}
		r.Close()
		if _, _, err := readStrict(path); !errors.Is(err, ErrTruncated) {
			t.Errorf("cut to %d bytes: a strict reader says %v", c.n, err)
		}
	}
	// A frame destroyed amid: the tag tells that it was one.
	damaged := bytes.Clone(content)
	for i := frames[6]; i < frames[8]; i++ {
		damaged[i] = 'x'
	}
	if _, _, err := readPath(writeFile(t, "x.mp3", damaged)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("two frames destroyed: %v", err)
	}
}

func TestOddWAV(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	with := func(change func(f *wavFile)) []byte {
		f := mono16(1, 2, 3)
		change(&f)
		return f.build()
	}
	long := rf64(6, 1, 2, 3)
	data := bytes.LastIndex(long, []byte("data"))
	wrong := bytes.Clone(long)
	binary.LittleEndian.PutUint32(wrong[data+4:], 4)
	bw64 := append([]byte("BW64"), wrong[4:]...)
	plain := mono16(1, 2, 3).build()
	tag := []byte("ID3\x04\x00\x00\x00\x00\x00\x03abc")
	for name, c := range map[string]struct {
		content []byte
		samples int
		notice  string
	}{
		"odd size":            {with(func(f *wavFile) { f.dataSize, f.after = u32(7), []byte{9, 9} }), 3, "not whole frames"},
		"odd size, cut":       {with(func(f *wavFile) { f.dataSize = u32(7) }), 3, "not whole frames"},
		"half a frame":        {plain[:len(plain)-1], 2, "the last frame has 1 of 2 bytes"},
		"half a frame, pipe":  {with(func(f *wavFile) { f.dataSize, f.after = u32(math.MaxUint32), []byte{1} }), 3, "the last frame has 1 of 2"},
		"RF64, wrong size":    {wrong, 3, "ds64"},
		"BW64, wrong size":    {bw64, 3, "ds64"},
		"behind ID3":          {append(bytes.Clone(tag), plain...), 3, "ID3"},
		"RF64 behind ID3":     {append(bytes.Clone(tag), long...), 3, "ID3"},
		"pipe behind ID3":     {append(bytes.Clone(tag), with(func(f *wavFile) { f.dataSize = u32(0); f.riffSize = u32(0) })...), 3, "ID3"},
		"no size of frames":   {zeroAlign(plain), 3, "frames of 0 bytes"},
		"tags behind samples": {with(func(f *wavFile) { f.after = []byte("LIST\x04\x00\x00\x00INFO") }), 3, ""},
	} {
		path := writeFile(t, "x.wav", c.content)
		want := []float32{1. / 32768, 2. / 32768, 3. / 32768}[:c.samples]
		for _, open := range []func() (*Reader, error){
			func() (*Reader, error) { return Open(path) },
			func() (*Reader, error) { return NewReader(onlyReader{bytes.NewReader(c.content)}, path) },
		} {
			r, err := open()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := readAll(r)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mustEqual(t, name, got, want)
			if !strings.Contains(strings.Join(r.Notices(), "; "), c.notice) {
				t.Errorf("%s: notices %q", name, r.Notices())
			}
			r.Close()
		}
		if _, _, err := readStrict(path); (err == nil) != (c.notice == "") {
			t.Errorf("%s: a strict reader says %v", name, err)
		}
	}
}

func zeroAlign(wav []byte) []byte {
	wav = bytes.Clone(wav)
	clear(wav[32:34])
	return wav
}

// Tags stand behind a FLAC whose length its encoder did not know, too.
func TestFLACOfUnknownLengthWithTags(t *testing.T) {
	unknown := int64(0)
	for _, noMD5 := range []bool{true, false} {
		f := flacFile{rate: 16000, bits: 16, samples: flacSamples(1, 150, 16, 8), block: 64, subframe: fixed2, noMD5: noMD5, count: &unknown}
		plain := f.build()
		want, _, err := readPath(writeFile(t, "x.flac", plain))
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range []string{"TAG" + strings.Repeat("x", 125), "ID3\x04\x00\x00\x00\x00\x00\x03abc", "LYRICSBEGINxLYRICSEND",
			"APETAGEX\xd0\x07\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa0" + strings.Repeat("\x00", 8), "\n", strings.Repeat("\x00", 4096)} {
			got, _, err := readStrict(writeFile(t, "x.flac", append(bytes.Clone(plain), tag...)))
			if err != nil {
				t.Errorf("%.12q behind: %v", tag, err)
				continue
			}
			mustEqual(t, tag, got, want)
		}
	}
}
