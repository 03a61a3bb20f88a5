package tensor

import "sync"

// A Region holds the derived weights of a model outside the Go heap: half a
// gigabyte on it would let the garbage collector double the process before it
// collects. Where the system has no anonymous mappings it falls back to the
// heap.
type Region struct {
	mu     sync.Mutex
	blocks [][]float32
	left   []float32
}

// blockValues is the size of the mappings that small requests share.
const blockValues = 8 << 20

// Alloc returns n zeros, aligned to 64 bytes.
func (r *Region) Alloc(n int) []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := (n + 15) &^ 15
	if size > len(r.left) {
		block := mapMemory(max(size, blockValues))
		r.blocks = append(r.blocks, block)
		if rest := len(block) - size; rest < len(r.left) {
			return block[:n:size]
		}
		r.left = block
	}
	data := r.left[:n:size]
	r.left = r.left[size:]
	return data
}

// Bytes returns the size of all that was mapped.
func (r *Region) Bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var n int64
	for _, b := range r.blocks {
		n += 4 * int64(len(b))
	}
	return n
}

// Free unmaps the memory. Nothing allocated from the region may be used
// afterwards.
func (r *Region) Free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blocks {
		unmapMemory(b)
	}
	r.blocks, r.left = nil, nil
}
