package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	facodec "github.com/facodec-go/facodec"
)

// references are the files of one voice: clips, enrolled voices, or both.
type references struct {
	files []string
	name  string // what outputs call the voice
}

// findReferences lists the files that args name: files, and the audio files of
// folders; enrolled voices in folders are left alone, because they are likely
// made from what lies beside them. Unlike a source, none may fail: without it the
// voice would be another one. A folder that is skip is passed over.
func findReferences(args []string, skip string) (r references, err error) {
	found := findSources(args, skip, func(_ string, e error) {
		if err == nil {
			err = e
		}
	})
	if err != nil {
		return references{}, err
	}
	for _, s := range found {
		r.files = append(r.files, s.path)
	}
	r.name = voiceName(args, r.files)
	return r, nil
}

// apartFrom refuses an output, "" for none, that is one of the files.
func (r references) apartFrom(output string) error {
	if output == "" || output == dash {
		return nil
	}
	for _, file := range r.files {
		if location(file) == location(output) {
			return fmt.Errorf("%s is a reference, and the output; give another -o", file)
		}
	}
	return nil
}

// voiceName is the one folder's name, or that of the first file.
func voiceName(args, files []string) string {
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() && len(args) == 1 {
		if abs, err := filepath.Abs(args[0]); err == nil {
			return filepath.Base(abs)
		}
	}
	return nameOf(files[0])
}

// timbre returns the voice's timbre, with normalize of clips brought to peak 1, and what
// is likely not as it was meant.
func (r references) timbre(ctx context.Context, codec *facodec.Codec, normalize bool) (timbre []float32, warnings []error, err error) {
	voice, err := codec.EnrollFiles(ctx, r.files, normalize, nil)
	if err != nil {
		return nil, nil, err
	}
	return voice.Timbre, voice.Warnings, nil
}
