package facodec_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	facodec "github.com/facodec-go/facodec"
)

// A voice is enrolled once and kept; later it is used without the clip.
func ExampleCodec_EnrollFiles() {
	codec, err := facodec.OpenRandom(0, facodec.WithConfig("testdata/small.json"))
	if err != nil {
		log.Fatal(err)
	}
	defer codec.Close()
	dir, err := os.MkdirTemp("", "voice")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	voice, err := codec.EnrollFiles(context.Background(), []string{"testdata/speech/it.flac"}, facodec.EnrollOptions{})
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "it.voice")
	if err := voice.Save(path); err != nil {
		log.Fatal(err)
	}

	kept, err := facodec.LoadVoice(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := codec.CheckVoice(kept); err != nil { // of another model?
		log.Fatal(err)
	}
	cosine, err := voice.Cosine(kept)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.2f s of audio, cosine %.3f\n", kept.Seconds, cosine)
	// Output: 2.26 s of audio, cosine 1.000
}
