package live

import "time"

// arrivals are the times at which the samples of a queue arrived.
type arrivals struct {
	pieces []arrival
}

type arrival struct {
	n  int
	at time.Duration
}

// apart is the time within which samples count as having arrived together, so that tiny
// pieces do not make a long list.
const apart = time.Millisecond

func (a *arrivals) add(n int, now time.Duration) {
	if k := len(a.pieces); k > 0 && now-a.pieces[k-1].at < apart {
		a.pieces[k-1].n += n
		return
	}
	a.pieces = append(a.pieces, arrival{n, now})
}

// oldest returns when the first sample of the queue arrived.
func (a *arrivals) oldest() time.Duration { return a.pieces[0].at }

// drop forgets the first n samples.
func (a *arrivals) drop(n int) {
	k := 0
	for n > 0 && n >= a.pieces[k].n {
		n -= a.pieces[k].n
		k++
	}
	if n > 0 {
		a.pieces[k].n -= n
	}
	a.pieces = a.pieces[:copy(a.pieces, a.pieces[k:])]
}
