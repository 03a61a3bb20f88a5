package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
)

// detailOf returns the detail of a problem, and all of its messages and locations.
func detailOf(t *testing.T, b []byte) (detail string, all []string) {
	t.Helper()
	var p struct {
		Title, Detail string
		Errors        []struct {
			Location, Message string
			Value             any
		}
	}
	if err := json.Unmarshal(b, &p); err != nil || p.Title == "" {
		t.Fatalf("no problem: %.300s", b)
	}
	all = []string{p.Detail}
	for _, e := range p.Errors {
		all = append(all, e.Location, e.Message, fmt.Sprint(e.Value))
	}
	return p.Detail, all
}

// TestProblemMessages: a problem says in its detail which field is wrong and what it takes,
// and repeats no more of a request than tells which mistake is meant, on one printable line.
func TestProblemMessages(t *testing.T) {
	x := newSite(t, Config{})
	long := strings.Repeat("x\u202e", 2000)
	q := url.QueryEscape
	stranger, strangerKind := form(strings.Repeat("y", 5000), "clip")
	unknown := strings.Repeat("&a=1&b=2&c=3", 30)
	for _, test := range []struct {
		method, path string
		body         []byte
		kind         string
		status       int
		want         string
	}{
		{"POST", "/v1/reconstruct?frmt=wav", nil, "", 422, "query.frmt: unknown query parameter; this takes normalize, strict, format, sample_format, rate, parts, voice, stream"},
		{"POST", "/v1/encode?rate=8000&bitrate=3", nil, "", 422, "query.bitrate: unknown query parameter; this takes strict, residual_books, entropy_coding, stream; query.rate: unknown"},
		{"GET", "/v1/info?x=1", nil, "", 422, "query.x: unknown query parameter; this takes none"},
		{"POST", "/v1/reconstruct?format=mp3&rate=1", nil, "", 422, `query.format: expected value to be one of "wav, flac"; query.rate: expected number >= 8000`},
		{"POST", "/v1/reconstruct?" + strings.TrimPrefix(unknown, "&"), nil, "", 422, "query.c: unknown"},
		{"POST", "/v1/reconstruct?format=" + q(long), nil, "", 422, "query.format"},
		{"POST", "/v1/reconstruct?" + q(long) + "=1", nil, "", 422, "query.x"},
		{"POST", "/v1/convert?voice=" + q(long), nil, "", 422, "query.voice"},
		{"POST", "/v1/reconstruct?parts=" + q(long), nil, "", 422, "query.parts[0]"},
		{"GET", "/v1/voices/" + url.PathEscape(long), nil, "", 422, "path.id"},
		{"GET", "/v1/voices/" + url.PathEscape(long[:40]), nil, "", 404, "there is no voice"},
		{"POST", "/v1/plot?title=" + q(long), nil, "", 422, "query.title"},
		{"POST", "/v1/plot?from=nan", nil, "", 422, "NaN is no time"},
		{"POST", "/v1/plot?to=inf", nil, "", 422, "+Inf is no time"},
		{"POST", "/v1/plot?from=-inf", nil, "", 422, "query.from: expected number >= 0"},
		{"POST", "/v1/convert?match=inf", nil, "", 422, "query.match: expected number <= 1"},
		{"POST", "/v1/decode?match=nan", nil, "", 422, "give 0, which is none, to 1"},
		{"POST", "/v1/reconstruct", stranger, strangerKind, 422, `there is no field "yyyyyy`},
		{"POST", "/v1/voices?name=" + q(long), nil, "", 422, "query.name"},
		{"POST", "/v1/voices?name=", nil, "", 422, "the name is empty"},
		{"POST", "/v1/voices?name=" + q("Ali\u202ece"), nil, "", 422, "the name has the character U+202E"},
		{"POST", "/v1/voices?name=" + q("a\x1b[31mb"), nil, "", 422, "the name has the character U+001B"},
		{"POST", "/v1/voices?name=a%FFb", nil, "", 422, "the name is not UTF-8"},
	} {
		r, b := x.do(test.method, test.path, bytes.NewReader(test.body), "Content-Type", test.kind)
		x.problem(r, b, test.status, "")
		detail, all := detailOf(t, b)
		if !strings.Contains(detail, test.want) {
			t.Errorf("%.100s: %q without %q", test.path, detail, test.want)
		}
		if len(b) > 4000 {
			t.Errorf("%.100s: an answer of %d bytes", test.path, len(b))
		}
		for _, text := range all {
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u200d' }) || strings.Contains(text, strings.Repeat("x", 60)) {
				t.Errorf("%.100s: says %q", test.path, text)
			}
		}
	}
	// Names in any script, with the joiners that some need.
	for _, name := range []string{"Zoë", "می\u200cخواهم", "👩\u200d🚀", "山田　太郎"} {
		r, b := x.do("POST", "/v1/voices?name="+q(name), bytes.NewReader(speech(t, "it")))
		var v Voice
		if err := json.Unmarshal(b, &v); err != nil || r.StatusCode != 201 || v.Name != name {
			t.Errorf("name %q: %s, %q", name, r.Status, v.Name)
		}
	}
}

// TestBrokenBodies: bodies that break off, and transfer encodings and forms that are none,
// are told in words of the client, whatever the decoder makes of them.
func TestBrokenBodies(t *testing.T) {
	x := newSite(t, Config{})
	en := string(speech(t, "en"))
	const part = "--XX\r\nContent-Disposition: form-data; name=\"source\"\r\n\r\n"
	const ofForm = "Content-Type: multipart/form-data; boundary=XX\r\n"
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	for _, test := range []struct {
		name, headers, body string
		status              int
		want                string
	}{
		{"cut short", "Content-Length: 100000\r\n", "abc", 400, "the body is incomplete: it ended after 3 of 100000 bytes"},
		{"a recording that is cut short", "Content-Length: 100000\r\n", en[:20000], 400, "it ended after 20000 of 100000 bytes"},
		{"no last chunk", "Transfer-Encoding: chunked\r\n", chunk(en[:20000]), 400, "it ended after 20000 bytes, without a last chunk"},
		{"no chunk", "Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n", 400, "the body cannot be read: invalid byte in chunk length"},
		{"a chunk too long", "Transfer-Encoding: chunked\r\n", "5\r\nabcdefgh\r\n0\r\n\r\n", 400, "the body cannot be read: malformed chunked encoding"},
		{"an empty form", ofForm + "Content-Length: 0\r\n", "", 422, "the form has no end: its last line has to be --XX--"},
		{"a form without end", ofForm + fmt.Sprintf("Content-Length: %d\r\n", len(part+en)), part + en, 422, "the form has no end: its last line has to be --XX--"},
		{"a short form without end", ofForm + fmt.Sprintf("Content-Length: %d\r\n", len(part+"abc")), part + "abc", 422, "the form has no end"},
		{"a form of nothing", ofForm + "Content-Length: 9\r\n", "--XX\r\nabc", 422, "the form"},
		{"a form that is cut short", ofForm + "Content-Length: 100000\r\n", part + en[:20000], 400, "the body is incomplete"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := strings.TrimPrefix(x.url, "http://")
			c, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST /v1/reconstruct HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", host, test.headers, test.body)
			if test.status == 400 {
				c.(*net.TCPConn).CloseWrite()
			}
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(r.Body)
			if detail, _ := detailOf(t, b); r.StatusCode != test.status || !strings.Contains(detail, test.want) {
				t.Errorf("%s: %s, want %q", r.Status, detail, test.want)
			}
		})
	}
	eventually(t, "places are given back", func() bool { return x.places.taken() == 0 })
}
