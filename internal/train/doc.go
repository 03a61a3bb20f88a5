// Package train trains codecs and redecoders: batches, losses, one step, the optimizer,
// and the run around them with checkpoints and validation (upstream's train.py and
// train_redecoder.py, in Plachtaa/FAcodec).
//
// losses.go has the table of losses, step.go the step: first the discriminator, then the
// generator. A CodecTrainer or a RedecoderTrainer is a generator, and shares all else with
// the other through Trainer. Run goes the way of a whole run: trainCodec and
// trainRedecoder open the run's folder, scan the dataset, prepare labels or a frozen
// codec, and hand their hooks to the loop.
//
// A step does not depend on the number of threads, nor on whether its batch is run whole
// or in pieces: random numbers belong to the utterance and the place in the network, and
// sums are taken in a fixed order.
package train
