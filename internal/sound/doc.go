// Package sound captures and plays sound through a PulseAudio server, or PipeWire's server
// of the same protocol, without cgo. It knows nothing of codecs.
//
// Samples are mono float32, full scale ±1, at a rate that the caller chooses; the server
// mixes and resamples what the device does not do. Functions that take and fill samples
// are called by the goroutine that reads from the server: they must be quick.
package sound
