// Package entropy codes sequences of codebook entries with adaptive binary arithmetic
// coding. Each entry is coded bit by bit from its highest. The probability of a bit is
// the mean, in the logistic domain, of two adaptive models: of order 0, by book, and of
// order 1, by the book's previous entry (as in Mahoney, "Adaptive Weighing of Context Models for Lossless Data
// Compression", 2005, with two models).
//
// All arithmetic is in integers, so that the bits are the same on every machine.
package entropy
