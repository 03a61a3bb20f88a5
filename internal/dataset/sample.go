package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Sample returns clips of at most so many seconds in all, but at least one: always the
// same of the same clips, whatever their order, and of all folders alike, those at the
// first level at which the paths differ. They are in the order of clips.
//
// One clip of each folder is taken in turn, until the next would be too much; which clip
// of a folder, and which folder first, is by the SHA-256 of path and place, so that what
// is added to a folder changes little.
func Sample(clips []Clip, seconds float64) []Clip {
	var total float64
	paths := make([]string, len(clips))
	for i, c := range clips {
		total += c.Seconds()
		paths[i] = c.Path
	}
	if total <= seconds {
		return slices.Clone(clips)
	}
	type candidate struct {
		at   int
		hash [sha256.Size]byte
	}
	common := commonFolder(paths)
	byFolder := map[string][]candidate{}
	for i, c := range clips {
		folder, _, nested := strings.Cut(c.Path[len(common):], "/")
		if !nested {
			folder = ""
		}
		byFolder[folder] = append(byFolder[folder], candidate{i, sha256.Sum256(fmt.Appendf(nil, "%s|%d", c.Path, c.Start))})
	}
	order := func(a, b candidate) int { return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(a.at, b.at)) }
	var folders [][]candidate
	for _, all := range byFolder {
		slices.SortFunc(all, order)
		folders = append(folders, all)
	}
	slices.SortFunc(folders, func(a, b []candidate) int { return order(a[0], b[0]) })
	var taken []int
	used := 0.0
	for turn := 0; len(folders) > 0; turn++ {
		for _, all := range folders {
			c := clips[all[turn].at]
			if used += c.Seconds(); used > seconds && len(taken) > 0 {
				slices.Sort(taken)
				return pick(clips, taken)
			}
			taken = append(taken, all[turn].at)
		}
		folders = slices.DeleteFunc(folders, func(all []candidate) bool { return len(all) == turn+1 })
	}
	slices.Sort(taken)
	return pick(clips, taken)
}

func pick(clips []Clip, at []int) []Clip {
	picked := make([]Clip, len(at))
	for i, n := range at {
		picked[i] = clips[n]
	}
	return picked
}
