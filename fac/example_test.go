package fac_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
)

// open stands for facodec.Open("facodec.safetensors"): the examples run on a
// small codec with random weights.
func open() *facodec.Codec {
	codec, err := facodec.OpenRandom(0, facodec.WithConfig("../testdata/small.json"))
	if err != nil {
		log.Fatal(err)
	}
	return codec
}

// Codes of a compressed file are read without a codec.
func ExampleReadTokens() {
	codec := open()
	defer codec.Close()

	var file bytes.Buffer
	_, err := fac.Encode(context.Background(), codec, "../testdata/speech/en.flac", "", fac.EncodeOptions{Out: &file})
	if err != nil {
		log.Fatal(err)
	}
	tokens, header, err := fac.ReadTokens(&file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Samples, "samples at", header.SampleRate, "Hz in", tokens.Frames(), "frames of", header.NumBooks(), "codes")
	// Output: 49884 samples at 24000 Hz in 167 frames of 6 codes
}

// A Reader gives the codes of a file as they come.
func ExampleReader() {
	codec := open()
	defer codec.Close()

	stream, out := io.Pipe()
	go func() {
		_, err := fac.Encode(context.Background(), codec, "../testdata/speech/en.flac", "the pipe", fac.EncodeOptions{Out: out})
		out.CloseWithError(err)
	}()
	r, err := fac.NewReader(stream)
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
	fmt.Println(len(r.Timbre()) == codec.TimbreLen(), r.Samples(), "samples")
	// Output:
	// 64 frames
	// 64 frames
	// 39 frames
	// true 49884 samples
}
