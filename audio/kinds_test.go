package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tarOf is a tar archive with one file, of the old kind without "ustar".
func tarOf(name string, content []byte) []byte {
	head := make([]byte, 512)
	copy(head, name)
	copy(head[100:], "0000644\x00")
	copy(head[124:], "00000001000\x00")
	copy(head[148:], "        ")
	sum := 0
	for _, c := range head {
		sum += int(c)
	}
	for i := range 6 {
		head[148+i] = '0' + byte(sum>>(3*(5-i))&7)
	}
	head[154], head[155] = 0, ' '
	return append(head, content...)
}

// Archives and tables are refused by name and never reach ffmpeg, though what is in them
// may be sound.
func TestArchivesAreNoRecordings(t *testing.T) {
	args := fakeFFmpeg(t, `cat "$WAV"`)
	mp3 := clipBytes(t, "stereo44k.mp3")
	record := binary.LittleEndian.AppendUint64(nil, uint64(len(mp3)))
	sum := crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli))
	record = binary.LittleEndian.AppendUint32(record, (sum>>15|sum<<17)+0xa282ead8)
	arrow := []byte("\xff\xff\xff\xff\x88\x00\x00\x00\x10\x00\x00\x00\x0c\x00\x0e\x00")
	for name, c := range map[string]struct {
		head []byte
		say  string
	}{
		"tar":           {tarOf("a.mp3", nil), "a tar archive"},
		"zip":           {[]byte("PK\x03\x04\x14\x00"), "a ZIP archive"},
		"gzip":          {[]byte("\x1f\x8b\x08\x00"), "a gzip file"},
		"zstd":          {[]byte("\x28\xb5\x2f\xfd"), "a Zstandard file"},
		"xz":            {[]byte("\xfd7zXZ\x00"), "an xz file"},
		"7z":            {[]byte("7z\xbc\xaf\x27\x1c"), "a 7z archive"},
		"rar":           {[]byte("Rar!\x1a\x07\x01\x00"), "a RAR archive"},
		"Parquet":       {[]byte("PAR1\x15\x04"), "a Parquet table"},
		"Arrow":         {[]byte("ARROW1\x00\x00"), "an Arrow table"},
		"Arrow stream":  {arrow, "an Arrow table"},
		"TFRecord":      {record, "a TFRecord file"},
		"HDF5":          {[]byte("\x89HDF\r\n\x1a\n"), "an HDF5 file"},
		"NumPy":         {[]byte("\x93NUMPY\x01\x00"), "a NumPy array"},
		"SQLite":        {[]byte("SQLite format 3\x00"), "an SQLite database"},
		"tar, with ID3": {append([]byte("ID3\x04\x00\x00\x00\x00\x00\x02ab"), tarOf("a.mp3", nil)...), "a tar archive"},
		"pickle":        {[]byte("\x80\x02U\x03abcq\x00."), "a pickle"},
		"web archive":   {[]byte("WARC/1.0\r\nWARC-Type: response\r\n\r\n"), "a web archive"},
		"ROS bag":       {[]byte("#ROSBAG V2.0\n"), "a ROS bag"},
		"LMDB":          {append(append(make([]byte, 16), "\xde\xc0\xef\xbe"...), make([]byte, 4000)...), "an LMDB database"},
		"safetensors":   {[]byte("\x10\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":{"), "a safetensors file"},
		"Kaldi":         {[]byte("speaker1-clip1 RIFF\x10\x00\x00\x00WAVE"), "a Kaldi archive"},
		"script":        {[]byte("#!/bin/sh\nexec unzip $0\n"), "a script"},
	} {
		content := append(bytes.Clone(c.head), mp3...)
		for _, read := range []func() (*Reader, error){
			func() (*Reader, error) { return Open(writeFile(t, "x.mp3", content)) },
			func() (*Reader, error) { return NewReader(bytes.NewReader(content), "x.mp3") },
		} {
			_, err := read()
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkMessage(t, err, "x.mp3", c.say, "not one recording")
		}
	}
	if _, err := os.Stat(args); err == nil {
		t.Error("ffmpeg was asked")
	}
}

// Files of this program are refused with what they are.
func TestOwnFilesAreNoRecordings(t *testing.T) {
	args := fakeFFmpeg(t, `cat "$WAV"`)
	for head, say := range map[string]string{"\x89FAC\r\n\x1a\n": "decode it first", "facvoice": "the timbre of a voice"} {
		_, err := NewReader(strings.NewReader(head+"\x01\x00 and more"), "x.wav")
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: %v", head, err)
			continue
		}
		checkMessage(t, err, "x.wav", say)
	}
	if _, err := os.Stat(args); err == nil {
		t.Error("ffmpeg was asked")
	}
}

// testLists are lists that name a sound file beside them.
var testLists = map[string]struct{ content, say string }{
	"x.m3u8":     {"#EXTM3U\n#EXTINF:1,\nfine.wav\n#EXT-X-ENDLIST\n", "M3U"},
	"late.m3u8":  {"# made by hand\n#EXTM3U\n#EXTINF:1,\nfine.wav\n", "M3U"},
	"bom.m3u":    {"\xef\xbb\xbf#EXTM3U\nfine.wav\n", "M3U"},
	"utf16.m3u":  {"\xff\xfe#\x00E\x00X\x00T\x00M\x003\x00U\x00\n\x00", "M3U"},
	"x.ffconcat": {"ffconcat version 1.0\nfile 'fine.wav'\n", "ffconcat"},
	"x.pls":      {"[playlist]\nFile1=fine.wav\n", "PLS"},
	"x.xspf":     {"<?xml version=\"1.0\"?>\n<playlist version=\"1\"><location>fine.wav</location></playlist>", "XSPF"},
	"x.mpd":      {"<?xml version=\"1.0\"?>\n<!-- x -->\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">fine.wav</MPD>", "DASH"},
	"x.asx":      {"<ASX version=\"3.0\"><ref href=\"fine.wav\"/></ASX>", "ASX"},
	"x.sdp":      {"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "SDP"},
	"x.cue":      {"FILE \"fine.wav\" WAVE\n", "cue sheet"},
	"named.cue":  {"PERFORMER \"x\"\nTITLE \"y\"\nFILE \"fine.wav\" WAVE\n  TRACK 01 AUDIO\n", "cue sheet"},
	"plain.m3u":  {"# songs\n\nfine.wav\nother.mp3\n", "list of files"},
	"x.ram":      {"http://localhost/fine.wav\n", "list of addresses"},
}

// Of formats that are not known, what holds several MP3s is told by the second, which has
// a head of its own behind bytes that are of none.
func TestSeveralMP3AreNoRecording(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	mp3 := clipBytes(t, "stereo44k.mp3")
	for name, content := range map[string][]byte{
		"one behind the other": bytes.Join([][]byte{[]byte("\x02\x00\x00\x00\x0c\x00\x00\x00"), mp3, mp3}, nil),
		"names between":        bytes.Join([][]byte{mp3, []byte("\xa5audio\xc6"), mp3}, nil),
	} {
		for _, r := range []func() (*Reader, error){
			func() (*Reader, error) { return Open(writeFile(t, "x.bin", content)) },
			func() (*Reader, error) { return NewReader(bytes.NewReader(content), "x.bin") },
		} {
			r, err := r()
			if err == nil {
				_, err = readAll(r)
				r.Close()
			}
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkMessage(t, err, "another MP3 begins at byte")
		}
	}
	joined := bytes.Join([][]byte{[]byte("\r\n"), mp3, mp3}, nil)
	if _, _, err := readPath(writeFile(t, "joined.mp3", joined)); err != nil {
		t.Errorf("two joined: %v", err)
	}
}

// What stands for a file that was not fetched is told by name.
func TestStandInsAreNoRecordings(t *testing.T) {
	fakeFFmpeg(t, `cat "$WAV"`)
	for content, say := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n": "git lfs pull",
		"<!DOCTYPE html>\n<html><body>404</body></html>":                            "HTML page",
		"\n<HTML><head></head></HTML>":                                              "HTML page",
	} {
		_, err := Open(writeFile(t, "x.wav", []byte(content)))
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: %v", content, err)
			continue
		}
		checkMessage(t, err, say)
	}
}

// Lists of files are told by name, before ffmpeg starts.
func TestListsAreNoRecordings(t *testing.T) {
	args := fakeFFmpeg(t, `cat "$WAV"`)
	for name, list := range testLists {
		path := writeFile(t, name, []byte(list.content))
		_, err := Open(path)
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMessage(t, err, path, list.say, "only names other files")
	}
	if _, err := os.Stat(args); err == nil {
		t.Error("ffmpeg was asked")
	}
}

// And ffmpeg, were it asked, does not open what they name.
func TestFFmpegOpensNoLists(t *testing.T) {
	realFFmpeg(t, "-version")
	dir := t.TempDir()
	fine := filepath.Join(dir, "fine.wav")
	if err := os.WriteFile(fine, mono16(1, 2, 3).build(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, list := range testLists {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(list.content), 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := openSource(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		dec, err := newFFmpeg(src, "")
		if err == nil {
			dec.close()
		} else {
			src.close()
		}
		if !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrFFmpeg) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExtensions(t *testing.T) {
	seen := map[string]bool{}
	for _, ext := range Extensions() {
		if seen[ext] || ext != strings.ToLower(ext) || !strings.HasPrefix(ext, ".") {
			t.Errorf("extension %q", ext)
		}
		seen[ext] = true
	}
	for _, name := range []string{"a.WAV", "dir/b.sph", "c.3gp", "d.mp4", "e.x.flac"} {
		if !HasExtension(name) {
			t.Errorf("%s is not taken for sound", name)
		}
	}
	for _, name := range []string{"a", "a.txt", "wav", "a.wav.json", "a.m3u8"} {
		if HasExtension(name) {
			t.Errorf("%s is taken for sound", name)
		}
	}
}
