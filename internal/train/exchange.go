package train

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/facodec-go/facodec/internal/collective"
	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/plural"
)

// An exchange sums gradients over ranks, in buckets, while the backward pass of the last
// piece goes on: a bucket begins when nothing adds to its gradients any more. Each bucket
// is cut into one slice for each rank, which receives the others' values of its slice, sums
// them, and sends the sum to all: as many bytes as a ring reduction, in an order that is
// known. Buckets begin in the same order on all ranks; what they sum to does not depend on
// when they do.
type exchange struct {
	*gradientSum
	buckets []*bucket              // in the order in which they begin
	waiting map[*float32][]*bucket // by the first value of each gradient that they wait for
	begun   int                    // of the buckets
	queue   chan *bucket           // those that have begun
	result  chan error             // of all
	err     error                  // that there was before the first
	traffic GradientTraffic
}

// A bucket is a part of a network's gradients.
type bucket struct {
	network  int // of gradientSum.networks
	from, to int // of Network.Grads
	left     int // gradients of parameters in it that are not complete
}

// bucketValues is the size of a bucket: large enough for slices that a network carries at
// full speed, small enough that the first are on their way long before the last.
const bucketValues = 1 << 20

// bucketsAtOnce is how many are exchanged at a time, and with it how much memory that
// takes.
const bucketsAtOnce = 4

// GradientTraffic is what it took to sum the gradients over ranks.
type GradientTraffic struct {
	Bytes          int64         // sent
	Buckets, Early int           // exchanged, and those of them that began before the backward pass was over
	Busy           time.Duration // in which a bucket was on its way
	Waited         time.Duration // of it, after the backward pass
}

func (t *GradientTraffic) add(o GradientTraffic) {
	t.Bytes += o.Bytes
	t.Buckets += o.Buckets
	t.Early += o.Early
	t.Busy += o.Busy
	t.Waited += o.Waited
}

// begin prepares to exchange the gradients of a backward pass that is about to run, which
// uses parameters with the gradients used, in this order.
func (g *gradientSum) begin(used [][]float32) *exchange {
	e := &exchange{gradientSum: g, waiting: map[*float32][]*bucket{}, result: make(chan error, 1)}
	e.buckets = g.cut(e.waiting)
	e.err = e.sort(used)
	e.queue = make(chan *bucket, len(e.buckets))
	if e.err == nil {
		go e.run()
	}
	return e
}

// cut cuts the gradients of all networks into buckets, and adds each to those that wait for
// the gradients that lie in it.
func (g *gradientSum) cut(waiting map[*float32][]*bucket) (all []*bucket) {
	size := g.t.bucketValues
	for i, n := range g.networks {
		first := len(all)
		for from := 0; from < len(n.Grads); from += size {
			all = append(all, &bucket{network: i, from: from, to: min(len(n.Grads), from+size)})
		}
		for _, p := range n.Params {
			if p.Unused {
				continue
			}
			for _, b := range all[first+p.GradOffset/size : first+(p.GradOffset+p.Len()-1)/size+1] {
				b.left++
				waiting[&p.Grad[0]] = append(waiting[&p.Grad[0]], b)
			}
		}
	}
	return all
}

// sort puts the buckets into the order in which the backward pass completes them. It is
// the one that rank 0 found in the first step that trained these networks: where a rank's
// own differs, its buckets begin later, but in the same order.
func (e *exchange) sort(used [][]float32) error {
	names := make([]string, len(e.networks))
	for i, n := range e.networks {
		names[i] = n.Prefix
	}
	key := strings.Join(names, " ")
	order, known := e.t.bucketOrders[key]
	if !known {
		data, err := collective.Share(e.t.Ranks, collective.Bytes(e.completion(used)))
		if err != nil {
			return err
		}
		if order, err = collective.Values[int32](data); err != nil {
			return err
		}
		e.t.bucketOrders[key] = order
	}
	sorted := make([]*bucket, 0, len(e.buckets))
	for _, i := range order {
		if i < 0 || int(i) >= len(e.buckets) || slices.Contains(sorted, e.buckets[i]) {
			break
		}
		sorted = append(sorted, e.buckets[i])
	}
	if len(sorted) != len(e.buckets) {
		return fmt.Errorf("rank 0 has %s of gradients, rank %d has %d: do all run the same program?", plural.Of(len(order), "bucket"), e.t.Ranks.Rank(), len(e.buckets))
	}
	e.buckets = sorted
	return nil
}

