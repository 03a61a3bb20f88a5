// Package facodec is FAcodec in Go: a neural speech codec that splits a voice
// into prosody, content, timbre and residual (NaturalSpeech 3, arXiv
// 2403.03100). It reconstructs speech, converts one voice into another from a
// single reference clip, and extracts codes to train language and speech models on.
//
// Open a checkpoint, then reconstruct a file:
//
//	codec, err := facodec.Open("facodec.safetensors")
//	if err != nil {
//		return err
//	}
//	defer codec.Close()
//	report, err := codec.ReconstructFile(ctx, "clip.flac", "again.wav", facodec.FileOptions{})
//
// Convert a voice, in memory or from file to file:
//
//	timbre, err := codec.Timbre(reference)             // []float32, mono at codec.SampleRate()
//	converted, err := codec.Convert(samples, timbre)   // as many samples out as in
//
//	decoder, err := codec.NewDecoder(timbre)
//	report, err := codec.ConvertFile(ctx, "clip.flac", "converted.wav", decoder, facodec.FileOptions{})
//
// Encode to codes and decode them again:
//
//	tokens, err := codec.Encode(samples)
//	content := tokens.Codes[facodec.Content]           // [book][frame]
//	again, err := codec.Decode(tokens)                 // what Reconstruct returns
//
// Package defaultmodel is a trained codec that a program carries with it; package fac
// stores tokens in compressed files, package hub downloads the published
// checkpoints, and package audio reads and writes recordings. docs/glossary.md has a
// line for each term, with its name in the papers and upstream.
//
// # The signal path
//
//	samples ─► encoder ─► z ─┬─────────► content  (2 books) ─┐
//	   │                     └─ rest ──► residual (3 books) ─┤
//	   ├─► log-mel, low bins ──────────► prosody  (1 book)  ─┴─► codes
//	   └─► log-mel ─► timbre encoder ──────────────────────────► timbre
//
//	codes ─► sum of their entries ─► LayerNorm · gamma(timbre) + beta(timbre) ─► decoder ─► samples
//
// Samples are mono float32 with full scale ±1 at [Codec.SampleRate], 24 kHz in
// the standard configuration. A frame is [Codec.HopLength] samples, 300: 80 frames a
// second, each with six codes of 10 bits, are 4.8 kbit/s. The timbre is one vector for
// the whole utterance. Voice conversion decodes prosody and content with the timbre of
// another speaker. Where the decoder predicts pitch and spectrum of frames, it can filter what is
// converted toward the mean spectrum of that speaker's recordings, and put frames of these in place of
// the source's ([Codec.Voice], [Codec.ConvertTo]). A [Voice] holds all of it, to keep.
//
// # Streams
//
// [Encoder] and [Decoder] take an utterance in chunks of any size and return what is
// complete so far; [Stream] combines both, from samples to samples. Codes and samples are
// bit-identical for any chunk size and any number of threads: a whole utterance is a
// stream of one chunk. Memory does not grow with the length.
//
// A Codec is read-only once it is open and serves any number of goroutines. A
// stream belongs to one goroutine at a time.
package facodec
