package metric

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/facodec-go/facodec/internal/plural"
)

// A CodebookUse counts the codes of one codebook.
type CodebookUse struct {
	counts []int64
	total  int64
}

// NewCodebookUse starts a count for a codebook of that many entries, at least one.
func NewCodebookUse(entries int) *CodebookUse {
	return &CodebookUse{counts: make([]int64, entries)}
}

// Add counts codes. A code outside the codebook is an error, and none of the codes
// is counted then.
func (u *CodebookUse) Add(codes []int32) error {
	for i, c := range codes {
		if c < 0 || int(c) >= len(u.counts) {
			return fmt.Errorf("code %d is %d, the codebook has %s", i, c, plural.Of(len(u.counts), "entry"))
		}
	}
	for _, c := range codes {
		u.counts[c]++
	}
	u.total += int64(len(codes))
	return nil
}

// Reset starts the count again.
func (u *CodebookUse) Reset() {
	clear(u.counts)
	u.total = 0
}

// Usage is how much of a codebook is used.
type Usage struct {
	Codes      int64   // how many were counted
	Entries    int     // of the codebook
	Distinct   int     // entries that occurred
	Share      float64 // Distinct / Entries; NaN without codes
	Perplexity float64 // exp of the codes' entropy, 1 to Distinct; NaN without codes
}

// Collapsed says whether a second of codes or more used no more than two entries, as a
// codec does whose weights are not those that it was trained to (or silence).
func (u Usage) Collapsed() bool { return u.Codes >= 80 && u.Distinct <= 2 }

// Usage returns the usage by the codes counted so far.
func (u *CodebookUse) Usage() Usage {
	r := Usage{Codes: u.total, Entries: len(u.counts), Share: math.NaN(), Perplexity: math.NaN()}
	if u.total == 0 {
		return r
	}
	var entropy float64
	for _, n := range u.counts {
		if n > 0 {
			r.Distinct++
			p := float64(n) / float64(u.total)
			entropy -= p * math.Log(p)
		}
	}
	r.Share = float64(r.Distinct) / float64(r.Entries)
	r.Perplexity = math.Exp(entropy)
	return r
}

// MarshalJSON writes NaN as null.
func (r Usage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Codes      int64  `json:"codes"`
		Entries    int    `json:"entries"`
		Distinct   int    `json:"distinct"`
		Share      number `json:"share"`
		Perplexity number `json:"perplexity"`
	}{r.Codes, r.Entries, r.Distinct, number(r.Share), number(r.Perplexity)})
}
