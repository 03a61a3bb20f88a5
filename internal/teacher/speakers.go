package teacher

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/parallel"
)

// Speakers tells pseudo-speakers apart: clusters of utterances whose statistics
// are alike. Their number is found from the data, or given. An utterance belongs to
// the nearest one. It is read-only.
type Speakers struct {
	space   *voiceSpace // nil for one speaker
	centers [][]float64
	print   Fingerprint
}

func newSpeakers(space *voiceSpace, centers [][]float64) *Speakers {
	s := &Speakers{space: space, centers: centers}
	s.print = labelPrint(s.append(nil))
	return s
}

// oneSpeaker is who speaks where nothing tells voices apart.
func oneSpeaker() *Speakers { return newSpeakers(nil, [][]float64{nil}) }

const (
	// minSilhouette is how clear clusters must be to be taken for speakers. 24 to 33
	// utterances of one speaker reach 0.20, or 0.39 with odd ones among them; five
	// speakers of six short ones each, 0.30. Few utterances fall into clusters more
	// easily, five of one speaker at up to 0.35, hence fewUtterances divided by their
	// number on top.
	minSilhouette = 0.25
	fewUtterances = 0.6
	// farOff: an utterance whose second neighbor is this many times farther than
	// that of the median utterance is none to found a speaker on: noise, a silence,
	// something broken. With it, two clusters, it and all others, would look best.
	farOff = 3
)

// learnSpeakers finds count speakers, or as many as there are where count is 0.
func learnSpeakers(voices []voice, count int, pool *parallel.Pool) *Speakers {
	if len(voices) < 3 || count == 1 {
		return oneSpeaker()
	}
	space := newVoiceSpace(voices)
	var points [][]float64
	for _, v := range voices {
		points = append(points, space.point(&v.whole))
	}
	points = usual(points, pool)
	tree := newHierarchy(points)
	if count == 0 {
		scores := tree.silhouettes(len(points)/2, pool)
		least := minSilhouette + fewUtterances/float64(len(points))
		count = 1
		for k, s := range scores {
			if s > max(least, scores[count]) {
				count = k
			}
		}
	}
	if count = min(count, len(points)); count == 1 {
		return oneSpeaker()
	}
	centers := make([][]float64, count)
	labels := tree.cut(count)
	size := make([]float64, count)
	for _, l := range labels {
		size[l]++
	}
	for i := range centers {
		centers[i] = make([]float64, space.dims)
	}
	for i, l := range labels {
		for j, x := range points[i] {
			centers[l][j] += x / size[l]
		}
	}
	return newSpeakers(space, centers)
}

// usual leaves out the points that are far off from all others.
func usual(points [][]float64, pool *parallel.Pool) (kept [][]float64) {
	second := make([]float64, len(points))
	pool.For(len(points), func(i int) {
		near, nearer := math.Inf(1), math.Inf(1)
		for j, p := range points {
			if j == i {
				continue
			}
			if d := distance(points[i], p); d < nearer {
				near, nearer = nearer, d
			} else {
				near = min(near, d)
			}
		}
		second[i] = near
	})
	sorted := slices.Sorted(slices.Values(second))
	limit := farOff * sorted[len(sorted)/2]
	for i, d := range second {
		if d <= limit || limit == 0 { // 0: mostly copies of one another
			kept = append(kept, points[i])
		}
	}
	return kept
}

// Classes returns the number of speakers.
func (s *Speakers) Classes() int { return len(s.centers) }

// Speaker returns the nearest speaker.
func (s *Speakers) Speaker(u *Utterance) int { return s.nearest(u.cepstra()) }

func (s *Speakers) nearest(c *cepstrogram) int {
	if s.space == nil {
		return 0
	}
	v := statisticsOf(c, 0, len(c.rows))
	return s.classify(&v)
}

func (s *Speakers) classify(v *statistics) int {
	if s.space == nil {
		return 0
	}
	p := s.space.point(v)
	best, least := 0, math.Inf(1)
	for i, center := range s.centers {
		if d := squaredDistance(p, center); d < least {
			best, least = i, d
		}
	}
	return best
}

// Fingerprint changes with everything that was learned.
func (s *Speakers) Fingerprint() Fingerprint { return s.print }
