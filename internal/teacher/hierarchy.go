package teacher

import (
	"cmp"
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/parallel"
)

// A hierarchy is the tree of merges that Ward's method makes of points, the
// nearest first: after n-k of them k clusters are left.
type hierarchy struct {
	points [][]float64
	merges []merge
}

// A merge joins the cluster that point b is in to that of a.
type merge struct {
	a, b   int
	height float64
}

// newHierarchy follows chains of nearest neighbors, which finds Ward's merges in
// another order and in quadratic time (Murtagh, "A survey of recent advances in
// hierarchical clustering algorithms", The Computer Journal 26, 1983).
func newHierarchy(points [][]float64) *hierarchy {
	n := len(points)
	between := make([][]float64, n)
	size := make([]float64, n)
	for i := range between {
		between[i] = make([]float64, n)
		size[i] = 1
		for j := range points {
			between[i][j] = squaredDistance(points[i], points[j])
		}
	}
	h := &hierarchy{points: points}
	var chain []int
	for len(h.merges) < n-1 {
		if len(chain) == 0 {
			chain = append(chain, slices.IndexFunc(size, func(s float64) bool { return s > 0 }))
		}
		top := chain[len(chain)-1]
		next, nearest := -1, math.Inf(1)
		if len(chain) > 1 { // on a tie the chain turns back, or it would not end
			next = chain[len(chain)-2]
			nearest = between[top][next]
		}
		for c, d := range between[top] {
			if c != top && size[c] > 0 && d < nearest {
				next, nearest = c, d
			}
		}
		if len(chain) < 2 || next != chain[len(chain)-2] {
			chain = append(chain, next)
			continue
		}
		chain = chain[:len(chain)-2]
		a, b := min(top, next), max(top, next)
		h.merges = append(h.merges, merge{a, b, nearest})
		for c, s := range size {
			if s == 0 || c == a || c == b {
				continue
			}
			d := ((size[a]+s)*between[a][c] + (size[b]+s)*between[b][c] - s*nearest) / (size[a] + size[b] + s)
			between[a][c], between[c][a] = d, d
		}
		size[a] += size[b]
		size[b] = 0
	}
	slices.SortStableFunc(h.merges, func(x, y merge) int { return cmp.Compare(x.height, y.height) })
	return h
}

// cut returns the cluster of every point when there are k of them, numbered by
// their first points.
func (h *hierarchy) cut(k int) []int {
	parent := make([]int, len(h.points))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			i = parent[i]
		}
		return i
	}
	for _, m := range h.merges[:len(h.points)-k] {
		a, b := root(m.a), root(m.b)
		parent[max(a, b)] = min(a, b) // a root is its cluster's first point
	}
	labels := make([]int, len(h.points))
	count := 0
	for i := range labels {
		if r := root(i); r != i {
			labels[i] = labels[r]
			continue
		}
		labels[i] = count
		count++
	}
	return labels
}

// silhouette returns how well k clusters fit, for k from 2 to most: the mean over
// points of (b-a)/max(a, b), with a the mean distance to the own cluster and b that
// to the nearest other one; a point alone counts 0 (Rousseeuw, "Silhouettes: a
// graphical aid to the interpretation and validation of cluster analysis", Journal
// of Computational and Applied Mathematics 20, 1987). Element k belongs to k.
func (h *hierarchy) silhouettes(most int, pool *parallel.Pool) []float64 {
	n := len(h.points)
	most = min(most, n)
	scores := make([]float64, max(most+1, 2))
	if most < 2 {
		return scores
	}
	labels := h.cut(most)
	size := make([]int, most)
	for _, l := range labels {
		size[l]++
	}
	to := make([][]float64, n) // the sum of the distances from a point to a cluster's
	pool.For(n, func(i int) {
		to[i] = make([]float64, most)
		for j, p := range h.points {
			to[i][labels[j]] += distance(h.points[i], p)
		}
	})
	fits := make([]float64, n)
	for k := most; ; k-- {
		pool.Split(n, 64, func(from, end int) {
			for i := from; i < end; i++ {
				fits[i] = fit(to[i], size, labels[i])
			}
		})
		for _, f := range fits {
			scores[k] += f / float64(n)
		}
		if k == 2 {
			return scores
		}
		m := h.merges[n-k]
		a, b := labels[m.a], labels[m.b]
		size[a] += size[b]
		size[b] = 0
		for i := range labels {
			to[i][a] += to[i][b]
			if labels[i] == b {
				labels[i] = a
			}
		}
	}
}

// fit is the silhouette of one point of cluster own.
func fit(to []float64, size []int, own int) float64 {
	if size[own] == 1 {
		return 0
	}
	a, b := to[own]/float64(size[own]-1), math.Inf(1)
	for c, s := range size {
		if s > 0 && c != own {
			b = min(b, to[c]/float64(s))
		}
	}
	if a == 0 && b == 0 {
		return 0 // copies of one point
	}
	return (b - a) / max(a, b)
}
