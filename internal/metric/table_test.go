package metric

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		values []float64
		want   Summary
	}{
		"none":       {nil, Summary{nan, nan, nan, 0, 0}},
		"all failed": {[]float64{nan, inf, -inf}, Summary{nan, nan, nan, 0, 3}},
		"one":        {[]float64{nan, 2}, Summary{2, nan, nan, 1, 1}},
		"two":        {[]float64{1, 3}, Summary{2, 2 - 12.7062047364, 2 + 12.7062047364, 2, 0}},
		// s is 1, t with four degrees of freedom 2.7764451052.
		"five":  {[]float64{4, nan, 5, 5, 5, 6.4142135623730951 - 0.4142135623730951, inf}, Summary{5, 5 - 2.7764451052*math.Sqrt(0.1), 5 + 2.7764451052*math.Sqrt(0.1), 5, 2}},
		"alike": {[]float64{7, 7, 7}, Summary{7, 7, 7, 3, 0}},
	} {
		got := Summarize(c.values)
		near(t, name+": mean", got.Mean, c.want.Mean, 1e-12)
		near(t, name+": low", got.Low, c.want.Low, 1e-8)
		near(t, name+": high", got.High, c.want.High, 1e-8)
		if got.N != c.want.N || got.Failed != c.want.Failed {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// From the tables of Student's t.
	for freedom, want := range map[float64]float64{1: 12.706, 2: 4.303, 9: 2.262, 30: 2.042, 120: 1.980, 1e6: 1.960} {
		near(t, "Student's t", studentT(freedom), want, 5e-4)
	}
}

func TestTable(t *testing.T) {
	rows := []struct {
		file   string
		values map[string]float64
	}{
		{"b.wav", map[string]float64{"stoi": 0.5, "mel": 0.1}},
		{"a/é.wav", map[string]float64{"stoi": 0.75, "mel": 0.2}},
		{"c.wav", nil},
		{"d.wav", map[string]float64{"stoi": math.NaN(), "mel": 0.3}},
	}
	fill := func(order ...int) *Table {
		table := NewTable("stoi", "mel")
		for _, i := range order {
			if err := table.Add(rows[i].file, rows[i].values); err != nil {
				t.Fatal(err)
			}
		}
		return table
	}
	table := fill(0, 1, 2, 3)
	if got := table.Files(); !reflect.DeepEqual(got, []string{"a/é.wav", "b.wav", "c.wav", "d.wav"}) {
		t.Errorf("files %v", got)
	}
	if got := table.Metrics(); !reflect.DeepEqual(got, []string{"stoi", "mel"}) {
		t.Errorf("metrics %v", got)
	}
	if s := table.Summary("stoi"); s.Mean != 0.625 || s.N != 2 || s.Failed != 2 {
		t.Errorf("stoi %+v", s)
	}
	near(t, "mean of mel", table.Summary("mel").Mean, 0.2, 1e-15)
	if s := table.Summary("pesq"); !math.IsNaN(s.Mean) || s.N != 0 || s.Failed != 4 {
		t.Errorf("a metric that is not there: %+v", s)
	}
	near(t, "a value", table.Value("b.wav", "mel"), 0.1, 0)
	near(t, "a value that failed", table.Value("c.wav", "mel"), math.NaN(), 0)
	near(t, "a file that is not there", table.Value("x.wav", "mel"), math.NaN(), 0)

	data, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"metrics":{"mel":{"mean":0.2`, `"n":3,"failed":1},"stoi":{"mean":0.625,"ci95":[`, `"n":2,"failed":2}}`,
		`"files":[{"file":"a/é.wav","values":{"mel":0.2,"stoi":0.75}},{"file":"b.wav",`,
		`{"file":"c.wav","values":{"mel":null,"stoi":null}},{"file":"d.wav","values":{"mel":0.3,"stoi":null}}]}`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s\nlacks %s", data, want)
		}
	}
	for _, order := range [][]int{{3, 2, 1, 0}, {2, 0, 3, 1}} {
		again, err := json.Marshal(fill(order...))
		if err != nil || string(again) != string(data) {
			t.Errorf("added as %v: %s", order, again)
		}
	}
	empty, err := json.Marshal(NewTable("mel"))
	if want := `{"metrics":{"mel":{"mean":null,"ci95":[null,null],"n":0,"failed":0}},"files":[]}`; err != nil || string(empty) != want {
		t.Errorf("empty: %s %v", empty, err)
	}

	if err := table.Add("b.wav", nil); err == nil || !strings.Contains(err.Error(), "b.wav: measured twice") {
		t.Errorf("a file twice: %v", err)
	}
	if err := table.Add("e.wav", map[string]float64{"pesq": 4.5}); err == nil || !strings.Contains(err.Error(), `e.wav: no metric "pesq"`) {
		t.Errorf("an unknown metric: %v", err)
	}
	if len(table.Files()) != 4 {
		t.Error("a refused row was entered")
	}
}
