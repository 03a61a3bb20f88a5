package op

import "slices"

// An arena is the memory of the large tensors of a run that does not record. The operations of
// a forward pass hold a few tensors at a time, of sizes that differ from block to block of a
// network: pieces of any size share memory here, which lists by size would keep for each of
// them. What is touched grows as the tensors do that live together.
type arena struct{ regions []arenaRegion }

// An arenaRegion is memory in pieces, in order and without holes; no two that are free are
// neighbors.
type arenaRegion struct {
	memory []float32
	pieces []piece
}

type piece struct {
	start, size int
	free        bool
}

const (
	// arenaLeast is the least number of values of a tensor in an arena. Smaller ones, of
	// which a frame has hundreds, come from lists, without a search.
	arenaLeast = 1 << 14

	// arenaFirst is the number of values of the first region.
	arenaFirst = 4 * arenaLeast

	// arenaGrain is what sizes are rounded up to, so that tensors begin at a cache line.
	arenaGrain = 64
)

// alloc returns n values, uninitialized, of the smallest free piece that holds them, and
// where that is.
func (a *arena) alloc(n int) ([]float32, place) {
	size := (n + arenaGrain - 1) / arenaGrain * arenaGrain
	region, best, least, total := -1, 0, 0, 0
	for i, g := range a.regions {
		total += len(g.memory)
		for j, p := range g.pieces {
			if p.free && p.size >= size && (region < 0 || p.size < least) {
				region, best, least = i, j, p.size
			}
		}
	}
	if region < 0 {
		// Half as much again in all: few regions, however far the tensors grow, and little
		// beyond what is needed.
		length := max(size, total/2, arenaFirst)
		a.regions = append(a.regions, arenaRegion{memory: make([]float32, length), pieces: []piece{{0, length, true}}})
		region, best, least = len(a.regions)-1, 0, length
	}
	g := &a.regions[region]
	start := g.pieces[best].start
	g.pieces[best] = piece{start, size, false}
	if least > size {
		g.pieces = slices.Insert(g.pieces, best+1, piece{start + size, least - size, true})
	}
	return g.memory[start : start+n : start+size], place{region, start}
}

// A place is where a piece begins.
type place struct{ region, start int }

// release takes back what alloc returned.
func (a *arena) release(at place) {
	g := &a.regions[at.region]
	j, _ := slices.BinarySearchFunc(g.pieces, at.start, func(p piece, start int) int { return p.start - start })
	g.pieces[j].free = true
	for _, j := range [2]int{j, j - 1} { // join what follows, then what is before
		if j >= 0 && j+1 < len(g.pieces) && g.pieces[j].free && g.pieces[j+1].free {
			g.pieces[j].size += g.pieces[j+1].size
			g.pieces = slices.Delete(g.pieces, j+1, j+2)
		}
	}
}

// trim drops all memory where none of it is in use.
func (a *arena) trim() {
	for _, g := range a.regions {
		if len(g.pieces) > 1 || !g.pieces[0].free {
			return
		}
	}
	a.regions = nil
}

// bytes returns the size of the regions.
func (a *arena) bytes() (n int64) {
	for _, g := range a.regions {
		n += 4 * int64(len(g.memory))
	}
	return n
}
