package hub

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// Scheme begins the names of files on the hub.
const Scheme = "hf://"

// A Ref names a file on the hub, or a whole repository where File is "".
type Ref struct {
	Repo     string // "Plachta/FAcodec"
	Revision string // a branch, a tag or a commit
	File     string // with slashes, whatever the system
}

// String returns what Parse reads.
func (r Ref) String() string {
	s := Scheme + r.Repo
	if r.Revision != "main" || strings.Contains(r.File, "@") {
		s += "@" + strings.ReplaceAll(r.Revision, "/", "%2F")
	}
	if r.File != "" {
		s += "/" + r.File
	}
	return s
}

// In returns the name of another file of the repository.
func (r Ref) In(file string) Ref {
	r.File = file
	return r
}

// The hub's own rules for the names of repositories, as its Python library
// checks them.
var repoName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)

// Parse reads ORG/NAME, ORG/NAME/FILE, each with @REVISION behind NAME or at the
// end, with or without hf:// in front. A slash in a revision that stands behind
// NAME is written %2F.
func Parse(s string) (Ref, error) {
	r := Ref{Revision: "main"}
	parts := strings.SplitN(strings.TrimPrefix(s, Scheme), "/", 3)
	if len(parts) < 2 {
		return Ref{}, fmt.Errorf("%q names no repository: say ORG/NAME or ORG/NAME/FILE, Plachta/FAcodec for example", s)
	}
	name, revision, given := strings.Cut(parts[1], "@")
	if given {
		var err error
		if revision, err = url.PathUnescape(revision); err != nil {
			return Ref{}, fmt.Errorf("%q: %w", s, err)
		}
		r.Revision = revision
	}
	r.Repo = parts[0] + "/" + name
	if len(parts) == 3 {
		r.File = parts[2]
		if at := strings.LastIndex(r.File, "@"); at >= 0 && !given {
			r.File, r.Revision = r.File[:at], r.File[at+1:]
		}
		if r.File == "" {
			return Ref{}, fmt.Errorf("%q: no file behind the last slash", s)
		}
	}
	if err := r.check(); err != nil {
		return Ref{}, fmt.Errorf("%q: %w", s, err)
	}
	return r, nil
}

// check refuses names that would lead out of the cache, or to another place of
// the server.
func (r Ref) check() error {
	org, name, _ := strings.Cut(r.Repo, "/")
	if len(r.Repo) > 96 || !repoName.MatchString(org) || !repoName.MatchString(name) ||
		strings.Contains(r.Repo, "--") || strings.Contains(r.Repo, "..") || strings.HasSuffix(name, ".git") {
		return fmt.Errorf("%q cannot be a repository: want ORG/NAME of letters, digits and - _ . alone", r.Repo)
	}
	if err := checkPath(r.Revision); err != nil {
		return fmt.Errorf("revision %q: %w", r.Revision, err)
	}
	if r.File != "" {
		if err := checkPath(r.File); err != nil {
			return fmt.Errorf("file %q: %w", r.File, err)
		}
	}
	return nil
}

var errPath = errors.New("is no path inside a repository")

func checkPath(path string) error {
	bad := func(c rune) bool { return c == '\\' || c == ':' || !unicode.IsPrint(c) }
	if strings.ContainsFunc(path, bad) || !filepath.IsLocal(filepath.FromSlash(path)) {
		return errPath
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." {
			return errPath
		}
	}
	return nil
}

// url returns where the endpoint has the file.
func (r Ref) url(endpoint string) string {
	parts := strings.Split(r.File, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return endpoint + "/" + r.Repo + "/resolve/" + url.PathEscape(r.Revision) + "/" + strings.Join(parts, "/")
}
