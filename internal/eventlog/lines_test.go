package eventlog

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

func scanText(text string) (entries []Entry, err error) {
	err = Scan(strings.NewReader(text), func(e Entry) error { entries = append(entries, e); return nil })
	return entries, err
}

const goodLine = `{"step":1,"time":2,"scalars":{"a":1}}`

// TestScanErrors: a line that is followed by a good one is good or named.
func TestScanErrors(t *testing.T) {
	for line, want := range map[string]string{
		"junk":                                             "line 2: invalid character",
		"[1]":                                              "line 2: cannot unmarshal array",
		"{}":                                               "line 2: no step",
		"\x00\x00":                                         "line 2: invalid character",
		`{"step":1.5,"time":2,"scalars":{}}`:               "line 2: step is a number 1.5",
		`{"step":"1","time":2,"scalars":{}}`:               "line 2: step is a string",
		`{"step":-1,"time":2,"scalars":{}}`:                "line 2: no step",
		`{"step":1,"scalars":{}}`:                          "line 2: no time",
		`{"step":1,"time":1e20,"scalars":{}}`:              "line 2: no time",
		`{"step":1,"time":2}`:                              "line 2: no scalars",
		`{"step":1,"time":2,"scalars":[1]}`:                "line 2: scalars are \"[1]\" and not an object",
		`{"step":1,"time":2,"scalars":null}`:               "line 2: scalars are",
		`{"step":1,"time":2,"scalars":{"a":null}}`:         "line 2: a: \"null\" is no number",
		`{"step":1,"time":2,"scalars":{"a":true}}`:         "line 2: a: \"true\" is no number",
		`{"step":1,"time":2,"scalars":{"a":"1"}}`:          "line 2: a: \"\\\"1\\\"\" is no number",
		`{"step":1,"time":2,"scalars":{"a":{"b":1}}}`:      "line 2: a: \"{\" is no number",
		`{"step":1,"time":2,"scalars":{"a":[1]}}`:          "line 2: a: \"[1\" is no number",
		`{"step":1,"time":2,"scalars":{"a":1e999}}`:        "line 2: a: \"1e999\" is no number",
		`{"step":1,"time":2,"scalars":{"":1}}`:             "line 2: the tag is empty",
		`{"step":1,"time":2,"scalars":{"a\n":1}}`:          "line 2: tag \"a\\n\" has",
		`{"step":0,"time":2,"scalars":{"a":1}}`:            "line 2: step 0 after step 1",
		strings.Repeat("x", longestLine+1):                 "line 2: longer than",
		goodLine + strings.Repeat(" ", longestLine):        "line 2: longer than",
		`{"step":1,"time":2,"scalars":{"a":1}`:             "line 2: unexpected end",
		`{"step":1,"time":2,"scalars":{"a":1}} {"step":1}`: "line 2: invalid character",
	} {
		_, err := scanText(goodLine + "\n" + line + "\n" + goodLine + "\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", line, err, want)
		}
		// At the end it is what a kill left; but a step that falls is never that.
		entries, err := scanText(goodLine + "\n" + line)
		if fell := strings.Contains(want, "after"); len(entries) != 1 || (err != nil) != fell {
			t.Errorf("%.60s at the end: %d entries, %v", line, len(entries), err)
		}
	}
	wrong := errors.New("of each")
	if err := Scan(strings.NewReader(goodLine), func(Entry) error { return wrong }); err != wrong {
		t.Errorf("%v", err)
	}
	if err := Scan(errReader{wrong}, nil); err != wrong {
		t.Errorf("%v", err)
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

// TestScanForms: what other programs would write.
func TestScanForms(t *testing.T) {
	entries, err := scanText("\r\n" + ` { "scalars" : { "a\u0062\"" : -1.5E+1 , "b":"NaN"} , "other":[{}], "time":-1, "step": 7 } ` + "\r\n\n" +
		`{"step":7,"time":0,"scalars":{}}`)
	if err != nil || len(entries) != 2 || entries[0].Step != 7 || entries[0].Time.Unix() != -1 || len(entries[1].Scalars) != 0 {
		t.Fatalf("%+v, %v", entries, err)
	}
	if s := entries[0].Scalars; len(s) != 2 || s[0] != (Scalar{`ab"`, -15}) || s[1].Tag != "b" || !math.IsNaN(s[1].Value) {
		t.Errorf("%+v", s)
	}
}

// FuzzScan: no text panics, and what is read is written and read again the same.
func FuzzScan(f *testing.F) {
	f.Add([]byte(goodLine + "\n" + goodLine))
	f.Add([]byte(`{"step":3,"time":1764000000.125,"scalars":{"a":"NaN","b":"-Infinity","é\u0041":1e-7}}` + "\n{\"st"))
	f.Add([]byte(`{"step":1,"time":2,"scalars":{"a":{"b":[1,2]}}}`))
	f.Add([]byte("\x00\x00\n\n" + goodLine))
	f.Fuzz(func(t *testing.T, text []byte) {
		var lines []byte
		count := 0
		err := Scan(bytes.NewReader(text), func(e Entry) error {
			lines = appendLine(lines, e)
			count++
			return nil
		})
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("an error of two lines: %v", err)
		}
		var again []byte
		err = Scan(bytes.NewReader(lines), func(e Entry) error {
			again = appendLine(again, e)
			count--
			return nil
		})
		if err != nil || count != 0 || !bytes.Equal(again, lines) {
			t.Errorf("%d entries fewer, %v:\n%s\n%s", count, err, lines, again)
		}
	})
}

// BenchmarkScan reads a log of the size that a training run's lines have.
func BenchmarkScan(b *testing.B) {
	var values []Scalar
	for _, tag := range []string{LearningRate, GradEncoder, GradDecoder, MelLoss, FeatureLoss, F0Loss, ContentLoss, SpeakerLoss} {
		for i := range 5 {
			values = append(values, Scalar{tag + strings.Repeat("x", i), 1.2345678901 / float64(i+3)})
		}
	}
	var text []byte
	for step := range int64(1000) {
		text = appendLine(text, Entry{Step: step, Scalars: values})
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := Scan(bytes.NewReader(text), func(Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
