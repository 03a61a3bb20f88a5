//go:build !unix

package fifo

// nonBlock is nothing where there are no named pipes that are files.
const nonBlock = 0
