package audio

import (
	"sync"
	"testing"
)

// TestFiltersOfManyRatesAreKept: a folder of recordings at many rates computes each
// filter once.
func TestFiltersOfManyRatesAreKept(t *testing.T) {
	rates := []int{8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000}
	var first []*filter
	for round := range 3 {
		for i, rate := range rates {
			f := filterFor(rate, 24000)
			if round == 0 {
				first = append(first, f)
			} else if f != first[i] {
				t.Errorf("round %d: the filter from %d Hz was computed again", round, rate)
			}
		}
	}
}

// TestFilterCacheIsBounded: beyond the budget, the least recently used filters go.
func TestFilterCacheIsBounded(t *testing.T) {
	size := newFilter(16000, 24000).bytes()
	c := filterCache{budget: 3 * size}
	a := c.get(ratePair{16000, 24000})
	b := c.get(ratePair{32000, 48000}) // of the same size: the ratio is the same
	for _, pair := range []ratePair{{8000, 12000}, {16000, 24000}, {64000, 96000}} {
		c.get(pair)
		if c.bytes > c.budget {
			t.Errorf("%v: %d bytes of %d", pair, c.bytes, c.budget)
		}
	}
	if c.get(ratePair{16000, 24000}) != a {
		t.Error("a filter that was in use went")
	}
	if c.get(ratePair{32000, 48000}) == b {
		t.Error("the least recently used filter is still there")
	}
	large := filterCache{budget: size / 2}
	if large.get(ratePair{16000, 24000}) == nil || len(large.entries) != 1 {
		t.Error("a filter beyond the whole budget")
	}
}

// TestFilterCacheConcurrently: all goroutines get one filter, and the account is right.
func TestFilterCacheConcurrently(t *testing.T) {
	c := filterCache{budget: filterCacheBytes}
	var wg sync.WaitGroup
	got := make([]*filter, 24)
	for i := range got {
		wg.Go(func() { got[i] = c.get(ratePair{16000 + 8000*(i%3), 48000}) })
	}
	wg.Wait()
	bytes := 0
	for i, f := range got {
		if f != got[i%3] {
			t.Errorf("goroutine %d has a filter of its own", i)
		}
		if i < 3 {
			bytes += f.bytes()
		}
	}
	if c.bytes != bytes {
		t.Errorf("%d bytes on the account, %d in tables", c.bytes, bytes)
	}
}
