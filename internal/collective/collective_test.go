package collective

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// each calls f for every rank of a world at once and returns their errors joined.
func each(size int, f func(c Comm) error) error {
	w, ranks := NewWorld(size)
	w.MaxDelay = time.Millisecond
	var running sync.WaitGroup
	errs := make([]error, size)
	for i, c := range ranks {
		running.Go(func() {
			if errs[i] = f(c); errs[i] != nil {
				w.Abort(i)
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

func TestCollectives(t *testing.T) {
	for size := 1; size <= 5; size++ {
		err := each(size, func(c Comm) error {
			all, err := AllGather(c, slices.Repeat([]byte{byte(c.Rank())}, c.Rank()))
			if err != nil {
				return err
			}
			for rank, got := range all {
				if len(got) != rank || rank > 0 && got[0] != byte(rank) {
					return fmt.Errorf("rank %d gathers %v from %d", c.Rank(), got, rank)
				}
			}
			shared, err := Share(c, fmt.Appendf(nil, "from %d", c.Rank()))
			if err != nil || string(shared) != "from 0" {
				return fmt.Errorf("shared %q, error %v", shared, err)
			}
			for _, n := range []int{0, 1, 7, largeValues + 3} {
				values := make([]float32, n)
				for i := range values {
					values[i] = float32(i + 100*c.Rank())
				}
				if err := Broadcast(c, values); err != nil {
					return err
				}
				for i, v := range values {
					if v != float32(i) {
						return fmt.Errorf("value %d of %d at rank %d is %v", i, n, c.Rank(), v)
					}
				}
			}
			return Barrier(c)
		})
		if err != nil {
			t.Errorf("%d ranks: %v", size, err)
		}
	}
}

func TestExchangeFaults(t *testing.T) {
	err := each(2, func(c Comm) error {
		other := 1 - c.Rank()
		send, recv := make([][]byte, 2), make([][]byte, 2)
		send[other], recv[other] = make([]byte, 3+c.Rank()), make([]byte, 3)
		return c.Exchange(FirstTag, send, recv)
	})
	if err == nil {
		t.Error("lengths that differ are no error")
	}
	err = each(3, func(c Comm) error {
		if c.Rank() == 2 {
			return errors.New("the fault")
		}
		if err := Barrier(c); !errors.Is(err, ErrBroken) {
			return fmt.Errorf("rank %d: error %w", c.Rank(), err)
		}
		return nil
	})
	if err == nil || err.Error() != "the fault" {
		t.Errorf("a rank that ends: %v", err)
	}
	if _, err := Values[float32](make([]byte, 6)); err == nil {
		t.Error("6 bytes are float32")
	}
}

// TestRate: what a rank sends takes its time, however many exchanges are under way.
func TestRate(t *testing.T) {
	w, ranks := NewWorld(2)
	w.Rate = 1e6
	start := time.Now()
	var running sync.WaitGroup
	for _, c := range ranks {
		for tag := range 4 {
			running.Go(func() {
				other := 1 - c.Rank()
				send, recv := make([][]byte, 2), make([][]byte, 2)
				send[other], recv[other] = make([]byte, 5000), make([]byte, 5000)
				if err := c.Exchange(FirstTag+tag, send, recv); err != nil {
					t.Error(err)
				}
			})
		}
	}
	running.Wait()
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("20,000 bytes at 1 MB/s took %s", took)
	}
}
