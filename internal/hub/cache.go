package hub

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/facodec-go/facodec/internal/atomicfile"
)

var (
	commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)
	// A blob is called by its ETag, which a server makes up: it may not lead
	// elsewhere, nor be one of our own names.
	blobForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}$`)
)

func isCommit(s string) bool { return commitForm.MatchString(s) }

func isBlobName(s string) bool {
	return blobForm.MatchString(s) && !strings.HasSuffix(s, incomplete) && filepath.IsLocal(s)
}

func (c *Client) repoDir(repo string) string {
	return filepath.Join(c.Cache, "models--"+strings.ReplaceAll(repo, "/", "--"))
}

func (c *Client) blob(repo, etag string) string { return filepath.Join(c.repoDir(repo), "blobs", etag) }

func (c *Client) snapshot(r Ref, commit string) string {
	return filepath.Join(c.repoDir(r.Repo), "snapshots", commit, filepath.FromSlash(r.File))
}

func (c *Client) missingMark(r Ref, commit string) string {
	return filepath.Join(c.repoDir(r.Repo), ".no_exist", commit, filepath.FromSlash(r.File))
}

func (c *Client) refPath(r Ref) string {
	return filepath.Join(c.repoDir(r.Repo), "refs", filepath.FromSlash(r.Revision))
}

// commit returns what the revision was last seen at; "" if it never was.
func (c *Client) commit(r Ref) string {
	if isCommit(r.Revision) {
		return r.Revision
	}
	text, err := os.ReadFile(c.refPath(r))
	if commit := strings.TrimSpace(string(text)); err == nil && isCommit(commit) {
		return commit
	}
	return ""
}

// Cached returns a file that is in the cache, at the commit that its revision was
// last seen at. It does not use the network.
func (c *Client) Cached(r Ref) (File, bool) {
	commit := c.commit(r)
	if r.check() != nil || r.File == "" || commit == "" {
		return File{}, false
	}
	f := File{Path: c.snapshot(r, commit), Commit: commit, Verified: true}
	info, err := os.Stat(f.Path) // follows the link: one that leads nowhere is no file
	if err != nil || !info.Mode().IsRegular() {
		return File{}, false
	}
	f.Size = info.Size()
	return f, true
}

// Missing says whether the hub is known to have no such file, at the commit that
// its revision was last seen at. It does not use the network.
func (c *Client) Missing(r Ref) bool {
	commit := c.commit(r)
	if r.check() != nil || r.File == "" || commit == "" {
		return false
	}
	_, err := os.Stat(c.missingMark(r, commit))
	return err == nil
}

// markMissing notes that there is no such file. It saves asking again: a cache
// that cannot be written to does without.
func (c *Client) markMissing(r Ref, commit string) {
	path := c.missingMark(r, commit)
	if os.MkdirAll(filepath.Dir(path), 0o755) == nil {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
			f.Close()
			_ = c.writeRef(r, commit)
		}
	}
}

// writeRef notes the commit that a branch or a tag is at.
func (c *Client) writeRef(r Ref, commit string) error {
	if c.commit(r) == commit { // or is the commit itself
		return nil
	}
	path := c.refPath(r)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := io.WriteString(f, commit); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
}

// tagCache marks the cache for programs that back up (bford.info/cachedir), as
// the Python library does.
func (c *Client) tagCache() {
	f, err := os.OpenFile(filepath.Join(c.Cache, "CACHEDIR.TAG"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		_, _ = f.WriteString("Signature: 8a477f597d28d172789f06886806bc55\n" +
			"# This file is a cache directory tag created by huggingface_hub.\n" +
			"# For information about cache directory tags, see:\n" +
			"#\thttps://bford.info/cachedir/\n")
		f.Close()
	}
}

// link makes pointer lead to blob: a symbolic link, a hard link where there are
// none, a copy where there is neither. Without links, as the client may be told, a
// blob that just came moves there, as the Python library does. It appears whole or not
// at all.
func (c *Client) link(blob, pointer string, came bool) error {
	if err := os.MkdirAll(filepath.Dir(pointer), 0o755); err != nil {
		return err
	}
	if c.NoLinks {
		if came && os.Rename(blob, pointer) == nil {
			return nil
		}
		return copyFile(blob, pointer)
	}
	relative, err := filepath.Rel(filepath.Dir(pointer), blob)
	if err != nil {
		return err
	}
	aside := pointer + ".link-" + unique()
	defer os.Remove(aside) // after the rename there is nothing to remove
	os.Remove(aside)
	if err = os.Symlink(relative, aside); err != nil {
		err = os.Link(blob, aside)
	}
	if err != nil {
		return copyFile(blob, pointer)
	}
	if runtime.GOOS == "windows" {
		os.Remove(pointer) // a link there may not be renamed over
	}
	return os.Rename(aside, pointer)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if info, err := os.Lstat(to); err == nil && info.Mode()&os.ModeSymlink != 0 {
		os.Remove(to) // it leads to a blob, which is not to be written to
	}
	out, err := atomicfile.Create(to)
	if err != nil {
		return err
	}
	defer out.Discard()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	return out.Commit()
}
