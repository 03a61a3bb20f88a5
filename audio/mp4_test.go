package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mp4File builds the tables of an MP4 with one track.
type mp4File struct {
	movieScale, timescale uint32
	packets               [][2]uint32 // how many, of what duration
	edits                 [][2]int32  // duration on the movie's clock, start on the track's
	fragments             [][]uint32  // durations of packets; nil: the default, 7
	smpb                  string
	kind                  string // "soun" unless set
}

func mp4Box(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(append(b, kind...), body...)
}

func be32(values ...uint32) (b []byte) {
	for _, x := range values {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

func (f mp4File) build() []byte {
	stts, elst := be32(0, uint32(len(f.packets))), be32(0, uint32(len(f.edits)))
	for _, p := range f.packets {
		stts = append(stts, be32(p[0], p[1])...)
	}
	for _, e := range f.edits {
		elst = append(elst, be32(uint32(e[0]), uint32(e[1]), 1<<16)...)
	}
	kind := f.kind
	if kind == "" {
		kind = "soun"
	}
	track := [][]byte{mp4Box("tkhd", be32(0, 0, 0, 1, 0, 0, 0, 0, 0))}
	if f.edits != nil {
		track = append(track, mp4Box("edts", mp4Box("elst", elst)))
	}
	track = append(track, mp4Box("mdia",
		mp4Box("mdhd", be32(0, 0, 0, f.timescale, 0, 0)),
		mp4Box("hdlr", be32(0, 0), []byte(kind), make([]byte, 12)),
		mp4Box("minf", mp4Box("stbl", mp4Box("stts", stts)))))
	moov := [][]byte{mp4Box("mvhd", be32(0, 0, 0, f.movieScale, 0, 0)), mp4Box("trak", track...)}
	if f.smpb != "" {
		moov = append(moov, mp4Box("udta", mp4Box("meta", be32(0), mp4Box("ilst", mp4Box("----",
			mp4Box("mean", be32(0), []byte("com.apple.iTunes")), mp4Box("name", be32(0), []byte("iTunSMPB")),
			mp4Box("data", be32(1, 0), []byte(f.smpb)))))))
	}
	if f.fragments != nil {
		moov = append(moov, mp4Box("mvex", mp4Box("trex", be32(0, 1, 1, 5, 0, 0))))
	}
	file := append(mp4Box("ftyp", []byte("M4A \x00\x00\x02\x00")), mp4Box("moov", moov...)...)
	file = append(file, mp4Box("mdat", make([]byte, 100))...)
	for _, durations := range f.fragments {
		head, run := be32(8, 1, 7, 0, 0), be32(1, 3, 0)
		if durations != nil {
			run = be32(0x301, uint32(len(durations)), 0)
			for _, d := range durations {
				run = append(run, be32(d, 99)...)
			}
		}
		file = append(file, mp4Box("moof", mp4Box("traf", mp4Box("tfhd", head), mp4Box("trun", run)))...)
	}
	return file
}

func TestMP4Tables(t *testing.T) {
	plain := mp4File{movieScale: 1000, timescale: 16000, packets: [][2]uint32{{33, 1024}, {1, 488}}}
	with := func(change func(f *mp4File)) mp4File {
		f := plain
		change(&f)
		return f
	}
	smpb := fmt.Sprintf(" 00000000 %08X %08X %016X 00000000", 2112, 400, 30000)
	for name, c := range map[string]struct {
		file       mp4File
		start, end int64 // 0, 0: not understood
	}{
		"no edits":           {plain, 0, 34280},
		"ffmpeg's":           {with(func(f *mp4File) { f.edits = [][2]int32{{2079, 1024}} }), 1024, 34280},
		"rounded down":       {with(func(f *mp4File) { f.edits = [][2]int32{{2078, 1024}} }), 1024, 34280},
		"Apple's":            {with(func(f *mp4File) { f.movieScale, f.edits = 16000, [][2]int32{{30000, 2112}} }), 2112, 32112},
		"late":               {with(func(f *mp4File) { f.edits = [][2]int32{{500, -1}, {2079, 1024}} }), 1024, 34280},
		"no duration":        {with(func(f *mp4File) { f.edits = [][2]int32{{0, 1024}} }), 1024, 34280},
		"two edits":          {with(func(f *mp4File) { f.edits = [][2]int32{{10, 0}, {20, 9000}} }), 0, 0},
		"starts behind":      {with(func(f *mp4File) { f.edits = [][2]int32{{10, 99999}} }), 0, 0},
		"iTunes's words":     {with(func(f *mp4File) { f.smpb = smpb }), 2112, 32112},
		"edits before those": {with(func(f *mp4File) { f.smpb, f.edits = smpb, [][2]int32{{2079, 1024}} }), 1024, 34280},
		"more than there is": {with(func(f *mp4File) { f.smpb = strings.Replace(smpb, "7530", "FFFF", 1) }), 0, 34280},
		"fragments":          {with(func(f *mp4File) { f.packets, f.fragments = nil, [][]uint32{{1024, 1024}, {1024, 3}, nil} }), 0, 3*1024 + 3 + 3*7},
		"pictures":           {with(func(f *mp4File) { f.kind = "vide" }), 0, 0},
		"no clock":           {with(func(f *mp4File) { f.timescale = 0 }), 0, 0},
		"too long":           {with(func(f *mp4File) { f.packets = [][2]uint32{{1 << 31, 1 << 31}} }), 0, 0},
	} {
		for _, behind := range []string{"", "<html>no box</html>", "TAG" + strings.Repeat("x", 125)} {
			content := append(c.file.build(), behind...)
			s := readMP4Sound(bytes.NewReader(content), int64(len(content)))
			if s == nil {
				s = &mp4Sound{}
			}
			if s.start != c.start || s.end != c.end {
				t.Errorf("%s and %q: %d to %d, want %d to %d", name, behind, s.start, s.end, c.start, c.end)
			}
		}
	}
}

// What ffmpeg decodes is cut to what the tables tell, whatever ffmpeg would cut off
// itself, at the rate that it decodes to: of six samples at 16 kHz the third and fourth.
func TestMP4IsCutByItsTables(t *testing.T) {
	args := fakeFFmpeg(t, `cat > "$ARGS.stdin"; cat "$WAV"`)
	t.Setenv("WAV", writeFile(t, "six.wav", mono16(1, 2, 3, 4, 5, 6).build()))
	content := mp4File{movieScale: 8000, timescale: 8000, packets: [][2]uint32{{2, 1}}, edits: [][2]int32{{1, 1}}}.build()
	path := writeFile(t, "x.m4a", content)
	for _, open := range []func() (*Reader, error){
		func() (*Reader, error) { return Open(path) },
		func() (*Reader, error) { return NewReader(onlyReader{bytes.NewReader(content)}, path) },
	} {
		r, err := open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(r)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "cut", got, []float32{3. / 32768, 4. / 32768})
		r.Close()
		if given, _ := os.ReadFile(args); !strings.Contains(string(given), "-ignore_editlist\n1\n") {
			t.Errorf("arguments %q", given)
		}
	}
	if fed, _ := os.ReadFile(args + ".stdin"); !bytes.Equal(fed, content) {
		t.Errorf("ffmpeg got %d bytes of the stream, want %d", len(fed), len(content))
	}
}

// Recordings in M4A come back as long as they were, from any ffmpeg.
func TestMP4Lengths(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		args string
		rate int
	}{
		{"-c:a aac -b:a 48k", 16000},
		{"-ar 44100 -ac 2 -c:a aac -movflags +faststart", 44100},
		{"-ar 48000 -c:a alac", 48000},
	} {
		path := filepath.Join(dir, fmt.Sprint(i, ".m4a"))
		realFFmpeg(t, append(append([]string{"-i", "../testdata/speech/en.flac"}, strings.Fields(c.args)...), path)...)
		got, _, err := readPath(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := ReadFile("../testdata/speech/en.flac", c.rate)
		if err != nil {
			t.Fatal(err)
		}
		if want := ResampledLen(33256, 16000, c.rate); int64(len(got)) < want-1 || int64(len(got)) > want {
			t.Errorf("%s: %d samples, want %d", c.args, len(got), want)
		}
		// And begin where they did.
		if snr := signalToNoise(got[:len(got)-1], whole[:len(got)-1]); !(snr > 10) {
			t.Errorf("%s: %.1f dB", c.args, snr)
		}
	}
}

func FuzzMP4(f *testing.F) {
	plain := mp4File{movieScale: 1000, timescale: 16000, packets: [][2]uint32{{33, 1024}, {1, 488}}, edits: [][2]int32{{2079, 1024}}}
	f.Add(plain.build())
	plain.fragments, plain.smpb = [][]uint32{{1, 2}, nil}, " 0 1 2 3"
	f.Add(plain.build())
	f.Fuzz(func(t *testing.T, content []byte) {
		if s := readMP4Sound(bytes.NewReader(content), int64(len(content))); s != nil {
			if start, end := s.frames(48000); start < 0 || end < start {
				t.Fatalf("%d to %d", start, end)
			}
		}
		if head := mp4Head(bytes.NewReader(content)); !bytes.HasPrefix(content, head) {
			t.Fatal("other bytes than were read")
		}
	})
}
