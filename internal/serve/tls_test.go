package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/client"
)

// encrypt gives the site a certificate of its own, and a client that trusts no other.
func (x *site) encrypt() *tls.Config {
	x.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		x.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		x.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		x.t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	x.url = "https://" + strings.TrimPrefix(x.url, "http://")
	x.web = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// TestTLS: requests, streamed ones too, and live streams over https are what they are
// without, by HTTP/2 and HTTP/1.1; pages of http, and plain HTTP on the port, get no further.
func TestTLS(t *testing.T) {
	c := small()
	x := newSite(t, Config{TLS: true, Streams: 1})
	en := speech(t, "en")
	source, clip := samplesOf(t, en, 24000), samplesOf(t, speech(t, "it"), 24000)
	timbre, err := c.Timbre(clip)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Convert(source, timbre)
	if err != nil {
		t.Fatal(err)
	}
	v := x.enroll(speech(t, "it"))
	second := x.web
	old := second.Transport.(*http.Transport).Clone()
	old.ForceAttemptHTTP2, old.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
	old.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	first := &http.Client{Transport: old}
	for protocol, web := range map[string]*http.Client{"HTTP/2.0": second, "HTTP/1.1": first} {
		x.web = web
		if r, _ := x.do("GET", "/healthz", nil); r.Proto != protocol || r.StatusCode != 200 {
			t.Errorf("%s: %s", r.Proto, r.Status)
		}
		for _, stream := range []string{"false", "true"} {
			got := samplesOf(t, x.post("/v1/convert?sample_format=f32&stream="+stream+"&voice="+v.ID, en), 24000)
			if !slices.Equal(got, want) {
				t.Errorf("%s, stream=%s: not what Convert returns", protocol, stream)
			}
		}
		r, b := x.do("GET", "/v1/info", nil, "Origin", "http://"+strings.TrimPrefix(x.url, "https://"))
		x.problem(r, b, http.StatusForbidden, "header.Origin")
		if r, _ := x.do("GET", "/", nil, "Origin", x.url); r.StatusCode != 200 {
			t.Errorf("%s: the page: %s", protocol, r.Status)
		}
		s := x.dial(client.Options{Voice: v.ID, MaxWait: 5 * time.Second})
		if got := speak(t, s, source, 4800, nil); !slices.Equal(got, want) {
			t.Errorf("%s: live is not what Convert returns", protocol)
		}
		eventually(t, "it has ended", func() bool { return x.streams.taken() == 0 })
		web.CloseIdleConnections()
	}

	// A client that vanishes in the middle of a body, by HTTP/2.
	ctx, cancel := context.WithCancel(t.Context())
	body, send := io.Pipe()
	request, err := http.NewRequestWithContext(ctx, "POST", x.url+"/v1/reconstruct", body)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		r, err := second.Do(request)
		if err == nil {
			r.Body.Close()
		}
		gone <- err
	}()
	send.Write(en[:20000])
	eventually(t, "it has a place", func() bool { return x.places.taken() == 1 })
	cancel()
	send.CloseWithError(io.ErrClosedPipe)
	if err := <-gone; err == nil {
		t.Error("a request that was cancelled is answered")
	}
	eventually(t, "its place is given back", func() bool { return x.places.taken() == 0 })

	// Plain HTTP is told what is wrong, and a client that trusts another certificate sees none.
	host := strings.TrimPrefix(x.url, "https://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusBadRequest || !bytes.Contains(b, []byte("HTTP request to an HTTPS server")) {
		t.Errorf("plain HTTP: %s %s", r.Status, b)
	}
	if _, err := client.Dial(t.Context(), x.url, client.Options{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
}
