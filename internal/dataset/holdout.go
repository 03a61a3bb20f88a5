package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"math"
	"slices"
	"strings"
)

// HeldOut says how many files are held out for validation: a share of all, at
// least so many, and at most half.
type HeldOut struct {
	Share float64
	// Files is the least; 0: eight, or a fifth of fewer than forty files, but one of two.
	Files int
}

// of returns how many of n files are held out: none of fewer than two.
func (h HeldOut) of(n int) int {
	least := h.Files
	if least == 0 {
		least = min(8, max(1, n/5))
	}
	share := int(math.Ceil(float64(n)*h.Share - 1e-9)) // 0.02·50 is 1
	return min(max(share, least), n/2)
}

// holdOut chooses n files for validation of paths, which are sorted: those whose
// paths have the lowest SHA-256. A file that is added takes the place of at most one
// other, whatever else there is.
//
// If all that are chosen, two at least, were in one folder while there are others,
// the last of them gives way to the first of another folder, and of one that keeps
// speech for training if there is such a one. The folders are those at the first
// level at which the paths differ.
func holdOut(paths []string, n int) map[string]bool {
	type candidate struct {
		path, folder string
		hash         [sha256.Size]byte
	}
	all := make([]candidate, len(paths))
	common := commonFolder(paths)
	size := map[string]int{}
	for i, p := range paths {
		folder, _, nested := strings.Cut(p[len(common):], "/")
		if !nested {
			folder = "" // files beside the folders are a group of their own
		}
		all[i] = candidate{p, folder, sha256.Sum256([]byte(p))}
		size[folder]++
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(a.path, b.path))
	})
	one := func(c candidate) bool { return c.folder == all[0].folder }
	if n >= 2 && len(size) >= 2 && !slices.ContainsFunc(all[:n], func(c candidate) bool { return !one(c) }) {
		rest := all[n:]
		other := slices.IndexFunc(rest, func(c candidate) bool { return !one(c) && size[c.folder] > 1 })
		if other < 0 {
			other = slices.IndexFunc(rest, func(c candidate) bool { return !one(c) })
		}
		all[n-1], rest[other] = rest[other], all[n-1]
	}
	out := map[string]bool{}
	for _, c := range all[:n] {
		out[c.path] = true
	}
	return out
}

// commonFolder returns the folder in which all paths lie, with a slash behind it,
// or "" for the root.
func commonFolder(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	common := paths[0]
	for _, p := range paths {
		for !strings.HasPrefix(p, common) || !strings.HasSuffix(common, "/") {
			if common == "" {
				return ""
			}
			cut := strings.LastIndexByte(common[:len(common)-1], '/')
			common = common[:cut+1]
		}
	}
	return common
}
