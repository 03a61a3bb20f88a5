package teacher

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
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

// TestKMeansIsLloyd: guesses, threads and pieces of rows change no bit of what plain Lloyd
// iterations give.
func TestKMeansIsLloyd(t *testing.T) {
	const dims, k, n = 5, 37, 1500
	random := rand.New(rand.NewPCG(3, 4))
	rows := make([]float32, n*dims)
	for i := range rows {
		rows[i] = float32(random.NormFloat64()) + 3*float32(i/dims%7)
	}
	for _, threads := range []int{1, 2} {
		pool := parallel.New(threads)
		defer pool.Close()
		book, mean, err := kMeans(t.Context(), rows, dims, k, 1, pool)
		if err != nil {
			t.Fatal(err)
		}
		want := newCodebook(seedCenters(rows[:min(n, seedRows*k)*dims], dims, k, 1, pool), dims)
		var last, sum float64
		round := 0
		for ; ; round++ {
			labels := make([]int, n)
			sum = 0
			for i := range labels {
				row, scores := rows[i*dims:][:dims], make([]float32, want.stride())
				want.score(scores, row)
				for c, s := range scores[:want.len()] {
					if s > scores[labels[i]] {
						labels[i] = c
					}
				}
				sum += float64(max(0, squareOf(row)-2*scores[labels[i]]))
			}
			if round == maxRounds || round > 0 && last-sum <= minGain*last {
				break
			}
			last = sum
			centers := slices.Clone(want.centers)
			for c := range want.len() {
				var total [dims]float64
				var count float64
				for i, l := range labels {
					if l == c {
						count++
						for j, v := range rows[i*dims:][:dims] {
							total[j] += float64(v)
						}
					}
				}
				for j, v := range total {
					if count > 0 {
						centers[c*dims+j] = float32(v / count)
					}
				}
			}
			want = newCodebook(centers, dims)
		}
		if round < 5 || !slices.Equal(book.centers, want.centers) || mean != sum/n {
			t.Errorf("%d threads: other centers than after %d rounds of Lloyd, or a mean of %v, not %v", threads, round, mean, sum/n)
		}
	}
}