// completion returns the numbers of the buckets in the order in which the backward pass
// completes them: it comes to the first uses of parameters from the last to the first.
// Those with a parameter that is not used come last.
func (e *exchange) completion(used [][]float32) []int32 {
	left := make([]int, len(e.buckets))
	numbers := make(map[*bucket]int, len(e.buckets))
	for i, b := range e.buckets {
		left[i], numbers[b] = b.left, i
	}
	order := make([]int32, 0, len(e.buckets))
	for _, grad := range slices.Backward(used) {
		for _, b := range e.waiting[&grad[0]] {
			i := numbers[b]
			if left[i]--; left[i] == 0 {
				order = append(order, int32(i))
			}
		}
	}
	for i := range left {
		if left[i] > 0 || e.buckets[i].left == 0 {
			order = append(order, int32(i))
		}
	}
	return order
}

// ready is told of a gradient that is complete. It begins the buckets that wait for
// nothing else.
func (e *exchange) ready(grad []float32) {
	for _, b := range e.waiting[&grad[0]] {
		b.left--
	}
	for e.begun < len(e.buckets) && e.buckets[e.begun].left == 0 {
		e.next()
	}
}

func (e *exchange) next() {
	e.queue <- e.buckets[e.begun] // has room for all
	e.begun++
}

// finish waits until all buckets are summed, after the backward pass.
func (e *exchange) finish() error {
	if e.err != nil {
		return e.err
	}
	start := time.Now()
	e.traffic.Buckets, e.traffic.Early = len(e.buckets), e.begun
	for e.begun < len(e.buckets) {
		e.next()
	}
	close(e.queue)
	err := <-e.result
	e.traffic.Waited = time.Since(start)
	e.t.Traffic.add(e.traffic)
	return err
}

// run exchanges the buckets that have begun, until the queue is closed, beside the goroutine
// that computes the backward pass.
func (e *exchange) run() {
	var running sync.WaitGroup
	var mu sync.Mutex
	var failed error
	var since time.Time // a bucket has been on its way
	active := 0
	room := make(chan struct{}, bucketsAtOnce)
	tag := collective.FirstTag
	for b := range e.queue {
		room <- struct{}{} // in order: what is under way here is under way everywhere
		mu.Lock()
		broken := failed != nil
		if active == 0 {
			since = time.Now()
		}
		active++
		mu.Unlock()
		if broken { // the Comm must not be used any more
			break
		}
		at := tag
		running.Go(func() {
			sent, err := e.reduce(b, at)
			mu.Lock()
			defer mu.Unlock()
			e.traffic.Bytes += sent
			if active--; active == 0 {
				e.traffic.Busy += time.Since(since)
			}
			if err != nil && failed == nil {
				failed = err
			}
			<-room
		})
		tag++
	}
	running.Wait()
	e.result <- failed
}

// reduce sums a bucket over all pieces, and returns how many bytes it sent.
func (e *exchange) reduce(b *bucket, tag int) (sent int64, err error) {
	own := e.networks[b.network].Grads[b.from:b.to]
	// This rank's own subtrees: the last one's sum is where the gradient was.
	nodes := nodesOf(e.plan.first, e.plan.counts[e.t.Ranks.Rank()])
	held := e.subtrees
	for len(held) >= len(nodes) {
		kernel.Add(own, held[len(held)-1].sums[b.network][b.from:b.to], own)
		held = held[:len(held)-1]
	}
	sums := make([][]float32, len(nodes))
	for i, s := range held {
		sums[i] = s.sums[b.network][b.from:b.to]
	}
	sums[len(nodes)-1] = own
	return e.sumOverRanks(sums, own, tag)
}

// sumOverRanks sums the subtrees of all ranks, of which sums are this one's, into own.
func (e *exchange) sumOverRanks(sums [][]float32, own []float32, tag int) (sent int64, err error) {
	ranks := e.t.Ranks
	n, rank := ranks.Size(), ranks.Rank()
	slice := func(v []float32, i int) []float32 { return v[len(v)*i/n : len(v)*(i+1)/n] }
	var nodes []node
	var parts [][]float32 // of this rank's slice, one for each node
	rounds, first := 0, 0
	received := make([][][]float32, n) // of each rank, by its nodes
	for i, count := range e.plan.counts {
		all := nodesOf(first, count)
		first += count
		rounds = max(rounds, len(all))
		nodes = append(nodes, all...)
		for j := range all {
			part := slice(sums[min(j, len(sums)-1)], rank)
			if i != rank {
				part = e.t.slices.get(len(part))
				defer e.t.slices.put(part)
			}
			received[i] = append(received[i], part)
		}
		parts = append(parts, received[i]...)
	}
	send, recv := make([][]byte, n), make([][]byte, n)
	exchange := func() error {
		for _, b := range send {
			sent += int64(len(b))
		}
		return ranks.Exchange(tag, send, recv)
	}
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
		if err := exchange(); err != nil {
			return sent, err
		}
	}
	copy(slice(own, rank), sumNodes(nodes, parts))
	for i := range n {
		send[i], recv[i] = nil, nil
		if i != rank {
			send[i], recv[i] = collective.Bytes(slice(own, rank)), collective.Bytes(slice(own, i))
		}
	}
	err = exchange()
	return sent, err
}
