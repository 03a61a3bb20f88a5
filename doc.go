// Package facodec is FAcodec in Go: a neural speech codec that splits a voice
// into prosody, content, timbre and residual (NaturalSpeech 3, arXiv
// 2403.03100). It reconstructs speech, converts one voice into another from a
// single reference clip, and extracts the codes that language and speech models
// feed on.
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
// the standard configuration. Every [Codec.HopLength] samples, 300, are a frame:
// 80 frames a second, each of six codes of 10 bits, which makes 4.8 kbit/s. The
// timbre is one vector for the whole utterance. A voice is converted by decoding
// prosody and content under the timbre of another.
//
//	codec, err := facodec.Open("facodec.safetensors")
//	if err != nil {
//		return err
//	}
//	defer codec.Close()
//	voice, err := codec.Timbre(reference)
//	...
//	converted, err := codec.Convert(samples, voice)
//
// # Streams
//
// [Encoder] and [Decoder] take an utterance in pieces of any size and give what
// is complete so far; [Stream] is both, and speaks while it hears. Codes and
// samples are the same, bit for bit, however the utterance is cut and on however
// many threads it is computed: whole is a stream of one piece. Memory does not
// grow with the length.
//
// A Codec is read-only once it is open and serves any number of goroutines. A
// stream belongs to one goroutine at a time.
//
// # Compressed files
//
// [Codec.EncodeFile] and [Codec.DecodeFile] go between recordings and .fac files,
// which hold the codes, the timbre and the exact length of an utterance:
// decoded, they are what [Codec.ReconstructFile] gives, sample for sample.
// [FacWriter] and [FacReader] write and read them as streams, [WriteTokens] and
// [ReadTokens] whole, without a codec. docs/fac.md defines the format.
package facodec
