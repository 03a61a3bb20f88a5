package metric

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// A Table collects the metrics of many files. What it says does not depend on
// the order in which they are added. It serves one goroutine at a time.
type Table struct {
	metrics []string
	files   map[string][]float64 // the values in the order of metrics
}

// NewTable starts a table of the metrics named.
func NewTable(metrics ...string) *Table {
	return &Table{metrics: slices.Clone(metrics), files: map[string][]float64{}}
}

// Add enters a file's values. A metric of the table that values lacks is NaN, so
// that a nil map enters a file on which everything failed. A metric that the
// table does not have, and a file that it has already, are errors.
func (t *Table) Add(file string, values map[string]float64) error {
	if _, ok := t.files[file]; ok {
		return fmt.Errorf("%s: measured twice", file)
	}
	row := make([]float64, len(t.metrics))
	for i := range row {
		row[i] = math.NaN()
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.Index(t.metrics, name)
		if i < 0 {
			return fmt.Errorf("%s: no metric %q in the table", file, name)
		}
		row[i] = values[name]
	}
	t.files[file] = row
	return nil
}

// Metrics returns the names of the metrics, as given.
func (t *Table) Metrics() []string { return slices.Clone(t.metrics) }

// Files returns the names of the files, sorted.
func (t *Table) Files() []string { return slices.Sorted(maps.Keys(t.files)) }

// Value returns one entry, NaN where there is none.
func (t *Table) Value(file, metric string) float64 {
	row, i := t.files[file], slices.Index(t.metrics, metric)
	if row == nil || i < 0 {
		return math.NaN()
	}
	return row[i]
}

// Summary returns a metric's mean over the files, added up in the order of
// their names.
func (t *Table) Summary(metric string) Summary {
	var values []float64
	for _, file := range t.Files() {
		values = append(values, t.Value(file, metric))
	}
	return Summarize(values)
}

// MarshalJSON writes the summaries by metric and the values by file, in the order
// of their names; what is not finite is null.
func (t *Table) MarshalJSON() ([]byte, error) {
	type file struct {
		File   string            `json:"file"`
		Values map[string]number `json:"values"`
	}
	out := struct {
		Metrics map[string]Summary `json:"metrics"` // keys are written in order
		Files   []file             `json:"files"`
	}{map[string]Summary{}, []file{}}
	for _, m := range t.metrics {
		out.Metrics[m] = t.Summary(m)
	}
	for _, name := range t.Files() {
		values := map[string]number{}
		for i, m := range t.metrics {
			values[m] = number(t.files[name][i])
		}
		out.Files = append(out.Files, file{name, values})
	}
	return json.Marshal(out)
}

// A Summary is the mean of a metric over files and how sure it is.
type Summary struct {
	Mean      float64 // NaN where N is 0
	Low, High float64 // the 95 % confidence interval of the mean; NaN where N is less than 2
	N         int     // values in the mean
	Failed    int     // values that are not finite, left out of all above
}

// Summarize returns the mean and its 95 % confidence interval by Student's t
// with N-1 degrees of freedom, Mean ± t·s/√N. The interval takes the values as
// independent and their mean as normally distributed: recordings of a few voices
// say less about other voices than it seems.
func Summarize(values []float64) Summary {
	s := Summary{Mean: math.NaN(), Low: math.NaN(), High: math.NaN()}
	var sum float64
	for _, v := range values {
		if v-v != 0 { // NaN or infinite
			s.Failed++
			continue
		}
		s.N++
		sum += v
	}
	if s.N == 0 {
		return s
	}
	n := float64(s.N)
	s.Mean = sum / n
	if s.N < 2 {
		return s
	}
	var squares float64
	for _, v := range values {
		if v-v == 0 {
			squares += (v - s.Mean) * (v - s.Mean)
		}
	}
	half := studentT(n-1) * math.Sqrt(squares/(n-1)/n)
	s.Low, s.High = s.Mean-half, s.Mean+half
	return s
}

// studentT returns what the absolute value of Student's t stays under with a
// probability of 95 % (Abramowitz and Stegun 26.7.1 and 26.5.27).
func studentT(freedom float64) float64 {
	x := mathext.InvRegIncBeta(freedom/2, 0.5, 0.05)
	return math.Sqrt(freedom * (1 - x) / x)
}

// MarshalJSON writes NaN as null.
func (s Summary) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Mean   number    `json:"mean"`
		CI95   [2]number `json:"ci95"`
		N      int       `json:"n"`
		Failed int       `json:"failed"`
	}{number(s.Mean), [2]number{number(s.Low), number(s.High)}, s.N, s.Failed})
}

// number is a float64 that JSON has null for where it is not finite.
type number float64

func (v number) MarshalJSON() ([]byte, error) {
	if v-v != 0 {
		return []byte("null"), nil
	}
	return json.Marshal(float64(v))
}
