package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/facodec-go/facodec/internal/protocol"
)

// access says which requests may go further. Two threats have nothing to do with tokens: a
// page of another site, which a browser lets send requests to a server on loopback, and
// the name of another site that was rebound to 127.0.0.1 (DNS rebinding), by which that page
// has the server's own origin. The first is seen by Origin and Sec-Fetch-Site, the second
// by Host.
type access struct {
	scheme   string
	port     string
	loopback bool              // reached from this machine alone
	hosts    map[string]string // further hosts, in lower case, and the origin of each
	token    *[sha256.Size]byte
}

func newAccess(c Config) (*access, error) {
	a := &access{scheme: "http", hosts: map[string]string{}}
	if c.TLS {
		a.scheme = "https"
	}
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", c.Address, err)
	}
	a.port, a.loopback = port, IsLoopback(host)
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.TrimSuffix(origin, "/") != u.Scheme+"://"+u.Host {
			return nil, fmt.Errorf("origin %q: want scheme and host, such as https://voice.example.org", origin)
		}
		a.hosts[strings.ToLower(u.Host)] = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	if c.Token != "" {
		sum := sha256.Sum256([]byte(c.Token))
		a.token = &sum
	}
	return a, nil
}

// IsLoopback says whether a host, without its port, is this machine and no other can reach it
// by it.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// originOf returns the origin that pages of this server have if it is reached by host, and
// "" for a host that is not its own. Every name is another's unless it was configured;
// an address that is spelled out cannot be rebound.
func (a *access) originOf(host string) string {
	host = strings.ToLower(host)
	if origin, ok := a.hosts[host]; ok {
		return origin
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil { // no port: the scheme's own
		name, port = strings.Trim(host, "[]"), map[string]string{"http": "80", "https": "443"}[a.scheme]
	}
	_, err = netip.ParseAddr(name)
	if !(port == a.port && IsLoopback(name)) && !(!a.loopback && err == nil) {
		return ""
	}
	return a.scheme + "://" + host
}

// check lets through what comes from no page at all, or from one of this server's, and has
// the token where one is needed.
func (a *access) check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := a.originOf(r.Host)
		if own == "" {
			writeProblem(w, http.StatusMisdirectedRequest, "header.Host", "this server is not known by that name: use its address; who runs it may add names")
			return
		}
		for _, origin := range r.Header.Values("Origin") {
			if strings.ToLower(origin) != own { // "null" among them
				writeProblem(w, http.StatusForbidden, "header.Origin", "pages of other sites are not served")
				return
			}
		}
		// Requests without an Origin, such as those for a picture, tell where they come from
		// by this one. A link to the page is nothing to refuse.
		link := r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" && !link {
			writeProblem(w, http.StatusForbidden, "header.Sec-Fetch-Site", "pages of other sites are not served")
			return
		}
		if a.token != nil && !isPublic(r) && !a.hasToken(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="facodec"`)
			writeProblem(w, http.StatusUnauthorized, "header.Authorization", "this server needs its token: Authorization: Bearer TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isPublic says whether a request is for what everybody may see: the page, which asks for
// the token, and that the server is there.
func isPublic(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/" || r.URL.Path == "/healthz" || strings.HasPrefix(r.URL.Path, "/static/") || strings.HasPrefix(r.URL.Path, "/openapi"))
}

// hasToken looks for the token where clients put it: WebSockets of browsers, which cannot set
// other headers, in a subprotocol.
func (a *access) hasToken(r *http.Request) bool {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return a.isToken(strings.TrimSpace(token))
	}
	for _, list := range r.Header.Values("Sec-WebSocket-Protocol") {
		for word := range strings.SplitSeq(list, ",") {
			if token, ok := protocol.Token(strings.TrimSpace(word)); ok {
				return a.isToken(token)
			}
		}
	}
	return false
}

// isToken compares hashes, so that the time it takes tells nothing of the token or its
// length.
func (a *access) isToken(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], a.token[:]) == 1
}

// secure adds what browsers are to heed of every answer: what the page may load and
// where it may be shown. No header lets other origins read an answer: CORS is off.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "+
			"style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "microphone=(self), camera=(), geolocation=()")
		if r.URL.Path != "/" && !strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}
