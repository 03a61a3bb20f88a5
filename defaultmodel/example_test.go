package defaultmodel_test

import (
	"fmt"
	"log"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/defaultmodel"
)

func Example() {
	codec, err := defaultmodel.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer codec.Close()
	samples, err := audio.ReadFile("../testdata/speech/en.flac", codec.SampleRate())
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := codec.Encode(samples)
	if err != nil {
		log.Fatal(err)
	}
	again, err := codec.Decode(tokens)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(again) == len(samples), tokens.Codes.Frames(), "frames")
	// Output: true 167 frames
}
