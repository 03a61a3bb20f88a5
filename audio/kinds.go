package audio

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"unicode"
)

// kindBytes is how much of a file is looked at to find out what it is.
const kindBytes = 4 << 10

// notOneRecording names a kind of file that no decoder may get: one that holds many
// files, or a list of files and addresses, which ffmpeg would open in turn. It returns
// "" for all else. head is the beginning of the file.
func notOneRecording(head []byte) error {
	if kind := archiveKind(head); kind != "" {
		return faultf(ErrUnsupported, "%s is not one recording; unpack it and name the recordings in it", kind)
	}
	if bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/")) {
		return faultf(ErrUnsupported, "a pointer of Git LFS stands for the file; git lfs pull fetches it")
	}
	for _, own := range ownKinds {
		if bytes.HasPrefix(head, []byte(own.magic)) {
			return faultf(ErrUnsupported, "%s", own.what)
		}
	}
	if kind := pageKind(head); kind != "" {
		return faultf(ErrUnsupported, "%s is no recording", kind)
	}
	if kind := listKind(head); kind != "" {
		return faultf(ErrUnsupported, "%s only names other files, which are not opened for it; name the recordings themselves", kind)
	}
	return nil
}

// ownKinds are files of this program that are no recordings (docs/fac.md, docs/voice.md).
var ownKinds = []struct{ magic, what string }{
	{"\x89FAC\r\n\x1a\n", "a .fac file holds the codes of a recording; decode it first"},
	{"facvoice", "a .voice file holds the timbre of a voice, and no recording"},
}

// archives are told by how they begin.
var archives = []struct{ magic, kind string }{
	{"PK\x03\x04", "a ZIP archive"}, {"PK\x05\x06", "a ZIP archive"}, {"PK\x07\x08", "a ZIP archive"},
	{"\x1f\x8b", "a gzip file"}, {"\x1f\x9d", "a compress file"}, {"BZh", "a bzip2 file"},
	{"\xfd7zXZ\x00", "an xz file"}, {"\x28\xb5\x2f\xfd", "a Zstandard file"}, {"\x04\x22\x4d\x18", "an LZ4 file"},
	{"LZIP", "an lzip file"}, {"\x5d\x00\x00", "an LZMA file"}, {"\xff\x06\x00\x00sNaPpY", "a Snappy file"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"}, {"Rar!\x1a\x07", "a RAR archive"}, {"MSCF", "a cabinet archive"},
	{"xar!", "a xar archive"}, {"!<arch>\n", "an ar archive"},
	{"070701", "a cpio archive"}, {"070702", "a cpio archive"}, {"070707", "a cpio archive"},
	{"PAR1", "a Parquet table"}, {"PARE", "a Parquet table"}, {"ARROW1", "an Arrow table"}, {"FEA1", "a Feather table"},
	{"ORC", "an ORC table"}, {"Obj\x01", "an Avro table"}, {"\x89HDF\r\n\x1a\n", "an HDF5 file"}, {"CDF\x01", "a NetCDF file"},
	{"CDF\x02", "a NetCDF file"}, {"SQLite format 3\x00", "an SQLite database"}, {"\x93NUMPY", "a NumPy array"},
	{"MATLAB 5.0 MAT", "a MATLAB file"}, {"\x80\x04\x95", "a pickle"}, {"\x80\x05\x95", "a pickle"},
	{"\x80\x02", "a pickle"}, {"\x80\x03", "a pickle"}, {"\x80\x04", "a pickle"}, {"\x80\x05", "a pickle"},
	{"WARC/", "a web archive"}, {"#ROSBAG", "a ROS bag"}, {"\x89MCAP0\r\n", "an MCAP file"}, {"hsqs", "a SquashFS image"},
	{"From: ", "a mail"}, {"From ", "a mailbox"}, {"MIME-Version: ", "a mail"}, {"Return-Path: ", "a mail"}, {"Received: ", "a mail"},
	{"#!", "a script"}, {"CDF\x05", "a NetCDF file"}, {"PACK", "a Git pack"}, {"wOFF", "a font"}, {"GGUF", "a GGUF file"},
}

func archiveKind(head []byte) string {
	for _, a := range archives {
		if bytes.HasPrefix(head, []byte(a.magic)) {
			return a.kind
		}
	}
	switch {
	case isTar(head):
		return "a tar archive"
	case isArrowStream(head):
		return "an Arrow table"
	case isTFRecord(head):
		return "a TFRecord file"
	case len(head) >= 28 && (binary.LittleEndian.Uint32(head[16:]) == lmdbMagic || binary.LittleEndian.Uint32(head[24:]) == lmdbMagic):
		return "an LMDB database"
	case len(head) > 10 && binary.LittleEndian.Uint64(head) < 1<<32 && (bytes.HasPrefix(head[8:], []byte(`{"`)) || bytes.HasPrefix(head[8:], []byte(`{}`))):
		return "a safetensors file"
	case isKaldiArchive(head):
		return "a Kaldi archive"
	}
	return ""
}

// lmdbMagic stands behind the head of the first page, of 16 or 24 bytes.
const lmdbMagic = 0xBEEFC0DE

// isKaldiArchive recognizes a name, a space, and a recording behind it.
func isKaldiArchive(head []byte) bool {
	name, rest, ok := bytes.Cut(head[:min(len(head), 256)], []byte(" "))
	if !ok || len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return false
	}
	for _, magic := range []string{"RIFF", "fLaC", "OggS", "ID3", "\xff\xfb", "\xff\xf3", "NIST_1A", "\x00B"} {
		if bytes.HasPrefix(rest, []byte(magic)) {
			return true
		}
	}
	return false
}

