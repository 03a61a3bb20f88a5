package dataset

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSample: a sample is not longer than it may be, of all folders alike, the same in
// whatever order, and mostly the same when there is more.
func TestSample(t *testing.T) {
	clip := func(folder string, i int) Clip {
		return Clip{Path: fmt.Sprintf("speech/%s/%04d.wav", folder, i), Start: int64(i % 3 * 1000), Samples: 24000 * (2 + i%5), Rate: 24000}
	}
	var clips []Clip
	for i := range 1000 {
		clips = append(clips, clip("many", i))
	}
	for i := range 12 {
		clips = append(clips, clip("few", i), clip("other", i))
	}
	slices.SortFunc(clips, func(a, b Clip) int { return strings.Compare(a.Path, b.Path) })
	seconds := func(all []Clip) (sum float64) {
		for _, c := range all {
			sum += c.Seconds()
		}
		return sum
	}
	got := Sample(clips, 120)
	if s := seconds(got); s > 120 || s < 110 {
		t.Errorf("%v s", s)
	}
	folders := map[string]int{}
	for _, c := range got {
		folders[strings.Split(c.Path, "/")[1]]++
	}
	for _, folder := range []string{"many", "few", "other"} {
		if n := folders[folder]; n < len(got)/3-1 || n > len(got)/3+1 {
			t.Errorf("%d of %d clips are of %s", n, len(got), folder)
		}
	}
	if !slices.IsSortedFunc(got, func(a, b Clip) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("the order is another")
	}
	shuffled := slices.Clone(clips)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again := Sample(shuffled, 120)
	slices.SortFunc(again, func(a, b Clip) int { return strings.Compare(a.Path, b.Path) })
	if !slices.Equal(again, got) {
		t.Error("in another order other clips are chosen")
	}
	more := Sample(append(slices.Clone(clips), clip("many", 2000), clip("few", 2001)), 120)
	same := 0
	for _, c := range more {
		if slices.Contains(got, c) {
			same++
		}
	}
	if same < len(got)-3 {
		t.Errorf("%d of %d clips stay when two are added", same, len(got))
	}
	if all := Sample(clips[:5], 1e6); !slices.Equal(all, clips[:5]) {
		t.Errorf("of what is short enough %v", all)
	}
	if one := Sample(clips, 0.1); len(one) != 1 {
		t.Errorf("%d clips for a tenth of a second", len(one))
	}
	if none := Sample(nil, 10); len(none) != 0 {
		t.Errorf("%v", none)
	}
}
