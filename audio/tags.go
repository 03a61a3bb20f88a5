package audio

import (
	"bytes"
	"encoding/binary"
)

// tagLength returns how many bytes a tag of players has, from its first 32, or 0 if
// there is none. Zeros are the padding of one.
func tagLength(b []byte) int {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	switch {
	case zeros > 0:
		return zeros
	case bytes.HasPrefix(b, []byte("TAG+")):
		return 227 // Enhanced TAG, before ID3v1
	case bytes.HasPrefix(b, []byte("TAG")), bytes.HasPrefix(b, []byte("EXT")):
		return 128 // ID3v1, and what ID3v1.2 puts before it
	case bytes.HasPrefix(b, []byte("ID3")) && len(b) >= 10:
		return id3Length(b)
	case bytes.HasPrefix(b, []byte("APETAGEX")) && len(b) >= 24:
		if isHeader := b[23]&0x20 != 0; isHeader {
			return 32 + int(min(binary.LittleEndian.Uint32(b[12:]), 1<<30))
		}
		return 32 // the footer, behind the tag
	}
	return 0
}

// lyricsLength returns the length of a Lyrics3 tag that begins here, or 0. Only its
// end tells it.
func lyricsLength(b []byte) int {
	if !bytes.HasPrefix(b, []byte("LYRICSBEGIN")) {
		return 0
	}
	for _, end := range []string{"LYRICS200", "LYRICSEND"} {
		if at := bytes.Index(b, []byte(end)); at >= 0 {
			return at + len(end)
		}
	}
	return 0
}

// isEndTag tells whether a tag, or what is left of one, begins here, behind the sound.
func isEndTag(b []byte) bool {
	if len(b) > 0 && b[0] == 0 {
		return tagLength(b) == len(b) // zeros alone
	}
	return tagLength(b) > 0 || bytes.HasPrefix(b, []byte("LYRICSBEGIN")) || bytes.HasPrefix(b, []byte("3DI")) ||
		len(bytes.TrimRight(b, "\r\n \t")) == 0
}

// id3Length returns the length of an ID3v2 tag from its first ten bytes: those,
// then what they tell in four times seven bits, then a footer if there is one.
func id3Length(b []byte) int {
	n := 10
	for i, c := range b[6:10] {
		n += int(c&0x7f) << (21 - 7*i)
	}
	if b[5]&0x10 != 0 {
		n += 10
	}
	return n
}
