//go:build !unix

package audio

// nonBlock is nothing where there are no named pipes that are files.
const nonBlock = 0
