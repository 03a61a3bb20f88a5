package serve

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/protocol"
)

// TestHostAndOrigin: only what comes from no page, or from the server's own, goes
// further, on every path.
func TestHostAndOrigin(t *testing.T) {
	x := newSite(t, Config{Origins: []string{"https://voice.example.org"}})
	host := strings.TrimPrefix(x.url, "http://")
	_, port, _ := strings.Cut(host, ":")
	for _, test := range []struct {
		headers []string
		status  int
	}{
		{nil, 200},
		{[]string{"Host", "localhost:" + port}, 200},
		{[]string{"Host", "LOCALHOST:" + port, "Origin", "http://localhost:" + port}, 200},
		{[]string{"Host", "[::1]:" + port}, 200},
		{[]string{"Host", "127.0.0.1"}, 421},    // port 80's
		{[]string{"Host", "localhost:1"}, 421},  // another server's
		{[]string{"Host", "evil.example"}, 421}, // rebound
		{[]string{"Host", "evil.example:" + port}, 421},
		{[]string{"Host", "127.0.0.1.evil.example:" + port}, 421},
		{[]string{"Host", "localhost.evil.example:" + port}, 421},
		{[]string{"Host", "10.1.2.3:" + port}, 421},
		{[]string{"Host", "0.0.0.0:" + port}, 421},
		{[]string{"Origin", x.url}, 200},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", ""}, 403},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "https://" + host}, 403},
		{[]string{"Origin", "http://localhost:" + port}, 403}, // another of its names than Host's
		{[]string{"Origin", "http://127.0.0.1:1"}, 403},
		{[]string{"Origin", x.url + ".evil.example"}, 403},
		{[]string{"Origin", x.url, "Origin", "http://evil.example"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Host", "voice.example.org", "Origin", "https://voice.example.org"}, 200},
		{[]string{"Host", "voice.example.org", "Origin", "http://voice.example.org"}, 403},
		{[]string{"Host", "voice.example.org:8080"}, 421},
		{[]string{"Origin", "https://voice.example.org"}, 403}, // Host is another
	} {
		for _, path := range []string{"GET /v1/info", "GET /", "GET /healthz", "GET /metrics", "GET /openapi.json", "GET /v1/live", "POST /v1/reconstruct"} {
			method, path, _ := strings.Cut(path, " ")
			r, b := x.do(method, path, nil, test.headers...)
			if test.status == 200 {
				if r.StatusCode == 421 || r.StatusCode == 403 {
					t.Errorf("%s with %q: %s", path, test.headers, r.Status)
				}
				continue
			}
			x.problem(r, b, test.status, "")
			if r.StatusCode != test.status {
				t.Errorf("%s with %q: %s", path, test.headers, r.Status)
			}
		}
	}
	// A link on another page may open this one, and nothing else.
	link := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}
	if r, _ := x.do("GET", "/", nil, link...); r.StatusCode != 200 {
		t.Errorf("a link: %s", r.Status)
	}
	r, b := x.do("GET", "/v1/info", nil, link...)
	x.problem(r, b, 403, "header.Sec-Fetch-Site")
}

// TestHostsOfANetwork: a server that others reach is known by addresses, which no name can
// take, and by the names it was given.
func TestHostsOfANetwork(t *testing.T) {
	for address, hosts := range map[string]map[string]string{
		"0.0.0.0:8080": {"10.1.2.3:8080": "http://10.1.2.3:8080", "localhost:8080": "http://localhost:8080", "host:8080": "", "host.lan": "", "10.1.2.3:9090": "http://10.1.2.3:9090"},
		"[::]:80":      {"[fe80::1]": "http://[fe80::1]", "10.1.2.3": "http://10.1.2.3", "localhost": "http://localhost", "evil.example": ""},
		"[::1]:8080":   {"[::1]:8080": "http://[::1]:8080", "[fe80::1]:8080": "", "127.0.0.1:8080": "http://127.0.0.1:8080"},
	} {
		a, err := newAccess(Config{Address: address})
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range hosts {
			if got := a.originOf(host); got != want {
				t.Errorf("at %s, %s: %q, want %q", address, host, got, want)
			}
		}
	}
	for _, origin := range []string{"voice.example.org", "https://voice.example.org/path", "ftp://x", "https://", "https://a b"} {
		if _, err := newAccess(Config{Address: "127.0.0.1:1", Origins: []string{origin}}); err == nil {
			t.Errorf("origin %q is taken", origin)
		}
	}
}

// TestToken: with a token, what is not public needs it.
func TestToken(t *testing.T) {
	x := newSite(t, Config{Token: "secret of 1"})
	encoded := protocol.TokenProtocol("secret of 1")
	wrong := protocol.TokenProtocol("secret of 2")
	for _, test := range []struct {
		headers []string
		ok      bool
	}{
		{nil, false},
		{[]string{"Authorization", "Bearer secret of 1"}, true},
		{[]string{"Authorization", "Bearer secret of 2"}, false},
		{[]string{"Authorization", "Bearer secret"}, false},
		{[]string{"Authorization", "Bearer "}, false},
		{[]string{"Authorization", "Basic secret of 1"}, false},
		{[]string{"Sec-WebSocket-Protocol", "facodec.live.v1, " + encoded}, true},
		{[]string{"Sec-WebSocket-Protocol", wrong}, false},
		{[]string{"Sec-WebSocket-Protocol", protocol.TokenProtocol("") + "%%%"}, false},
	} {
		for _, path := range []string{"/v1/info", "/v1/voices", "/metrics", "/v1/live", "/nothing"} {
			r, b := x.do("GET", path, nil, test.headers...)
			if test.ok && r.StatusCode == 401 {
				t.Errorf("%s with %q: %s", path, test.headers, r.Status)
			}
			if !test.ok {
				x.problem(r, b, 401, "header.Authorization")
				if r.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: 401 without WWW-Authenticate", path)
				}
			}
		}
	}
	for _, path := range []string{"/", "/healthz", "/openapi.json"} {
		if r, _ := x.do("GET", path, nil); r.StatusCode != 200 {
			t.Errorf("%s without a token: %s", path, r.Status)
		}
	}
	r, b := x.do("POST", "/v1/reconstruct", bytes.NewReader(speech(t, "en")))
	x.problem(r, b, http.StatusUnauthorized, "header.Authorization")
}
