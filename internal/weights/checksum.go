package weights

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of values as little-endian float32: the same for
// equal values, whatever the file that they came from. Processors have an
// instruction for it, so that memory is what limits it.
func Checksum(values []float32) uint32 {
	return crc32.Checksum(littleEndianBytes(values, F32), castagnoli)
}
