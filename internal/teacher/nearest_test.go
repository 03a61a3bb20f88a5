package teacher

import (
	"math/rand/v2"
	"testing"
)

// TestNearestOf: whatever the guess, the first of the highest scores is found.
func TestNearestOf(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 40; n++ {
		scores := make([]float32, n)
		for range 20 {
			want := 0
			for i := range scores {
				scores[i] = float32(random.IntN(6)) - 3 // many are equal
				if scores[i] > scores[want] {
					want = i
				}
			}
			for guess := -1; guess <= n; guess++ {
				if got := nearestOf(scores, guess); got != want {
					t.Fatalf("guess %d of %v: %d, want %d", guess, scores, got, want)
				}
			}
		}
	}
}
