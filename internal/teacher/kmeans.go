package teacher

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
	"github.com/facodec-go/facodec/internal/parallel"
)

// A codebook finds the nearest of its centers.
type codebook struct {
	dims    int
	centers []float32 // [n][dims]
	panels  *kernel.Panels
	bias    []float32 // -|center|²/2
}

func newCodebook(centers []float32, dims int) *codebook {
	b := &codebook{dims: dims, centers: centers}
	n := b.len()
	b.panels = kernel.NewPanels(nil, 1, dims, n)
	b.bias = make([]float32, b.stride())
	for i := range n {
		var square float64
		for j, v := range centers[i*dims : (i+1)*dims] {
			b.panels.Data[b.panels.Index(0, j, i)] = v
			square += float64(v) * float64(v)
		}
		b.bias[i] = float32(-square / 2)
	}
	return b
}

func (b *codebook) len() int { return len(b.centers) / b.dims }

// stride is the length of a row of scores.
func (b *codebook) stride() int { return b.panels.Count() * kernel.Width }

// score writes, for rows of dims values, rows of stride scores, of which len count:
// x·center - |center|²/2, the highest of which is that of the nearest center.
func (b *codebook) score(scores, rows []float32) {
	p := kernel.Product{Dst: scores, LdDst: b.stride(), A: rows, LdA: b.dims, W: b.panels, Bias: b.bias}
	p.Run(0, len(rows)/b.dims, 0, b.panels.Count())
}

// nearest writes the nearest center of every row, whose squared lengths are squares, and the
// squared distance to it. The labels before, if they are those of another round, make it
// quicker.
func (b *codebook) nearest(labels []int32, distances, rows, squares []float32, pool *parallel.Pool) {
	pool.For((len(labels)+blockRows-1)/blockRows, func(block int) {
		from := block * blockRows
		to := min(from+blockRows, len(labels))
		memory := scorePool.Get().(*[]float32)
		defer scorePool.Put(memory)
		scores := slices.Grow((*memory)[:0], scoredRows*b.stride())[:scoredRows*b.stride()]
		*memory = scores
		for ; from < to; from += scoredRows {
			end := min(from+scoredRows, to)
			b.score(scores, rows[from*b.dims:end*b.dims])
			for i := from; i < end; i++ {
				row := scores[(i-from)*b.stride():][:b.len()]
				best := nearestOf(row, int(labels[i]))
				labels[i] = int32(best)
				distances[i] = max(0, squares[i]-2*row[best])
			}
		}
	})
}

// nearestOf returns the first of the highest scores, quickly where that is the guess.
func nearestOf(scores []float32, guess int) (best int) {
	high := kernel.Max(scores)
	if guess >= 0 && guess < len(scores) && scores[guess] == high && kernel.Max(scores[:guess]) < high {
		return guess
	}
	return max(0, slices.Index(scores, high)) // 0 where all are NaN
}

// scorePool holds the memory of blocks' scores.
var scorePool = sync.Pool{New: func() any { return new([]float32) }}

const (
	// blockRows is how many rows a thread takes at a time.
	blockRows = 256
	// scoredRows is how many rows have their scores computed at a time: those with 256
	// centers stay in the first-level cache.
	scoredRows = 36
)

func squareOf(row []float32) (sum float32) {
	for _, v := range row {
		sum += v * v
	}
	return sum
}

const (
	// seedRows is how many rows for each center the first centers are drawn from.
	seedRows = 50
	// maxRounds bounds Lloyd's iterations, which end earlier when the error falls by
	// less than minGain of itself.
	maxRounds = 50
	minGain   = 1e-4
)

// kMeans learns at most k centers of rows, fewer where fewer rows differ, and
// returns them with the mean squared distance of a row to its center: Lloyd's
// algorithm from the centers of k-means++ (Arthur and Vassilvitskii, SODA 2007).
// Rows are in no particular order.
func kMeans(ctx context.Context, rows []float32, dims, k int, seed uint64, pool *parallel.Pool) (*codebook, float64, error) {
	n := len(rows) / dims
	book := newCodebook(seedCenters(rows[:min(n, seedRows*k)*dims], dims, k, seed, pool), dims)
	labels, distances, squares := make([]int32, n), make([]float32, n), make([]float32, n)
	for i := range squares {
		squares[i] = squareOf(rows[i*dims:][:dims])
	}
	var last float64
	for round := 0; ; round++ {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		book.nearest(labels, distances, rows, squares, pool)
		var sum float64
		for _, d := range distances {
			sum += float64(d)
		}
		if round == maxRounds || round > 0 && last-sum <= minGain*last {
			return book, sum / float64(n), nil
		}
		last = sum
		book = newCodebook(means(rows, labels, book, pool), dims)
	}
}

// seedCenters draws rows, each with a probability in proportion to its squared
// distance to the nearest one drawn before.
func seedCenters(rows []float32, dims, k int, seed uint64, pool *parallel.Pool) (centers []float32) {
	n := len(rows) / dims
	random := rand.New(rand.NewPCG(seed, 0))
	distances := make([]float32, n)
	next := random.IntN(n)
	for {
		center := rows[next*dims:][:dims]
		first := len(centers) == 0
		centers = append(centers, center...)
		if len(centers) == k*dims {
			return centers
		}
		pool.Split(n, 4*blockRows, func(from, to int) {
			for i := from; i < to; i++ {
				var d float32
				for j, v := range rows[i*dims:][:dims] {
					d += (v - center[j]) * (v - center[j])
				}
				if first || d < distances[i] {
					distances[i] = d
				}
			}
		})
		var sum float64
		for _, d := range distances {
			sum += float64(d)
		}
		if sum == 0 {
			return centers // all rows have been drawn
		}
		left := sum * random.Float64()
		for i, d := range distances {
			if d > 0 {
				next = i
			}
			if left -= float64(d); left < 0 {
				break
			}
		}
	}
}

// means returns the mean of each center's rows; a center without any stays. A thread adds up
// the rows of centers of its own, in the order of the rows.
func means(rows []float32, labels []int32, book *codebook, pool *parallel.Pool) []float32 {
	sums := make([]float64, len(book.centers))
	count := make([]float64, book.len())
	dims := book.dims
	parts := min(pool.Threads(), book.len())
	pool.For(parts, func(part int) {
		first, end := int32(part*book.len()/parts), int32((part+1)*book.len()/parts)
		for i, l := range labels {
			if l < first || l >= end {
				continue
			}
			count[l]++
			sum := sums[int(l)*dims:][:dims]
			for j, v := range rows[i*dims:][:dims] {
				sum[j] += float64(v)
			}
		}
	})
	centers := make([]float32, len(sums))
	for i, sum := range sums {
		centers[i] = book.centers[i]
		if n := count[i/dims]; n > 0 {
			centers[i] = float32(sum / n)
		}
	}
	return centers
}
