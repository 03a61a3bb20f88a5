package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestCorrelation: the sums are those of the loop, bit for bit with and without assembly,
// for lags whose samples begin and end anywhere, and for lags without any.
func TestCorrelation(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for lags := range 80 {
			for trial := range 4 {
				begin, end := make([]int, lags), make([]int, lags)
				for lag := range begin {
					switch trial {
					case 0: // as for a pitch: they part slowly
						begin[lag] = 100 - lag
						end[lag] = 110 + lag/4
					case 1: // none that all have
						begin[lag] = 3 * lag
						end[lag] = 3*lag + 5
					case 2:
						begin[lag] = r.IntN(20)
						end[lag] = begin[lag] + 40 + r.IntN(20)
					case 3:
						begin[lag] = r.IntN(20)
						end[lag] = begin[lag] + max(0, r.IntN(40)-20)
					}
				}
				c := NewCorrelation(begin, end)
				x, sums := random(r, c.Reach()), random(r, c.Len()+3)
				if trial == 2 {
					for i := range x {
						x[i] = float32(r.IntN(17) - 8) // sums of integers are exact in any order
					}
				}
				after := append([]float32(nil), sums[c.Len():]...)
				c.Sums(sums, x)
				want := make([]float32, lags)
				for lag := range want {
					for i := begin[lag]; i < end[lag]; i++ {
						addScaled(want[lag:lag+1], x[i+lag:i+lag+1], x[i])
					}
				}
				same(t, "sums", sums[:lags], want)
				same(t, "behind them", sums[c.Len():], after)
				generic := make([]float32, c.Len())
				correlateGeneric(c, generic, x)
				same(t, "plain Go", sums[:lags], generic[:lags])
			}
		}
	})
	for name, run := range map[string]func(){
		"few samples": func() {
			c := NewCorrelation([]int{2}, []int{9})
			c.Sums(make([]float32, c.Len()), make([]float32, c.Reach()-1))
		},
		"few sums": func() {
			c := NewCorrelation([]int{2}, []int{9})
			c.Sums(make([]float32, c.Len()-1), make([]float32, c.Reach()))
		},
		"negative":     func() { NewCorrelation([]int{-1}, []int{9}) },
		"end at begin": func() { NewCorrelation([]int{4}, []int{3}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			run()
		}()
	}
}
