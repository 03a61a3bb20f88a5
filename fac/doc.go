// Package fac reads and writes compressed recordings, .fac files: the codes, the
// timbre and the exact length of an utterance at 4.8 kbit/s, or less. docs/fac.md
// defines the format.
//
// [Encode] and [Decode] convert between audio files (or streams) and compressed files.
// Decoding gives the same samples as [facodec.Codec.ReconstructFile]:
//
//	report, err := fac.Encode(ctx, codec, "clip.flac", "clip.fac", fac.EncodeOptions{})
//	report, err := fac.Decode(ctx, codec, "clip.fac", "again.wav", fac.DecodeOptions{})
//
// [Writer] and [Reader] write and read codes as a stream, [WriteTokens] and [ReadTokens]
// those of a whole utterance. Reading needs no codec. [DecodeTokens] decodes codes that are in no
// file, a language model's for example.
package fac
