package main

import (
	"bytes"
	"context"
	"io"
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
	for args, want := range map[string]string{
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
	var url string
	for deadline := time.Now().Add(30 * time.Second); url == ""; time.Sleep(10 * time.Millisecond) {
		if m := regexp.MustCompile(`open (http://localhost:\d+/)`).FindStringSubmatch(out.String()); m != nil {
			url = m[1]
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not listen: %s", out.String())
		}
	}
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
