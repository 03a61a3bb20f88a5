package entropy

import "math/bits"

// A Model is what has been seen so far of the books of a recording. An encoder's and
// a decoder's are the same after the same codes. It serves one goroutine at a time.
type Model struct {
	size, width int
	order0      []guess // [book][node]
	order1      []guess // [book][last entry][node], or as many of them as there is room
	hashed      uint    // bits of a hash into order1; 0 where every context has its place
	weights     [][buckets][2]int32
	last        []int32 // entry of each book
}

// mostContexts bounds the memory of a Model, with four bytes each. What a large
// codebook has beyond them shares places.
const mostContexts = 1 << 22

// NewModel returns the model of a recording with so many books, of size entries
// each, from which nothing has been seen. Both are at least 1.
func NewModel(books, size int) *Model {
	m := &Model{size: size, width: bits.Len(uint(size - 1)), weights: make([][buckets][2]int32, books), last: make([]int32, books)}
	m.order0 = fresh(books << m.width)
	contexts := uint64(books) << (2 * m.width)
	if contexts > mostContexts {
		contexts, m.hashed = mostContexts, uint(bits.Len(mostContexts)-1)
	}
	m.order1 = fresh(int(contexts))
	for b := range m.weights {
		for i := range m.weights[b] {
			m.weights[b][i] = [2]int32{weightOne * 8 / 10, weightOne * 3 / 10}
		}
	}
	return m
}

// A guess is the probability that a bit is 1, in its upper 22 bits, and in the lower
// ten how many bits it was learned from, up to mostSeen.
type guess uint32

const (
	half      = guess(1 << 31)
	seenBits  = 10
	seenMask  = 1<<seenBits - 1
	mostSeen  = 255
	buckets   = 7                // of how much a guess has seen: 0, 1, 2–3, 4–7 …
	weightOne = 1 << 16          // a weight of 1
	rate      = weightOne / 800  // of the weights' learning
	scale     = 12               // bits of a probability that is coded with
	steepest  = 1<<(scale-1) - 1 // of the logistic domain, in 1/256
)

func fresh(n int) []guess {
	g := make([]guess, n)
	for i := range g {
		g[i] = half
	}
	return g
}

func (g guess) seen() int { return int(g & seenMask) }

// learn moves the guess towards a bit, by 1/(seen + 1.5).
func (g *guess) learn(bit int) {
	p, n := int64(*g>>seenBits), int64(*g&seenMask)
	target := int64(bit) * (1<<(32-seenBits) - 1)
	p += (target - p) * 2 / (2*n + 3)
	if n < mostSeen {
		n++
	}
	*g = guess(p)<<seenBits | guess(n)
}

// stretched is ln(p/(1-p)) of the guess, in 1/256.
func (g guess) stretched() int32 { return stretch[g>>(32-scale)] }

// A spot is one bit to code: the two guesses at it and how they are weighed.
type spot struct {
	of      [2]*guess
	at      [2]int32 // stretched
	weights *[2]int32
	p       int32 // that it is 1, of 1<<scale
}

// spot returns the bit of book that comes after those that led to node: 1 in
// front of the bits so far.
func (m *Model) spot(book, node int) spot {
	context := uint64(book)<<m.width | uint64(m.last[book])
	place := context<<m.width | uint64(node)
	if m.hashed > 0 {
		place = (context*0x9E3779B97F4A7C15 + uint64(node)*0xD1B54A32D192ED03) >> (64 - m.hashed)
	}
	s := spot{of: [2]*guess{&m.order0[book<<m.width|node], &m.order1[place]}}
	s.weights = &m.weights[book][min(bits.Len(uint(s.of[1].seen())), buckets-1)]
	var sum int64
	for i, g := range s.of {
		s.at[i] = g.stretched()
		sum += int64(s.weights[i]) * int64(s.at[i])
	}
	s.p = min(max(squash(int32(min(max(sum/weightOne, -steepest), steepest))), 1), 1<<scale-1)
	return s
}

// learn tells the guesses and their weights what the bit was.
func (s *spot) learn(bit int) {
	err := int64(bit)<<scale - int64(s.p)
	for i, g := range s.of {
		w := int64(s.weights[i]) + err*int64(s.at[i])*rate/weightOne
		s.weights[i] = int32(min(max(w, -8*weightOne), 8*weightOne))
		g.learn(bit)
	}
}

// stretch is the inverse of squash.
var stretch = func() (table [1 << scale]int32) {
	p := int32(0)
	for x := int32(-steepest); x <= steepest; x++ {
		for v := squash(x); p <= v; p++ {
			table[p] = x
		}
	}
	for ; p < 1<<scale; p++ {
		table[p] = steepest
	}
	return table
}()

// squash returns 4096/(1 + e^(-x/256)), between the values of it at every half: x
// is from -2047 to 2047.
func squash(x int32) int32 {
	at, part := (x+2048)>>7, (x+2048)&127
	return (logistic[at]*(128-part) + logistic[at+1]*part + 64) >> 7
}

// logistic is 4096/(1 + e^-x) for x from -8 to 8 in halves, rounded; written out,
// for it decides what bits mean.
var logistic = [33]int32{
	1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546,
	2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976, 4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
}
