package audio

import (
	"path/filepath"
	"slices"
	"strings"
)

// extensions are what files of sound are usually called.
var extensions = []string{
	".wav", ".wave", ".w64", ".rf64", ".bw64", ".flac", ".mp3", ".mp2", ".opus", ".ogg", ".oga", ".spx",
	".webm", ".weba", ".mka", ".m4a", ".m4b", ".mp4", ".3gp", ".3g2", ".aac", ".wma", ".aif", ".aiff",
	".aifc", ".caf", ".au", ".snd", ".amr", ".awb", ".ac3", ".ape", ".wv", ".tta", ".sph", ".nist",
}

// Extensions returns the file extensions, in lower case and with their dot, by which a
// file in a folder is taken for sound. A file that is named itself may be called
// anything: what it is, is seen from its content.
func Extensions() []string { return slices.Clone(extensions) }

// HasExtension tells whether a file is called like sound, in letters of either case.
func HasExtension(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}
