package weights

import (
	"hash/crc32"
	"math"
	"testing"
)

func TestChecksum(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	harmless := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -1, 65504}
	for _, n := range []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 4095, 4096, 4097, 9000} {
		values := make([]float32, n)
		for i := range values {
			values[i] = harmless[i%len(harmless)]
		}
		sum, finite := Checksum(values)
		if want := crc32.Checksum(littleEndianBytes(values, F32), castagnoli); sum != want || !finite {
			t.Errorf("%d values: %x, %v; want %x", n, sum, finite, want)
		}
		for i := range values {
			if i > 20 && i < n-20 && i%499 != 0 {
				continue
			}
			for _, bad := range []float32{nan, -nan, inf, -inf, math.Float32frombits(0x7f800001), math.Float32frombits(0xffffffff)} {
				was := values[i]
				values[i] = bad
				if _, finite := Checksum(values); finite {
					t.Fatalf("%v at %d of %d passes for finite", bad, i, n)
				}
				values[i] = was
			}
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	values := make([]float32, 8<<20)
	for i := range values {
		values[i] = float32(i)
	}
	b.SetBytes(4 * int64(len(values)))
	for b.Loop() {
		Checksum(values)
	}
}

func BenchmarkCRC(b *testing.B) {
	values := make([]float32, 8<<20)
	bytes := littleEndianBytes(values, F32)
	b.SetBytes(int64(len(bytes)))
	for b.Loop() {
		crc32.Checksum(bytes, castagnoli)
	}
}
