package facodec_test

import (
	"fmt"
	"log"
	"math"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
)

// open stands for facodec.Open("facodec.safetensors"): the examples run on a
// small codec with random weights.
func open() *facodec.Codec {
	codec, err := facodec.OpenRandom(0, facodec.WithConfig("testdata/small.json"))
	if err != nil {
		log.Fatal(err)
	}
	return codec
}

func Example() {
	codec := open() // facodec.Open("facodec.safetensors")
	defer codec.Close()

	samples, err := audio.ReadFile("testdata/speech/en.flac", codec.SampleRate())
	if err != nil {
		log.Fatal(err)
	}
	reference, err := audio.ReadFile("testdata/speech/it.flac", codec.SampleRate())
	if err != nil {
		log.Fatal(err)
	}
	voice, err := codec.Timbre(reference)
	if err != nil {
		log.Fatal(err)
	}
	converted, err := codec.Convert(samples, voice)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(samples), "samples in,", len(converted), "out")
	// Output: 49884 samples in, 49884 out
}

func ExampleCodec_Encode() {
	codec := open()
	defer codec.Close()

	tokens, err := codec.Encode(make([]float32, 24000)) // a second of silence
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Frames(), "frames of", len(tokens.Codes[facodec.Prosody]), "+", len(tokens.Codes[facodec.Content]), "+", len(tokens.Codes[facodec.Residual]), "codes")

	samples, err := codec.Decode(tokens)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(samples), "samples")
	// Output:
	// 80 frames of 1 + 2 + 3 codes
	// 24000 samples
}

func ExampleStream() {
	codec := open()
	defer codec.Close()
	voice, err := codec.Timbre(make([]float32, 24000))
	if err != nil {
		log.Fatal(err)
	}
	decoder, err := codec.NewDecoder(voice)
	if err != nil {
		log.Fatal(err)
	}
	stream := codec.NewStream(decoder, facodec.Prosody, facodec.Content)

	received, block := 0, make([]float32, 480) // 20 ms, as a sound card gives them
	for i := range 50 {
		for j := range block {
			block[j] = float32(0.1 * math.Sin(float64(480*i+j)/20))
		}
		if err := stream.Write(block); err != nil {
			log.Fatal(err)
		}
		received += stream.Read(block)
	}
	if err := stream.Flush(); err != nil {
		log.Fatal(err)
	}
	for n := stream.Read(block); n > 0; n = stream.Read(block) {
		received += n
	}
	fmt.Println(received, "samples")
	// Output: 24000 samples
}
