//go:build !unix

package fifo

// NonBlock is nothing where there are no named pipes that are files.
const NonBlock = 0