// pageKind names what servers send in place of a file.
func pageKind(head []byte) string {
	text := strings.TrimLeft(strings.ToLower(plainText(head)), " \t\r\n")
	for _, begin := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if strings.HasPrefix(text, begin) {
			return "an HTML page, perhaps of a failed download,"
		}
	}
	return ""
}

// isTar recognizes a tar archive by the checksum in its first header, which old ones
// without the word "ustar" have, too.
func isTar(head []byte) bool {
	if len(head) < 512 || head[0] == 0 {
		return false
	}
	sum, told, digits := 0, 0, 0
	for i, c := range head[:512] {
		if i >= 148 && i < 156 {
			if c >= '0' && c <= '7' {
				told = told<<3 | int(c-'0')
				digits++
			} else if c != 0 && c != ' ' {
				return false
			}
			c = ' '
		}
		sum += int(c)
	}
	return digits > 0 && sum == told
}

// isArrowStream recognizes the messages of Arrow: a continuation marker, the length of
// the metadata in whole 8 bytes, and a table of it, whose first version field comes soon.
func isArrowStream(head []byte) bool {
	if len(head) < 16 || binary.LittleEndian.Uint32(head) != 0xFFFFFFFF {
		return false
	}
	length, root := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	return length > 0 && length%8 == 0 && length < 1<<28 && root >= 4 && root < length && root < 1<<10
}

// isTFRecord recognizes a record of TensorFlow by the checksum of its length.
func isTFRecord(head []byte) bool {
	if len(head) < 12 {
		return false
	}
	sum := crc32.Checksum(head[:8], crc32.MakeTable(crc32.Castagnoli))
	return binary.LittleEndian.Uint32(head[8:]) == (sum>>15|sum<<17)+0xa282ead8
}

