package hub

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
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
	s := Scheme
	if org, _, _ := strings.Cut(r.Repo, "/"); org == "models" || slices.Contains(types, org) {
		s += "models/" // or the name of the organization would be taken for a type
	}
	s += r.Repo
	if r.Revision != "main" || strings.Contains(r.File, "@") {
		if specialRevision.FindString(r.Revision) == r.Revision {
			s += "@" + r.Revision
		} else {
			s += "@" + strings.NewReplacer("%", "%25", "/", "%2F").Replace(r.Revision)
		}
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

// specialRevision are the revisions with slashes that the hub itself makes, of pull
// requests and conversions: they need no %2F.
var specialRevision = regexp.MustCompile(`^refs/(convert/[A-Za-z0-9_.-]+|pr/[0-9]+)(/|$)`)

// types are what repositories may be beside models, which is what names mean.
var types = []string{"datasets", "spaces", "kernels", "buckets"}

// IsName says whether a path is meant as a name on the hub: it begins with hf://, or
// is an address of the web.
func IsName(s string) bool { return strings.HasPrefix(s, Scheme) || isAddress(s) }

func isAddress(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
}

// Parse reads ORG/NAME, ORG/NAME/FILE, each with @REVISION behind NAME or at the
// end, with or without hf:// or hf://models/ in front. A slash in a revision that
// stands behind NAME is written %2F, but for refs/pr/N and refs/convert/NAME. It also
// reads addresses of pages and files (/blob/, /resolve/) on the hub or at endpoint.
func Parse(s, endpoint string) (Ref, error) {
	if isAddress(s) {
		return parseAddress(s, endpoint)
	}
	r := Ref{Revision: "main"}
	body, scheme := strings.CutPrefix(s, Scheme)
	if kind, rest, ok := strings.Cut(body, "/"); ok && scheme {
		switch {
		case slices.Contains(types, kind):
			return Ref{}, fmt.Errorf("%q names one of the %s, not a model", s, kind)
		case kind == "models" && strings.Contains(rest, "/"):
			body = rest
		}
	}
	parts := strings.SplitN(body, "/", 3)
	if len(parts) < 2 {
		return Ref{}, fmt.Errorf("%q names no repository: say ORG/NAME or ORG/NAME/FILE, Plachta/FAcodec for example", s)
	}
	name, revision, given := strings.Cut(parts[1], "@")
	if given && len(parts) == 3 {
		if special := specialRevision.FindString(revision + "/" + parts[2]); special != "" {
			parts[2] = (revision + "/" + parts[2])[len(special):]
			revision = strings.TrimSuffix(special, "/")
			if special == revision { // and nothing behind it
				parts = parts[:2]
			}
		}
	}
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

// parseAddress reads the address of a repository's page, or of a file in it:
// https://huggingface.co/ORG/NAME/blob/REVISION/FILE.
func parseAddress(s, endpoint string) (Ref, error) {
	fail := func(format string, args ...any) (Ref, error) {
		return Ref{}, fmt.Errorf("%q: %w", s, fmt.Errorf(format, args...))
	}
	u, err := url.Parse(s)
	if err != nil {
		return fail("is no address")
	}
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	home, err := url.Parse(endpoint)
	switch {
	case err == nil && home.Host != "" && strings.EqualFold(u.Host, home.Host):
		path = strings.TrimPrefix(strings.TrimPrefix(path, strings.Trim(home.Path, "/")), "/")
	case strings.EqualFold(u.Host, "huggingface.co"), strings.EqualFold(u.Host, "www.huggingface.co"), strings.EqualFold(u.Host, "hf.co"):
	default:
		return fail("is no address of a model on huggingface.co, or on the server that HF_ENDPOINT names; download it first, and give the file")
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if parts[i], err = url.PathUnescape(part); err != nil {
			return fail("%w", err)
		}
	}
	switch {
	case slices.Contains(types, parts[0]):
		return fail("names one of the %s, not a model", parts[0])
	case parts[0] == "models" && len(parts) > 2:
		parts = parts[1:]
	}
	if len(parts) < 2 {
		return fail("is no address of a repository: want https://huggingface.co/ORG/NAME")
	}
	r := Ref{Repo: parts[0] + "/" + parts[1], Revision: "main"}
	if rest := parts[2:]; len(rest) > 0 {
		if !slices.Contains([]string{"blob", "resolve", "raw", "blame", "tree"}, rest[0]) || len(rest) < 2 {
			return fail("is no address of a file: want …/ORG/NAME/blob/REVISION/FILE or …/resolve/REVISION/FILE")
		}
		r.Revision, r.File = rest[1], strings.Join(rest[2:], "/")
		if special := specialRevision.FindString(strings.Join(rest[1:], "/")); special != "" {
			r.Revision = strings.TrimSuffix(special, "/")
			r.File = strings.TrimPrefix(strings.Join(rest[1:], "/"), special)
		}
		if rest[0] == "tree" && r.File != "" {
			return fail("is the address of a folder; want that of a file")
		}
	}
	if err := r.check(); err != nil {
		return fail("%w", err)
	}
	return r, nil
}

// check refuses names that would lead out of the cache, or to another place of
// the server.
func (r Ref) check() error {
	org, name, _ := strings.Cut(r.Repo, "/")
	if len(r.Repo) > 96 || !repoName.MatchString(org) || !repoName.MatchString(name) ||
		strings.Contains(r.Repo, "--") || strings.Contains(r.Repo, "..") || strings.HasSuffix(name, ".git") {
		return fmt.Errorf("%q cannot be a repository: want ORG/NAME of only letters, digits, -, _ and dots", r.Repo)
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
