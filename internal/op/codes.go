package op

import "github.com/facodec-go/facodec/internal/tensor"

// freeLists is the memory of a run for codes, and for lists of codes and tensors, which
// streams take and give back with every chunk.
type freeLists struct {
	rows    [][]int32
	batches [][][]int32
	books   [][][][]int32
	tensors [][]tensor.Tensor
}

// take returns a list of n zero values, from the free ones if the last of them is long
// enough.
func take[T any](free *[][]T, n int) []T {
	if k := len(*free) - 1; k >= 0 && cap((*free)[k]) >= n {
		list := (*free)[k][:n]
		*free = (*free)[:k]
		clear(list)
		return list
	}
	return make([]T, n)
}

// NewCodes returns codes [b][t], all 0.
func (r *Run) NewCodes(b, t int) [][]int32 {
	codes := take(&r.codes.batches, b)
	for i := range codes {
		codes[i] = take(&r.codes.rows, t)
	}
	return codes
}

// NewBooks returns a list for the codes of n books, [n][b][t].
func (r *Run) NewBooks(n int) [][][]int32 { return take(&r.codes.books, n) }

// NewTensors returns a list for n tensors.
func (r *Run) NewTensors(n int) []tensor.Tensor { return take(&r.codes.tensors, n) }

// FreeBooks gives back a list of NewBooks with the codes in it, which must not be used
// afterwards. What is not given back is the garbage collector's.
func (r *Run) FreeBooks(books [][][]int32) {
	for _, codes := range books {
		r.codes.rows = append(r.codes.rows, codes...)
		r.codes.batches = append(r.codes.batches, codes)
	}
	r.codes.books = append(r.codes.books, books)
}

// FreeTensors gives back a list of NewTensors. The tensors in it are the caller's.
func (r *Run) FreeTensors(list []tensor.Tensor) { r.codes.tensors = append(r.codes.tensors, list) }
