package entropy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// code codes blocks of up to length frames and returns their bytes, and whether they
// read as what they were.
func code(t testing.TB, codes [][]int32, size, length int) (blocks [][]byte) {
	t.Helper()
	frames := len(codes[0])
	to, from := NewModel(len(codes), size), NewModel(len(codes), size)
	for at := 0; at < frames; at += length {
		block := make([][]int32, len(codes))
		got := make([][]int32, len(codes))
		for b := range codes {
			block[b] = codes[b][at:min(at+length, frames)]
			got[b] = slices.Repeat([]int32{-1}, len(block[b]))
		}
		bytes := to.Append(nil, block)
		if err := from.Read(bytes, got); err != nil {
			t.Fatalf("frame %d of %d: %v", at, frames, err)
		}
		for b := range got {
			if !slices.Equal(got[b], block[b]) {
				t.Fatalf("book %d, from frame %d: read %v, want %v", b, at, got[b], block[b])
			}
		}
		blocks = append(blocks, bytes)
	}
	return blocks
}

func total(blocks [][]byte) (n int) {
	for _, b := range blocks {
		n += len(b)
	}
	return n
}

// walk is a book whose next entry is one of few after each.
func walk(r *rand.Rand, frames, size, choices int) []int32 {
	book := make([]int32, frames)
	for t := 1; t < frames; t++ {
		book[t] = int32((int(book[t-1])*7 + 1 + r.IntN(choices)) % size)
	}
	return book
}

// TestRoundTrip codes what is even, uneven, constant and at the ends of the range.
func TestRoundTrip(t *testing.T) {
	for _, size := range []int{2, 3, 16, 256, 1000, 1024, 1 << 16} {
		r := rand.New(rand.NewPCG(1, uint64(size)))
		codes := make([][]int32, 5)
		for t := range 300 {
			codes[0] = append(codes[0], int32(r.IntN(size)))
			codes[1] = append(codes[1], int32(r.ExpFloat64()*float64(size)/8)%int32(size))
			codes[2] = append(codes[2], int32(size-1))
			codes[3] = append(codes[3], int32(t&1)*int32(size-1))
		}
		codes[4] = walk(r, 300, size, 3)
		for _, length := range []int{1, 7, 64, 1024} {
			code(t, codes, size, length)
		}
	}
}

// TestSize: what is coded takes about as many bits as it has to.
func TestSize(t *testing.T) {
	const frames, size = 20000, 256
	r := rand.New(rand.NewPCG(3, 4))
	even, constant := make([]int32, frames), make([]int32, frames)
	for t := range even {
		even[t] = int32(r.IntN(size))
	}
	for _, c := range []struct {
		name     string
		book     []int32
		low, top float64 // bits an entry
	}{
		{"even", even, 8, 8.4},
		{"constant", constant, 0, 0.1},
		{"one of four after each", walk(r, frames, size, 4), 2, 2.6},
	} {
		bits := float64(8*total(code(t, [][]int32{c.book}, size, 64))) / frames
		t.Logf("%s: %.3f bits an entry", c.name, bits)
		// A block of 64 ends in up to four bytes.
		if end := 32.0 / 64; bits < c.low || bits > c.top+end {
			t.Errorf("%s: %.3f bits an entry, want %g to %g", c.name, bits, c.low, c.top)
		}
	}
}

// TestFormat holds the bytes to what they were when the format was made.
func TestFormat(t *testing.T) {
	for size, want := range map[int]string{16: "1c9b1794c08da0b5", 1024: "a91641c4ae0ae94e"} {
		r := rand.New(rand.NewPCG(5, uint64(size)))
		h := sha256.New()
		for _, b := range code(t, [][]int32{walk(r, 500, size, 5), walk(r, 500, size, 9)}, size, 64) {
			h.Write(b)
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != want {
			t.Errorf("%d entries: bytes of hash %s, want %s", size, got, want)
		}
	}
}

// TestLogistic holds the table to the function, and stretch to its inverse.
func TestLogistic(t *testing.T) {
	for i, v := range logistic {
		if want := 4096 / (1 + math.Exp(8-float64(i)/2)); math.Abs(float64(v)-want) > 0.5+1e-9 {
			t.Errorf("at %d: %d, want %g", i, v, want)
		}
	}
	for p := 1; p < len(stretch); p++ {
		if stretch[p] < stretch[p-1] {
			t.Errorf("stretch falls at %d", p)
		}
		if got := squash(stretch[p]); got < int32(p) && stretch[p] != steepest {
			t.Errorf("squash(stretch(%d)) = %d", p, got)
		}
	}
}

// TestCorrupt: whatever is changed, what is read is what Append would have written
// like that, or an error.
func TestCorrupt(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	codes := [][]int32{walk(r, 40, 100, 20), walk(r, 40, 100, 50)}
	whole := NewModel(2, 100).Append(nil, codes)
	var changed [][]byte
	for i := range whole {
		changed = append(changed, whole[:i])
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			changed = append(changed, b)
		}
	}
	changed = append(changed, append(bytes.Clone(whole), 0), append(bytes.Clone(whole), 1))
	refused := 0
	for _, b := range changed {
		if !canonical(t, b, 2, 100, 40) {
			refused++
		}
	}
	if refused < len(changed)/2 {
		t.Errorf("%d of %d were refused", refused, len(changed))
	}
}

// canonical says whether b can be read; then it must be what Append writes.
func canonical(t testing.TB, b []byte, books, size, frames int) bool {
	t.Helper()
	codes := make([][]int32, books)
	for i := range codes {
		codes[i] = make([]int32, frames)
	}
	err := NewModel(books, size).Read(b, codes)
	if errors.Is(err, ErrCorrupt) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if again := NewModel(books, size).Append(nil, codes); !bytes.Equal(again, b) {
		t.Fatalf("%x is read, and written as %x", b, again)
	}
	return true
}

func FuzzRead(f *testing.F) {
	for _, size := range []int{2, 100, 1024} {
		f.Add(NewModel(2, size).Append(nil, [][]int32{{1, 0, 1}, {0, 1, 1}}), uint16(size), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint16, frames uint8) {
		canonical(t, b, 2, max(2, int(size)%2000), 1+int(frames))
	})
}

func BenchmarkAppend(b *testing.B) {
	const books, size, frames = 6, 1024, 4800 // a minute
	r := rand.New(rand.NewPCG(9, 10))
	codes := make([][]int32, books)
	for i := range codes {
		codes[i] = walk(r, frames, size, 50)
	}
	for b.Loop() {
		NewModel(books, size).Append(nil, codes)
	}
	b.ReportMetric(60*float64(b.N)/b.Elapsed().Seconds(), "times-real-time")
}

func ExampleModel() {
	codes := [][]int32{{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}}
	block := NewModel(1, 1024).Append(nil, codes)
	read := [][]int32{make([]int32, 12)}
	err := NewModel(1, 1024).Read(block, read)
	fmt.Println(len(block), "bytes instead of 15:", read[0], err)
	// Output: 2 bytes instead of 15: [5 5 5 5 5 5 5 5 5 5 5 5] <nil>
}
