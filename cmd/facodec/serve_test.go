package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestServeRefuses: what cannot be served safely, or at all, is said before anything
// listens.
func TestServeRefuses(t *testing.T) {
	t.Setenv(tokenVariable, "")
	empty := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	pair, other := certificate(t), certificate(t)
	for args, want := range map[string]string{
		// Before the model is looked at.
		"--checkpoint-path none.bin --listen " + taken.Addr().String():  "is in use, by another facodec serve perhaps; end that, or give another port: --listen 127.0.0.1:",
		"--checkpoint-path none.bin --listen 192.0.2.1:1 --open":        "this machine has no such address; :1 listens on all that it has",
		"--checkpoint-path none.bin --listen 127.0.0.1:99999":           "want HOST:PORT",
		"--tls-cert " + pair[0] + " --tls-key " + other[1]:              "--tls-key " + other[1] + ": is not the key of the certificate " + pair[0],
		"--tls-cert " + pair[1] + " --tls-key " + pair[0]:               "exchange the two",
		"--tls-cert " + empty + " --tls-key " + pair[1]:                 "--tls-cert " + empty + ": holds no certificate in PEM",
		"--tls-cert " + pair[0] + " --tls-key " + empty:                 "--tls-key " + empty + ": holds no private key in PEM",
		"--tls-cert " + pair[0] + " --tls-key " + pair[2]:               "is encrypted; openssl pkey -in",
		"--tls-cert " + pair[0] + " --tls-key " + pair[0] + ".none":     "--tls-key: open " + pair[0] + ".none: no such file",
		"--tls-cert " + filepath.Dir(pair[0]) + " --tls-key " + pair[1]: "--tls-cert: read " + filepath.Dir(pair[0]) + ": is a directory",
		"--redecoder-config x.yml":                                      "--redecoder-config without --redecoder-checkpoint",
		"--listen 127.0.0.1:0 --redecoder-checkpoint none.bin":          "none.bin",
		"--block 0":                           "--block 0: give 1 to 16",
		"x":                                   `"x" follows no flag`,
		"--listen 0.0.0.0:0":                  "reached by other machines",
		"--listen :0":                         "reached by other machines",
		"--listen localhost":                  "want HOST:PORT",
		"--token short":                       "fewer than 8",
		"--token abcdefgh --token-file x":     "leave one out",
		"--token-file " + empty:               "is empty",
		"--tls-cert x":                        "needs both",
		"--tls-cert no.pem --tls-key no.pem":  "no.pem",
		"--streams -1":                        "no negative numbers",
		"--max-body 0":                        "at least 1",
		"--max-body 99999999999999":           "at most 1048576 MB",
		"--memory 99999999999999":             "at most 1048576 MB",
		"--max-seconds 0":                     "not a length",
		"--idle 0s":                           "times above 0",
		"--log-format xml":                    "text or json",
		"--listen 127.0.0.1:0 --origin x.org": "want scheme and host",
	} {
		var stderr bytes.Buffer
		if code := execute(t.Context(), append([]string{"serve", "--streams", "1"}, strings.Fields(args)...), io.Discard, &stderr); code != exitFailed || !strings.Contains(stderr.String(), want) {
			t.Errorf("serve %s: code %d, %s", args, code, stderr.String())
		}
	}
}

// certificate writes a certificate, its key, and that key as if it were encrypted.
func certificate(t *testing.T) [3]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files [3]string
	for i, b := range []pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: secret}, {Type: "ENCRYPTED PRIVATE KEY", Bytes: secret}} {
		files[i] = filepath.Join(dir, fmt.Sprintf("%d.pem", i))
		if err := os.WriteFile(files[i], pem.EncodeToMemory(&b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestServeTLS: with a certificate it is reached by https, which says so where the
// certificate has expired.
func TestServeTLS(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	files := certificate(t)
	var out output
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--streams", "1", "--block", "2", "--checkpoint-path", fixture("small.safetensors"), "--tls-cert", files[0], "--tls-key", files[1]}, io.Discard, &out)
	}()
	url := opened(t, &out)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	r, err := web.Get(url + "healthz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 || !strings.HasPrefix(url, "https://localhost:") || !strings.Contains(out.String(), files[0]+": expired at ") {
		t.Errorf("%s: %s; %s", url, r.Status, out.String())
	}
	web.CloseIdleConnections()
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, out.String())
	}
}

// opened waits for the address that a server says to open.
func opened(t *testing.T, out *output) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if m := regexp.MustCompile(`open (https?://localhost:\d+/)`).FindStringSubmatch(out.String()); m != nil {
			return m[1]
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not listen: %s", out.String())
		}
	}
}

// TestServe: it says what to open, answers there with the voice it was given, and ends well
// when it is interrupted.
func TestServe(t *testing.T) {
	t.Setenv(tokenVariable, "a secret of the test")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out output
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--streams", "1", "--log-format", "json",
			"--voice", filepath.Join("..", "..", "testdata", "speech", "it.flac")}, io.Discard, &out)
	}()
	url := opened(t, &out)
	get := func(token string) (int, string) {
		r, err := http.NewRequest("GET", url+"v1/voices", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(b)
	}
	if status, body := get("a secret of the test"); status != 200 || !strings.Contains(body, `"name":"it"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get("another"); status != 401 {
		t.Errorf("a wrong token: %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, out.String())
	}
	if text := out.String(); strings.Contains(text, "a secret of the test") || !strings.Contains(text, `"route":"GET /v1/voices"`) {
		t.Errorf("the log: %s", text)
	}
}

// output is a buffer that one writes and another reads.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
