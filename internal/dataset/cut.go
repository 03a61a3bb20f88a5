package dataset

// A piece is a stretch of a file, in samples at the set's rate.
type piece struct {
	Start   int64 `json:"start"`
	Samples int64 `json:"samples"`
}

// cut divides a file of at least lim.min samples into pieces of lim.min to lim.max.
// Every sample is in one; only where no number of pieces fits, which takes a range
// narrower than 1 to 2, the last piece begins within the one before.
//
// A cut lies at the quietest place of the last third of what the range allows, so
// that pieces are long, and where what follows can still be cut. Of places that are
// equally quiet the last is taken.
func (p *profile) cut(lim limits) []piece {
	var pieces []piece
	start := int64(0)
	for {
		left := p.samples - start
		switch {
		case left <= lim.max && left >= lim.min:
			return append(pieces, piece{start, left})
		case left < lim.min:
			at := p.quietest(p.samples-lim.max, p.samples-lim.min, func(int64) bool { return true })
			if at < 0 {
				at = p.samples - lim.min
			}
			return append(pieces, piece{at, p.samples - at})
		}
		// Whether some number of pieces makes up what is left. If so, there is a first
		// piece after which it still does.
		fits := func(rest int64) bool { return (rest+lim.max-1)/lim.max*lim.min <= rest }
		if !fits(left) {
			fits = func(int64) bool { return true }
		}
		ok := func(at int64) bool { return fits(p.samples - at) }
		at := p.quietest(start+max(lim.min, lim.max-lim.max/3), start+lim.max, ok)
		if at < 0 {
			at = p.quietest(start+lim.min, start+lim.max, ok)
		}
		if at < 0 { // no boundary between blocks will do, as in a range of one length
			for at = start + lim.max; !ok(at); at-- {
			}
		}
		pieces = append(pieces, piece{start, at - start})
		start = at
	}
}

// quietest returns the boundary between blocks from one sample to another at which
// it is quietest, of those that are ok, or -1 if there is none.
func (p *profile) quietest(from, to int64, ok func(at int64) bool) int64 {
	best, least, size := int64(-1), 0.0, int64(p.block)
	for at := to / size * size; at >= from; at -= size {
		if !ok(at) {
			continue
		}
		if l := p.loudness(int(at / size)); best < 0 || l < least {
			best, least = at, l
		}
	}
	return best
}
