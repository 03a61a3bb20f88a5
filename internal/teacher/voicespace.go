package teacher

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// A voiceSpace is a projection of statistics in which what one speaker varies by
// is alike in all directions, and of which only those are left in which utterances
// differ most: linear discriminant analysis, with the halves of an utterance for
// the classes that nobody named.
type voiceSpace struct {
	dims       int
	projection [][]float64 // [len(statistics)][dims]
	offset     []float64   // of the mean utterance, subtracted
}

const (
	// shrinkage is how far the covariance within utterances goes towards its
	// diagonal, since a small folder has few utterances for its 1,770 entries.
	shrinkage = 0.3
	// minRatio: directions in which utterances vary less than this many times what
	// their halves do, tell little of speakers. At 3 clusters of speakers stand out
	// most from those that one speaker's utterances fall into.
	minRatio = 3
	// minDims are kept all the same. In fewer dimensions even a single speaker's
	// utterances fall into clusters that look good.
	minDims = 8
)

// newVoiceSpace learns a space from at least two voices.
func newVoiceSpace(voices []voice) *voiceSpace {
	const size = len(statistics{})
	within := mat.NewSymDense(size, nil)
	for i := range size {
		for j := i; j < size; j++ {
			var sum float64
			for _, v := range voices {
				sum += v.half[i] * v.half[j]
			}
			if i != j {
				sum *= 1 - shrinkage
			}
			within.SetSym(i, j, sum/float64(len(voices)))
		}
	}
	whitening := whiteningOf(within)
	mean := make([]float64, size)
	for _, v := range voices {
		for i, x := range v.whole {
			mean[i] += x / float64(len(voices))
		}
	}
	white := mat.NewDense(len(voices), size, nil)
	for r, v := range voices {
		row := white.RawRowView(r)
		for i, x := range v.whole {
			for j := range row {
				row[j] += (x - mean[i]) * whitening.At(i, j)
			}
		}
	}
	var total mat.SymDense
	total.SymOuterK(1/float64(len(voices)), white.T())
	values, vectors := descending(&total)
	dims := minDims
	for dims < size && values[dims] > minRatio {
		dims++
	}
	var projection mat.Dense
	projection.Mul(whitening, vectors.Slice(0, size, 0, dims))
	s := &voiceSpace{dims: dims, offset: make([]float64, dims)}
	for i := range size {
		s.projection = append(s.projection, projection.RawRowView(i))
		for j, p := range projection.RawRowView(i) {
			s.offset[j] += mean[i] * p
		}
	}
	return s
}

// whiteningOf returns the matrix after which a covariance is the identity. What
// hardly varies at all, as in a few copies of one recording, is not blown up.
func whiteningOf(covariance *mat.SymDense) *mat.Dense {
	values, vectors := descending(covariance)
	floor := max(1e-6*values[0], 1e-9)
	rows, cols := vectors.Dims()
	for j := range cols {
		scale := 1 / math.Sqrt(max(values[j], floor))
		for i := range rows {
			vectors.Set(i, j, scale*vectors.At(i, j))
		}
	}
	return vectors
}

// descending returns eigenvalues and eigenvectors, the largest first. The sign of
// an eigenvector, which says nothing, is that with which its sum is positive.
func descending(m *mat.SymDense) (values []float64, vectors *mat.Dense) {
	var eigen mat.EigenSym
	if !eigen.Factorize(m, true) {
		panic("teacher: a symmetric matrix without eigenvalues")
	}
	n := m.SymmetricDim()
	ascending := eigen.Values(nil)
	var columns mat.Dense
	eigen.VectorsTo(&columns)
	vectors = mat.NewDense(n, n, nil)
	for j := range n {
		values = append(values, ascending[n-1-j])
		column := mat.Col(nil, n-1-j, &columns)
		var sum float64
		for _, v := range column {
			sum += v
		}
		for i, v := range column {
			vectors.Set(i, j, math.Copysign(1, sum)*v)
		}
	}
	return values, vectors
}

// point returns where an utterance lies.
func (s *voiceSpace) point(v *statistics) []float64 {
	p := make([]float64, s.dims)
	for j := range p {
		p[j] = -s.offset[j]
	}
	for i, x := range v {
		for j, w := range s.projection[i] {
			p[j] += x * w
		}
	}
	return p
}

// distance returns the Euclidean distance.
func distance(a, b []float64) float64 { return math.Sqrt(squaredDistance(a, b)) }

func squaredDistance(a, b []float64) (sum float64) {
	for i, x := range a {
		sum += (x - b[i]) * (x - b[i])
	}
	return sum
}