// lists are told by the first words in them, in letters of either case.
var lists = []struct{ word, kind string }{
	{"#extm3u", "an M3U playlist"}, {"#ext-x-", "an HLS playlist"}, {"#extinf", "an M3U playlist"},
	{"ffconcat", "an ffconcat list"}, {"[playlist]", "a PLS playlist"}, {"[reference]", "an ASX playlist"},
	{"<asx", "an ASX playlist"}, {"<mpd", "a DASH manifest"}, {"<playlist", "an XSPF playlist"}, {"<smil", "a SMIL playlist"},
	{"<manifest", "an HDS manifest"}, {"<compositionplaylist", "an IMF playlist"}, {"<assetmap", "an IMF asset map"},
	{"<smoothstreamingmedia", "a Smooth Streaming manifest"}, {"v=0\r\no=", "an SDP description"}, {"v=0\no=", "an SDP description"},
	{"rtsptext", "a QuickTime list"}, {"smiltext", "a QuickTime list"}, {"# vobsub index", "a VobSub index"}, {"rem genre", "a cue sheet"},
	{"rem date", "a cue sheet"}, {"rem discid", "a cue sheet"}, {"rem comment", "a cue sheet"}, {"file \"", "a cue sheet"},
	{"http://", "a list of addresses"}, {"https://", "a list of addresses"}, {"rtsp://", "a list of addresses"},
	{"mms://", "a list of addresses"}, {"rtmp://", "a list of addresses"}, {"file://", "a list of addresses"},
}

// listKind names a list of files. Lists are text, some behind a byte order mark, a
// declaration of XML and comments; those in other encodings of text, too.
func listKind(head []byte) string {
	text := plainText(head)
	text = strings.TrimLeft(strings.ToLower(text), " \t\r\n")
	if strings.HasPrefix(text, "<?") || strings.HasPrefix(text, "<!") {
		for _, l := range lists {
			if l.word[0] == '<' && strings.Contains(text, l.word) {
				return l.kind
			}
		}
		return ""
	}
	for _, l := range lists {
		if strings.HasPrefix(text, l.word) {
			return l.kind
		}
	}
	if strings.Contains(text, "\nfile \"") {
		return "a cue sheet"
	}
	// The directives of HLS may stand behind other lines.
	if strings.HasPrefix(text, "#") && (strings.Contains(text, "\n#ext") || strings.Contains(text, "#extm3u")) {
		return "an M3U playlist"
	}
	// The simplest list has a name in each line.
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.ContainsFunc(line, unicode.IsControl) || !HasExtension(line) {
			return ""
		}
		return "a list of files"
	}
	return ""
}

// plainText is the beginning of a text without its byte order mark, from UTF-16 where
// there is one of that, as far as its letters are those of ASCII.
func plainText(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		head = head[3:]
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		var text []byte
		for _, c := range head[2:] {
			if c != 0 {
				text = append(text, c)
			}
		}
		head = text
	}
	return string(head)
}

// containers are formats that may hold frames of MPEG audio, or what looks like them,
// in the midst: a search for such frames must not begin in one.
var containers = []string{
	"\x00\x00\x01\xba", "\x00\x00\x01\xb3", "\x47\x40", "FLV\x01", "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "FORM", "caff",
	"RIFF", "riff\x2e\x91\xcf\x11", ".snd", ".RMF", "MThd", "wvpk", "TTA1", "TTA2", "MAC ", "MPCK", "MP+", "#!AMR", "NIST_1A",
	"\x0b\x77", "\x7f\xfe\x80\x01", "%PDF", "\x89PNG", "\xff\xd8\xff", "GIF8", "II*\x00", "MM\x00*", "\x7fELF", "MZ",
	"OggS", "fLaC", "\x1a\x45\xdf\xa3", "DSD ", "FRM8", "Creative Voice File", "ADIF", "SWF", "FWS", "CWS", "\x06\x0e\x2b\x34",
}

// knownContainer tells whether a file begins like one of them.
func knownContainer(head []byte) bool {
	for _, magic := range containers {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return kindOf(head) != ""
}

// kindOf names a format that only ffmpeg decodes, where it is a usual one.
func kindOf(head []byte) string {
	if isMP4(head) {
		return "MP4 or M4A"
	}
	return ""
}

// isMP4 tells whether a file begins with a box that MP4, 3GP and QuickTime files do.
func isMP4(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch string(head[4:8]) {
	case "ftyp", "moov", "mdat", "free", "skip", "wide", "pnot":
		return true
	}
	return false
}
