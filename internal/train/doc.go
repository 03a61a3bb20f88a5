// Package train trains a codec: batches, one step, the optimizer (the originals'
// train.py, in Plachtaa/FAcodec).
//
// A step does not depend on the number of threads, nor on whether its batch is
// run whole or in pieces: random numbers belong to the utterance and the place in
// the network, and sums are taken in a fixed order.
package train
