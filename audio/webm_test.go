package audio

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var webmClips = []clip{
	{"recording.webm", Info{"webm", "opus", 48000, 1, -1}, 100},
	{"video.webm", Info{"webm", "opus", 48000, 2, -1}, 100},
}

func TestWebMAgainstReference(t *testing.T) { checkClips(t, webmClips) }

// replaceOnce is content with one place of it changed, to the same length.
func replaceOnce(t testing.TB, content []byte, from, to string) []byte {
	t.Helper()
	if bytes.Count(content, []byte(from)) != 1 || len(from) != len(to) {
		t.Fatalf("%x is not there once", from)
	}
	return bytes.Replace(content, []byte(from), []byte(to), 1)
}

// A browser does not know a cluster's size either when it begins to write it.
func TestWebMClusterOfUnknownSize(t *testing.T) {
	want, _ := mustRead(t, "recording.webm")
	content := bytes.Clone(clipBytes(t, "recording.webm"))
	at := bytes.Index(content, []byte("\x1f\x43\xb6\x75"))
	if at < 0 || content[at+4]>>6 != 1 {
		t.Fatal("no cluster with a size of two bytes")
	}
	copy(content[at+4:], "\x7f\xff")
	mustEqual(t, "unknown size", mustReadBytes(t, content), want)
}

// Where OpusHead tells of no samples to skip, the track's delay counts: 6.5 ms.
func TestWebMCodecDelay(t *testing.T) {
	want, _ := mustRead(t, "recording.webm")
	content := replaceOnce(t, clipBytes(t, "recording.webm"), "OpusHead\x01\x01\x38\x01", "OpusHead\x01\x01\x00\x00")
	mustEqual(t, "by delay", mustReadBytes(t, content), want)
	without := replaceOnce(t, content, "\x56\xaa\x83\x63\x2e\xa0", "\x56\xaa\x83\x00\x00\x00")
	mustEqual(t, "without delay", mustReadBytes(t, without)[312:], want)
}

func TestUnlace(t *testing.T) {
	long := strings.Repeat("L", 300)
	for _, c := range []struct {
		lacing byte
		block  string
		want   []string
	}{
		{0, "abc", []string{"abc"}},
		{1, "\x02\x01\xff\x2da" + long + "rest", []string{"a", long, "rest"}},
		{2, "\x02aabbcc", []string{"aa", "bb", "cc"}},
		{3, "\x02\x83\xbeaaabbrest", []string{"aaa", "bb", "rest"}},
		{3, "\x00all", []string{"all"}},
		{1, "", nil}, {1, "\x01", nil}, {1, "\x01\xff\xff", nil}, {1, "\x01\x05abc", nil},
		{2, "\x01abc", nil}, {3, "\x01", nil}, {3, "\x02\x81\x80a", nil}, {3, "\x01\x08\xff\xff\xff\xff", nil},
	} {
		frames, err := unlace(nil, []byte(c.block), c.lacing)
		if c.want == nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("lacing %d of %q: %q, %v", c.lacing, c.block, frames, err)
			}
			continue
		}
		if got := fmt.Sprintf("%q", frames); err != nil || got != fmt.Sprintf("%q", c.want) {
			t.Errorf("lacing %d of %q: %s, %v", c.lacing, c.block, got, err)
		}
	}
}

func TestWebMFaults(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	recording, video := clipBytes(t, "recording.webm"), clipBytes(t, "video.webm")
	const head = "\x1a\x45\xdf\xa3\x80"
	const segment = head + "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
	cluster := bytes.Index(recording, []byte("\x1f\x43\xb6\x75"))
	for name, c := range map[string]struct {
		content []byte
		fault   error
		say     string
	}{
		"only magic":        {[]byte(head[:4]), ErrTruncated, "WebM"},
		"only head":         {[]byte(head), ErrTruncated, "tracks"},
		"only segment":      {[]byte(segment), ErrTruncated, "tracks"},
		"no clusters":       {recording[:cluster], ErrEmpty, "no samples"},
		"cut":               {video[:len(video)/2], ErrTruncated, ""},
		"text behind":       {[]byte(segment + strings.Repeat("This is no sound. ", 100)), ErrTruncated, ""},
		"zeros behind":      {[]byte(segment + strings.Repeat("\x00", 100)), ErrCorrupt, "no WebM element"},
		"huge tracks":       {[]byte(segment + "\x16\x54\xae\x6b\x01\x00\xff\xff\xff\xff\xff\xff"), ErrCorrupt, "bytes"},
		"tracks, cut":       {[]byte(segment + "\x16\x54\xae\x6b\x10\x0f\xff\xff"), ErrTruncated, "within"},
		"tracks of unknown": {[]byte(segment + "\x16\x54\xae\x6b\x01\xff\xff\xff\xff\xff\xff\xff"), ErrCorrupt, "unknown size"},
		"empty tracks":      {[]byte(segment + "\x16\x54\xae\x6b\x80"), ErrNoFFmpeg, "without sound"},
		"huge child":        {[]byte(segment + "\x16\x54\xae\x6b\x83\xae\xff\x00"), ErrCorrupt, "larger"},
		"sound first":       {[]byte(segment + "\xa3\x84\x81\x00\x00\x80"), ErrCorrupt, "before the tracks"},
		"Vorbis":            {replaceOnce(t, recording, "A_OPUS", "A_VORB"), ErrNoFFmpeg, "without Opus"},
		"bad head":          {replaceOnce(t, recording, "OpusHead", "OpusHeat"), ErrCorrupt, "Opus header"},
		"two":               {append(bytes.Clone(recording), recording...), ErrUnsupported, "second"},
		"huge block":        {append(bytes.Clone(recording), "\xa3\x01\x00\x00\xff\xff\xff\xff\xff\x81"...), ErrCorrupt, "bytes"},
	} {
		_, _, err := readPath(writeFile(t, "x", c.content))
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %v, want %v", name, err, c.fault)
			continue
		}
		checkMessage(t, err, c.say)
	}
}
