package hub

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// refusal turns an answer of 400 and above into an error that says what to do.
func (c *Client) refusal(r Ref, resp *http.Response) error {
	code := resp.Header.Get(headerError)
	page := c.Endpoint + "/" + r.Repo
	switch {
	case code == "GatedRepo" || resp.StatusCode == http.StatusForbidden:
		if c.Token == "" {
			return fmt.Errorf("access is refused (%d): accept the licence at %s, and set HF_TOKEN to a token of that account", resp.StatusCode, page)
		}
		return fmt.Errorf("access is refused (%d): accept the licence at %s with the account of the token in use", resp.StatusCode, page)
	case resp.StatusCode == http.StatusUnauthorized && c.Token == "":
		return fmt.Errorf("access needs a token (401): the repository is private, or there is none at %s; check the name, or set HF_TOKEN", page)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the token is refused (401): check HF_TOKEN or log in again; it may have expired, or there is no repository at %s", page)
	case code == "RevisionNotFound":
		return fmt.Errorf("no revision %q (404); see %s/tree/main for those that there are", r.Revision, page)
	case code == "RepoNotFound":
		return fmt.Errorf("no such repository (404): check the name at %s", page)
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return fmt.Errorf("%w (%d); see %s/tree/%s for those that it has", ErrNoFile, resp.StatusCode, page, r.Revision)
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500:
		return &statusError{resp.Status, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	return fmt.Errorf("%w: %s", ErrServer, resp.Status)
}

// retryAfter reads both forms that HTTP knows: seconds, and a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
