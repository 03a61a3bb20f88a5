package audio

import (
	"bytes"
	"path/filepath"
	"testing"
)

// A byte of Opus or Vorbis can be a block of some thousand samples.
const fuzzPerByte = 8192

func addClips(f *testing.F, pattern string) {
	f.Setenv("PATH", f.TempDir()) // without ffmpeg
	paths, err := filepath.Glob(clips + pattern)
	if err != nil || len(paths) == 0 {
		f.Fatal("no clips", err)
	}
	for _, path := range paths {
		content := clipBytes(f, filepath.Base(path))
		f.Add(content)
		f.Add(content[:len(content)/4])
	}
}

func FuzzMP3(f *testing.F) {
	addClips(f, "*.mp3")
	f.Fuzz(func(t *testing.T, content []byte) { fuzzRead(t, content, fuzzPerByte) })
}

func FuzzWebM(f *testing.F) {
	addClips(f, "*.webm")
	f.Fuzz(func(t *testing.T, content []byte) { fuzzRead(t, content, fuzzPerByte) })
}

func FuzzOgg(f *testing.F) {
	addClips(f, "*.ogg")
	addClips(f, "*.opus")
	f.Fuzz(func(t *testing.T, content []byte) {
		fuzzRead(t, content, fuzzPerByte)
		// Changes end at a checksum: once more with right ones.
		content = bytes.Clone(content)
		for rest := content; len(rest) >= 27 && string(rest[:4]) == "OggS"; {
			n := 27 + int(rest[26])
			if len(rest) < n {
				break
			}
			for _, size := range rest[27:n] {
				n += int(size)
			}
			if len(rest) < n {
				break
			}
			sumPage(rest[:n])
			rest = rest[n:]
		}
		fuzzRead(t, content, fuzzPerByte)
	})
}
