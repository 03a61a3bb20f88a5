// Package dataset turns a folder of raw speech into an ordered, endless, resumable
// sequence of training batches.
//
//	folder ─► walk ─► measure ─► cut ─► hold out ─► Set{Train, Valid}
//	                  (index)
//	Set.Train ─► shuffle (seed, epoch) ─► load, Label, gain ─► Batch, in order
//
// [Scan] walks the folder, decodes every file once and cuts those that are too
// long at silences. An index on disk remembers what it found, so that the next
// start decodes only what has changed. A [Clip] names a stretch of a file in
// samples at 24 kHz; nothing decoded is kept but what the caller allows.
//
// A [Loader] decodes and labels ahead of training on a number of goroutines. What
// it delivers depends on the set, the seed and the position alone, so that a run
// that is resumed at a [Position] in a new process sees the same batches. A file
// that has disappeared or is broken is reported, and another clip replaces it.
package dataset
