package metric

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestCodebookUse(t *testing.T) {
	u := NewCodebookUse(8)
	if got := u.Usage(); got.Codes != 0 || got.Distinct != 0 || !math.IsNaN(got.Share) || !math.IsNaN(got.Perplexity) {
		t.Errorf("without codes: %+v", got)
	}
	data, err := json.Marshal(u.Usage())
	if want := `{"codes":0,"entries":8,"distinct":0,"share":null,"perplexity":null}`; err != nil || string(data) != want {
		t.Errorf("%s %v, want %s", data, err, want)
	}
	check := func(what string, codes int64, distinct int, share, perplexity float64) {
		t.Helper()
		got := u.Usage()
		if got.Codes != codes || got.Entries != 8 || got.Distinct != distinct {
			t.Errorf("%s: %+v", what, got)
		}
		near(t, what+": share", got.Share, share, 0)
		near(t, what+": perplexity", got.Perplexity, perplexity, 1e-12)
	}
	add := func(codes ...int32) {
		t.Helper()
		if err := u.Add(codes); err != nil {
			t.Fatal(err)
		}
	}
	add(3, 3, 3)
	check("one entry", 3, 1, 1.0/8, 1)
	add(0, 0, 0)
	check("two entries alike", 6, 2, 2.0/8, 2)
	add(7, 7)
	// 3, 3 and 2 of 8: the entropy is 3/4 ln(8/3) + 1/4 ln 4.
	check("three entries", 8, 3, 3.0/8, math.Pow(8.0/3, 0.75)*math.Sqrt2)
	for _, bad := range []int32{-1, 8, math.MaxInt32, math.MinInt32} {
		if err := u.Add([]int32{1, bad}); err == nil || !strings.Contains(err.Error(), "8 entries") {
			t.Errorf("code %d: %v", bad, err)
		}
	}
	check("after refused codes", 8, 3, 3.0/8, math.Pow(8.0/3, 0.75)*math.Sqrt2)
	u.Reset()
	add(0, 1, 2, 3, 4, 5, 6, 7)
	check("all alike", 8, 8, 1, 8)
}
