//go:build !noasm

package kernel

import "unsafe"

// int8Buffer is the size of what productTilesInt8x1 and x2 make bfloat16 ahead.
const int8Buffer = 4096

// productInt8AMX makes the weights of few rows, whose time is that of reading them, bfloat16
// as they are multiplied: the memory is then never idle. The bits are those of
// productInt8Generic.
func productInt8AMX(s *int8Scratch, p *ProductBF16, row0, row1, panel, panels int) {
	w, rows := p.W, row1-row0
	if rows > tileRows || w.Taps*w.K == 0 {
		productInt8Generic(s, p, row0, row1, panel, panels)
		return
	}
	if need := (int8Buffer + cacheLine) / 2; need > len(s.weights) {
		s.weights = make([]BFloat16, need)
	}
	config := newTileConfig(rows)
	buffer := unsafe.Pointer(unsafe.SliceData(s.weights))
	buffer = unsafe.Add(buffer, -uintptr(buffer)%cacheLine)
	ldA, ldTap, ldW, steps := 2*p.LdA, 2*p.LdTap, w.stride(), PadBF16(w.K)/StepBF16
	tiles, sums, to := (*byte)(unsafe.Pointer(&config)), &s.sums[0], (*uint16)(buffer)
	last := &w.Int8[max(panel*ldW, len(w.Int8)-StepBF16*Width)] // of what is called into the cache
	if a, b := &p.A[row0*p.LdA], &w.Int8[panel*ldW]; panels == 1 {
		productTilesInt8x1(tiles, sums, to, a, b, last, ldA, ldTap, ldW, w.Taps, steps)
	} else {
		productTilesInt8x2(tiles, sums, to, a, b, last, ldA, ldTap, ldW, w.Taps, steps)
	}
}

const cacheLine = 64
