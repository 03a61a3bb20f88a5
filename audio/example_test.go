package audio_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/facodec-go/facodec/audio"
)

// A file of any sort becomes a mono WAV at 24 kHz, in the memory of one buffer.
func Example() {
	dir, err := os.MkdirTemp("", "audio")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	r, err := audio.OpenAt("../testdata/speech/en.flac", 24000)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	w, err := audio.Create(filepath.Join(dir, "en.wav"), r.Rate(), audio.S16)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Discard() // does nothing after Commit
	buf := make([]float32, 4096)
	for {
		n, err := r.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Write(buf[:n]); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", r.Info())
	fmt.Printf("%d samples at %d Hz, %d clipped\n", w.Samples(), r.Rate(), w.Clipped())
	// Output:
	// {Format:flac Encoding:pcm_s16 SampleRate:16000 Channels:1 Frames:33256}
	// 49884 samples at 24000 Hz, 0 clipped
}

func ExampleOpen_error() {
	_, err := audio.Open("missing.wav")
	fmt.Println(err)
	// Output: read missing.wav: no such file or directory
}
