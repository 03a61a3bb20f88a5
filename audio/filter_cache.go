package audio

import "sync"

// filterCacheBytes is how much memory the cached filters may take: all pairs of common
// rates together need a twentieth of it, and four pairs of odd rates fit.
const filterCacheBytes = 64 << 20

// A filterCache shares filters between Resamplers: a data set has thousands of clips
// at a few rates, and the table between two odd rates takes a tenth of a second to
// compute. The least recently used filters go when the tables outgrow the budget.
type filterCache struct {
	mu      sync.Mutex
	budget  int
	bytes   int // of all tables that have been computed
	entries map[ratePair]*filterEntry
	clock   int64 // counts calls of get
}

type ratePair struct{ from, to int }

type filterEntry struct {
	filter func() *filter // computes it once; others wait for it alone
	bytes  int            // 0 until it has been computed
	used   int64          // the clock at the last call
}

var filters = filterCache{budget: filterCacheBytes}

// filterFor returns the filter between two rates.
func filterFor(from, to int) *filter { return filters.get(ratePair{from, to}) }

func (c *filterCache) get(pair ratePair) *filter {
	c.mu.Lock()
	if c.entries == nil {
		c.entries = map[ratePair]*filterEntry{}
	}
	e := c.entries[pair]
	if e == nil {
		e = &filterEntry{filter: sync.OnceValue(func() *filter { return newFilter(pair.from, pair.to) })}
		c.entries[pair] = e
	}
	c.clock++
	e.used = c.clock
	c.mu.Unlock()

	f := e.filter() // without the lock, so that filters are computed side by side

	c.mu.Lock()
	defer c.mu.Unlock()
	if e.bytes == 0 && c.entries[pair] == e {
		e.bytes = f.bytes()
		c.bytes += e.bytes
		c.evict(e)
	}
	return f
}

// evict drops the least recently used filters until the budget holds, except keep.
func (c *filterCache) evict(keep *filterEntry) {
	for c.bytes > c.budget {
		var oldest ratePair
		found := false
		for pair, e := range c.entries {
			if e != keep && e.bytes > 0 && (!found || e.used < c.entries[oldest].used) {
				oldest, found = pair, true
			}
		}
		if !found {
			return
		}
		c.bytes -= c.entries[oldest].bytes
		delete(c.entries, oldest)
	}
}
