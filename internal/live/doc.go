// Package live runs a codec while someone speaks: samples in, at any rate and in pieces of
// any size, samples out, in another voice.
//
//	microphone ─► Write ─► queue ─► Process, frame by frame ─► Read ─► speaker
//	              any time          a goroutine of its own      any time
//
// An [Engine] is this path. What it returns lies on the time line of its input: output
// sample n belongs to input sample n, whatever is switched on the way, and comes out once
// the codec has heard what it needs for it. Voices and modes change at a frame, or in a
// short crossfade, without a gap. With equal rates in and out and nothing switched the
// samples are those of facodec.Codec.Convert, bit for bit.
//
// A frame that is not processed in time is not made up for: it is skipped, what is heard
// in its place is concealed, and the frames after it are where they belong. Nothing in the
// path waits for a clock or, with a codec of the family FAcodec, allocates memory.
//
// A [Duplex] is an engine between two devices: it holds a fixed delay, though their clocks
// differ, and makes up what is not there when it is due.
package live
