package hub

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// FromEnv returns a client set up by the environment variables that the hub's
// Python library goes by, so that both share one cache and one login:
//
//	HF_ENDPOINT                the server, https://huggingface.co by default
//	HF_HUB_CACHE               the cache; otherwise $HF_HOME/hub
//	HF_HOME                    otherwise $XDG_CACHE_HOME/huggingface, ~/.cache/huggingface
//	HF_TOKEN                   otherwise the file HF_TOKEN_PATH, $HF_HOME/token
//	HF_HUB_OFFLINE             1: nothing is asked of the network
//	HF_HUB_DISABLE_IMPLICIT_TOKEN  1: the token is not sent
//	HF_HUB_DISABLE_SYMLINKS    1: files lie in snapshots, no links to blobs
func FromEnv() (*Client, error) {
	endpoint := strings.TrimRight(first("HF_ENDPOINT"), "/")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("HF_ENDPOINT is %q, want an address such as https://huggingface.co", endpoint)
	}
	home := expand(first("HF_HOME"))
	if home == "" {
		cache := expand(first("XDG_CACHE_HOME"))
		if cache == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("no folder to download to: %w; set HF_HOME to one", err)
			}
			cache = filepath.Join(user, ".cache")
		}
		home = filepath.Join(cache, "huggingface")
	}
	c := &Client{Endpoint: endpoint, Cache: expand(first("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")),
		Offline: isTrue("HF_HUB_OFFLINE") || first("HF_HUB_OFFLINE") == "" && isTrue("TRANSFORMERS_OFFLINE")}
	c.NoLinks = isTrue("HF_HUB_DISABLE_SYMLINKS")
	if c.Cache == "" {
		c.Cache = filepath.Join(home, "hub")
	}
	if !isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
		c.Token = token(home)
	}
	return c, nil
}

// token is the one of the environment, or the one that `hf auth login` stored.
func token(home string) string {
	if t := strings.TrimSpace(first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")); t != "" {
		return t
	}
	path := expand(first("HF_TOKEN_PATH"))
	if path == "" {
		path = filepath.Join(home, "token")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // without a login most of the hub can be read
	}
	return strings.TrimSpace(string(text))
}

// first returns the first of the variables that is set to something.
func first(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

func isTrue(name string) bool {
	switch strings.ToUpper(os.Getenv(name)) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// expand replaces ~ and $NAME, as the Python library does.
func expand(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		if user, err := os.UserHomeDir(); err == nil {
			path = user + path[1:]
		}
	}
	return os.ExpandEnv(path)
}
