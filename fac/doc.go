// Package fac reads and writes compressed recordings, .fac files: the codes, the
// timbre and the exact length of an utterance at 4.8 kbit/s, or less. docs/fac.md
// defines the format.
//
// [Encode] and [Decode] go between audio files, or streams, and compressed ones;
// decoded, a compressed file gives what [facodec.Codec.ReconstructFile] does, sample
// for sample:
//
//	report, err := fac.Encode(ctx, codec, "clip.flac", "clip.fac", fac.EncodeOptions{})
//	report, err := fac.Decode(ctx, codec, "clip.fac", "again.wav", fac.DecodeOptions{})
//
// [Writer] and [Reader] write and read the codes of such files as they come,
// [WriteTokens] and [ReadTokens] those of a whole utterance. Reading needs no codec.
package fac
