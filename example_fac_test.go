package facodec_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"

	facodec "github.com/facodec-go/facodec"
)

// Codes of a compressed file are read without a codec.
func ExampleReadTokens() {
	codec := open()
	defer codec.Close()

	var file bytes.Buffer
	_, err := codec.EncodeFile(context.Background(), "testdata/speech/en.flac", "", facodec.EncodeOptions{Out: &file})
	if err != nil {
		log.Fatal(err)
	}
	tokens, header, err := facodec.ReadTokens(&file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Samples, "samples at", header.SampleRate, "Hz in", tokens.Frames(), "frames of", header.AllBooks(), "codes")
	// Output: 49884 samples at 24000 Hz in 167 frames of 6 codes
}

// A FacReader gives the codes of a file as they come.
func ExampleFacReader() {
	codec := open()
	defer codec.Close()

	stream, out := io.Pipe()
	go func() {
		_, err := codec.EncodeFile(context.Background(), "testdata/speech/en.flac", "the pipe", facodec.EncodeOptions{Out: out})
		out.CloseWithError(err)
	}()
	r, err := facodec.NewFacReader(stream)
	if err != nil {
		log.Fatal(err)
	}
	for {
		codes, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(codes.Frames(), "frames")
	}
	fmt.Println(len(r.Timbre()) == codec.LatentDim(), r.Samples(), "samples")
	// Output:
	// 64 frames
	// 64 frames
	// 39 frames
	// true 49884 samples
}
