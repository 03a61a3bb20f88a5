// Package entropy codes sequences of codebook entries in as few bits as what came
// before them lets it guess: adaptive binary arithmetic coding, each entry bit by
// bit from its highest, each bit by the mean of two guesses in the logistic domain:
// from how often it was what it is in this book, and from how often after the book's
// last entry (as in Mahoney, "Adaptive Weighing of Context Models for Lossless Data
// Compression", 2005, with two models).
//
// All of it is in integers, so that every machine guesses the same.
package entropy
