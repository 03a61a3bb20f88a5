package train

import (
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// A gradientSum adds up the gradients of networks over the pieces of a step. The order is
// that of a binary tree over the pieces' numbers, pairs first, then pairs of pairs, so
// that it depends on the number of pieces alone: a rank sums the subtrees of its own
// pieces, and one process that has all pieces computes the same, bit for bit. Where there
// are several ranks, they exchange their subtrees (exchange.go) while the last piece is
// still on its way backward.
type gradientSum struct {
	t        *Trainer
	plan     *pieces
	networks []*nn.Network
	added    int       // own pieces, but for the last
	subtrees []subtree // of them, from left to right
	exchange *exchange // of the last piece; nil until it begins
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

// newGradientSum prepares to add up the gradients of pieces, with those of networks at zero.
func (t *Trainer) newGradientSum(plan *pieces, networks []*nn.Network) *gradientSum {
	g := &gradientSum{t: t, plan: plan, networks: networks}
	g.zero()
	return g
}

// zero clears the gradients that the last step of their optimizer has not.
func (g *gradientSum) zero() {
	for _, n := range g.networks {
		if o := g.t.Optimizers[n.Prefix]; o != nil && o.cleared {
			o.cleared = false
			continue
		}
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

// backward differentiates what r has recorded of a piece. In the last one ranks begin to sum
// gradients that are complete.
func (g *gradientSum) backward(r *op.Run) {
	if g.last() && g.t.Ranks.Size() > 1 {
		g.exchange = g.begin(r.GradsInUse())
		if !g.t.sumAfterwards {
			r.OnGradReady = g.exchange.ready
			defer func() { r.OnGradReady = nil }()
		}
	}
	r.Backward()
}

// sum adds the gradient of the last piece, which is complete, and leaves the sum over all
// pieces in the networks' gradients, on every rank.
func (g *gradientSum) sum() error {
	defer func() {
		for _, s := range g.subtrees {
			g.t.partials.put(s.sums...)
		}
		g.subtrees = nil
	}()
	if g.t.Ranks.Size() > 1 {
		if g.exchange == nil { // no network is being trained
			return nil
		}
		return g.exchange.finish()
	}
	for i := len(g.subtrees) - 1; i >= 0; i-- {
		for j, n := range g.networks {
			g.addTo(n.Grads, g.subtrees[i].sums[j])
		}
	}
	return nil
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
