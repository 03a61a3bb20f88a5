package train

import (
	"sync"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A gradientSum adds up the gradients of networks over the pieces of a step. The order is
// that of a binary tree over the pieces' numbers, pairs first, then pairs of pairs, so
// that it depends on the number of pieces alone: a rank sums the subtrees of its own
// pieces, and one process that has all pieces computes the same, bit for bit.
//
// Ranks exchange their subtrees in buckets. Each bucket is cut into one slice for each
// rank, which receives the others' values of its slice, sums them, and sends the sum to
// all: as many bytes as a ring reduction, in an order that is known.
type gradientSum struct {
	t        *Trainer
	plan     *pieces
	networks []*nn.Network
	added    int       // own pieces, but for the last
	subtrees []subtree // of them, from left to right
	buckets  chan bucket
	result   chan error // of all buckets
}

// A node is a full subtree of 1<<level pieces, the index-th of them.
type node struct{ level, index int }

// joins says whether n, to the left of right, and right are the halves of another node.
func (n node) joins(right node) bool {
	return n.level == right.level && n.index%2 == 0 && right.index == n.index+1
}

func (n node) parent() node { return node{n.level + 1, n.index / 2} }

// nodesOf returns the subtrees that count pieces from the first on make.
func nodesOf(first, count int) (nodes []node) {
	for i := range count {
		n := node{0, first + i}
		for len(nodes) > 0 && nodes[len(nodes)-1].joins(n) {
			nodes, n = nodes[:len(nodes)-1], n.parent()
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// A subtree is the sum of the gradients of a node, by network.
type subtree struct {
	node
	sums [][]float32
}

// A bucket is a part of a network's gradient, which is complete for the last of the own
// pieces.
type bucket struct {
	network  int // of gradientSum.networks
	from, to int // of Network.Grads
}

// bucketValues is the size of a bucket: large enough for slices that a network carries at
// full speed, small enough that the first are on their way long before the last.
const bucketValues = 2 << 20

// bucketsAtOnce is how many are exchanged at a time, and with it how much memory that
// takes.
const bucketsAtOnce = 4

// newGradientSum clears the gradients of networks and prepares to add those of pieces up.
func (t *Trainer) newGradientSum(plan *pieces, networks []*nn.Network) *gradientSum {
	g := &gradientSum{t: t, plan: plan, networks: networks}
	g.zero()
	return g
}

// zero clears the gradients.
func (g *gradientSum) zero() {
	for _, n := range g.networks {
		g.t.pool.Split(len(n.Grads), kernelGrain, func(from, to int) { clear(n.Grads[from:to]) })
	}
}

// kernelGrain is how many values are worth another thread.
const kernelGrain = 1 << 16

// last says whether the piece at work is the last of this rank.
func (g *gradientSum) last() bool { return g.added == g.plan.counts[g.t.Ranks.Rank()]-1 }

// add takes the gradient of one of this rank's pieces, after which it begins at zero
// again. The last one is added by sum.
func (g *gradientSum) add() {
	n := subtree{node: node{0, g.plan.first + g.added}}
	for _, network := range g.networks {
		n.sums = append(n.sums, network.Grads)
	}
	g.added++
	fresh := true
	for len(g.subtrees) > 0 && g.subtrees[len(g.subtrees)-1].joins(n.node) {
		left := g.subtrees[len(g.subtrees)-1]
		g.subtrees = g.subtrees[:len(g.subtrees)-1]
		for i, sum := range left.sums {
			g.addTo(sum, n.sums[i])
		}
		if !fresh {
			g.t.partials.put(n.sums...)
		}
		n, fresh = subtree{n.parent(), left.sums}, false
	}
	if fresh {
		for i, sum := range n.sums {
			n.sums[i] = g.t.partials.get(len(sum))
			g.t.pool.Split(len(sum), kernelGrain, func(from, to int) { copy(n.sums[i][from:to], sum[from:to]) })
		}
	}
	g.subtrees = append(g.subtrees, n)
	g.zero()
}

func (g *gradientSum) addTo(sum, x []float32) {
	g.t.pool.Split(len(sum), kernelGrain, func(from, to int) { kernel.Add(sum[from:to], sum[from:to], x[from:to]) })
}

// sum adds the gradient of the last piece, which is complete, and leaves the sum over all
// pieces in the networks' gradients, on every rank.
func (g *gradientSum) sum() error {
	if g.plan.total() == 1 {
		return nil
	}
	g.start()
	for i, n := range g.networks {
		for from := 0; from < len(n.Grads); from += bucketValues {
			g.buckets <- bucket{i, from, min(len(n.Grads), from+bucketValues)}
		}
	}
	return g.finish()
}

// start begins to take buckets, in the same order on all ranks.
func (g *gradientSum) start() {
	g.buckets, g.result = make(chan bucket, 64), make(chan error, 1)
	go func() {
		var running sync.WaitGroup
		var mu sync.Mutex
		var first error
		room := make(chan struct{}, bucketsAtOnce)
		tag := collective.FirstTag
		for b := range g.buckets {
			room <- struct{}{} // in order: what is under way here is under way everywhere
			at := tag
			running.Go(func() {
				defer func() { <-room }()
				if err := g.reduce(b, at); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if first == nil {
						first = err
					}
				}
			})
			tag++
		}
		running.Wait()
		g.result <- first
	}()
}

// finish waits until all buckets are summed.
func (g *gradientSum) finish() error {
	close(g.buckets)
	err := <-g.result
	for _, s := range g.subtrees {
		g.t.partials.put(s.sums...)
	}
	return err
}

// reduce sums a bucket over all pieces.
func (g *gradientSum) reduce(b bucket, tag int) error {
	ranks := g.t.Ranks
	own := g.networks[b.network].Grads[b.from:b.to]
	// This rank's own subtrees: the last one's sum is where the gradient was.
	nodes := nodesOf(g.plan.first, g.plan.counts[ranks.Rank()])
	held := g.subtrees
	for len(held) >= len(nodes) || ranks.Size() == 1 && len(held) > 0 {
		kernel.Add(own, held[len(held)-1].sums[b.network][b.from:b.to], own)
		held = held[:len(held)-1]
	}
	if ranks.Size() == 1 {
		return nil
	}
	sums := make([][]float32, len(nodes))
	for i, s := range held {
		sums[i] = s.sums[b.network][b.from:b.to]
	}
	sums[len(nodes)-1] = own
	return g.exchange(sums, own, tag)
}

// exchange sums the subtrees of all ranks, of which sums are this one's, into own.
func (g *gradientSum) exchange(sums [][]float32, own []float32, tag int) error {
	ranks := g.t.Ranks
	n, rank := ranks.Size(), ranks.Rank()
	slice := func(v []float32, i int) []float32 { return v[len(v)*i/n : len(v)*(i+1)/n] }
	var nodes []node
	var parts [][]float32 // of this rank's slice, one for each node
	rounds, first := 0, 0
	received := make([][][]float32, n) // of each rank, by its nodes
	for i, count := range g.plan.counts {
		all := nodesOf(first, count)
		first += count
		rounds = max(rounds, len(all))
		nodes = append(nodes, all...)
		for j := range all {
			part := slice(sums[min(j, len(sums)-1)], rank)
			if i != rank {
				part = g.t.slices.get(len(part))
				defer g.t.slices.put(part)
			}
			received[i] = append(received[i], part)
		}
		parts = append(parts, received[i]...)
	}
	send, recv := make([][]byte, n), make([][]byte, n)
	for round := range rounds {
		for i := range n {
			send[i], recv[i] = nil, nil
			if i != rank && round < len(sums) {
				send[i] = collective.Bytes(slice(sums[round], i))
			}
			if i != rank && round < len(received[i]) {
				recv[i] = collective.Bytes(received[i][round])
			}
		}
		if err := ranks.Exchange(tag, send, recv); err != nil {
			return err
		}
	}
	copy(slice(own, rank), sumNodes(nodes, parts))
	for i := range n {
		send[i], recv[i] = nil, nil
		if i != rank {
			send[i], recv[i] = collective.Bytes(slice(own, rank)), collective.Bytes(slice(own, i))
		}
	}
	return ranks.Exchange(tag, send, recv)
}

// sumNodes returns the sum of all nodes, which are in order, and overwrites them. It is
// in one of them.
func sumNodes(nodes []node, sums [][]float32) []float32 {
	var stack []subtree
	for i, n := range nodes {
		s := subtree{n, sums[i : i+1]}
		for len(stack) > 0 && stack[len(stack)-1].joins(s.node) {
			left := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			kernel.Add(left.sums[0], left.sums[0], s.sums[0])
			s = subtree{s.parent(), left.sums}
		}
		stack = append(stack, s)
	}
	// Where the pieces are no power of two, the smaller trees are to the right.
	for len(stack) > 1 {
		right := stack[len(stack)-1].sums[0]
		stack = stack[:len(stack)-1]
		left := stack[len(stack)-1].sums[0]
		kernel.Add(left, left, right)
	}
	return stack[0].sums[0]
}

// freeList keeps arrays for the next time that one of their length is needed.
type freeList struct {
	mu     sync.Mutex
	region *tensor.Region
	free   map[int][][]float32
}

func (l *freeList) get(n int) []float32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all := l.free[n]; len(all) > 0 {
		l.free[n] = all[:len(all)-1]
		return all[len(all)-1]
	}
	return l.region.Alloc(n)
}

func (l *freeList) put(arrays ...[]float32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free == nil {
		l.free = map[int][][]float32{}
	}
	for _, v := range arrays {
		l.free[len(v)] = append(l.free[len(v)], v)
	}
}
